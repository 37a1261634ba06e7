"""Takes the pictures of the HTML report in docs/images: python docs/screenshots.py [REPORT].

Without a report it first makes the one of the README, from heart_failure.csv in the folder SEEDBED_DATA. A browser is
needed: Chromium, as the system has it.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
DATA = Path(os.environ.get("SEEDBED_DATA") or ROOT.parent / "shared" / "data").resolve()
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# Name of the picture, and what Playwright makes the browser pretend.
SHOTS = {
    "report-light.png": {"viewport": {"width": 1100, "height": 800}, "color_scheme": "light"},
    "report-dark.png": {"viewport": {"width": 1100, "height": 800}, "color_scheme": "dark"},
    "report-phone.png": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True},
}


def make_report(folder: Path) -> Path:
    shutil.copy(DATA / "heart_failure.csv", folder)
    arguments = ["compare", "heart_failure.csv", "--target", "DEATH_EVENT", "--recipe", "tutorial", "--out", "run"]
    subprocess.run([sys.executable, "-m", "seedbed", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "run" / "report.html"


def take(report: Path) -> None:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("no Chromium is installed: apt-get install chromium, or the like")
    with sync_playwright() as playwright:
        # In a container Chromium's own sandbox can't be set up; the page is ours.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, pretended in SHOTS.items():
            page = browser.new_context(**pretended).new_page()
            page.goto(report.resolve().as_uri())
            page.wait_for_selector("body[data-ready=yes]")
            with Image.open(io.BytesIO(page.screenshot())) as image:
                image.convert("RGB").save(IMAGES / name, optimize=True)
            print(IMAGES / name)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            take(make_report(Path(folder)))
