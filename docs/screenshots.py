"""Take the pictures of reports and the playground in docs/images.

python docs/screenshots.py [report] [subgroups] [play]

All are made from heart_failure.csv in the folder SEEDBED_DATA. A browser is needed: Chromium, as
the system has it.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
DATA = Path(os.environ.get("SEEDBED_DATA") or ROOT.parent / "shared" / "data").resolve()
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def make_report(folder: Path) -> Path:
    shutil.copy(DATA / "heart_failure.csv", folder)
    arguments = [
        "compare",
        "heart_failure.csv",
        "--target",
        "DEATH_EVENT",
        "--recipe",
        "tutorial",
        "--out",
        "run",
    ]
    subprocess.run(
        [sys.executable, "-m", "seedbed", *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder / "run" / "report.html"


# The duration depends on the machine, so the pictures leave it out.
WITHOUT_SECONDS = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    texts.currentNode.data = texts.currentNode.data.replace(/(networks\\)?) in [\\d.,]+ \\w+/, "$1");
  }
}"""


def report_pictures(browser: Any, folder: Path) -> Iterator[tuple[str, bytes]]:
    report = make_report(folder)
    page = browser.new_context(
        viewport={"width": 1100, "height": 872}, color_scheme="light"
    ).new_page()
    page.goto(report.resolve().as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    page.evaluate(WITHOUT_SECONDS)
    yield "report-light.png", page.screenshot()


def subgroup_pictures(browser: Any, folder: Path) -> Iterator[tuple[str, bytes]]:
    arguments = [
        "compare",
        str(DATA / "heart_failure.csv"),
        "--target",
        "DEATH_EVENT",
        "--quick",
        "--reference",
        "logistic",
        "--by",
        "time",
    ]
    subprocess.run(
        [sys.executable, "-m", "seedbed", *arguments, "--out", "by"],
        cwd=folder,
        check=True,
    )
    page = browser.new_context(
        viewport={"width": 1100, "height": 800}, color_scheme="light"
    ).new_page()
    page.goto((folder / "by" / "report.html").resolve().as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    yield (
        "subgroups.png",
        page.locator("#subgroups").screenshot(style=".shown { display: none }"),
    )  # reaches into it


def play_pictures(browser: Any, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the first screen, a verdict, a map, and the three scenes."""
    made = folder / "play.html"
    arguments = [
        "play",
        str(DATA / "heart_failure.csv"),
        "--target",
        "DEATH_EVENT",
        "--no-open",
        "-o",
        str(made),
    ]
    subprocess.run([sys.executable, "-m", "seedbed", *arguments], check=True)

    def trained(page: Any) -> None:
        page.wait_for_selector("body[data-state=done]", timeout=300_000)
        page.evaluate(WITHOUT_SECONDS)
        page.wait_for_timeout(300)  # for what is painted in the next frames

    page = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light"
    ).new_page()
    page.goto(made.as_uri())
    trained(page)
    yield "play-light.png", page.screenshot()
    page.evaluate("delete document.body.dataset.state")  # of the training before
    page.get_by_role("button", name="Compare with relu:5").click()
    trained(page)
    yield "play-compare.png", page.locator("#compare").screenshot()
    page.goto("about:blank")
    page.goto(
        f"{made.as_uri()}#table=circles&noise=0.15&network=relu:5&optimizer=adamw"
    )
    trained(page)
    page.locator("#surface").scroll_into_view_if_needed()
    page.wait_for_selector("#map figure[aria-label*=mean]")
    page.wait_for_timeout(300)
    yield "play-map.png", page.locator("#surface").screenshot()
    page.goto("about:blank")
    page.set_viewport_size({"width": 1280, "height": 1000})  # a scene as a whole
    page.goto(f"{made.as_uri()}#folds")
    trained(page)
    for name in ("folds", "patients", "rare"):
        scene = page.locator(f"#{name}-scene")
        if name == "patients":
            scene.get_by_role("button").click()
            page.wait_for_selector(f"#{name}-scene[data-state=done]")
            scene.get_by_role("radio", name="whole patients").check()
            page.wait_for_selector(f"#{name}-scene[data-state=training]")
        if name == "rare":
            scene.get_by_role("button").click()
        page.wait_for_selector(f"#{name}-scene[data-state=done]")
        if name == "rare":
            page.locator("#rare-threshold").fill("3")
        page.wait_for_timeout(500)
        yield f"play-{name}.png", page.locator(f"#{name}").screenshot()


PICTURES = {
    "report": report_pictures,
    "subgroups": subgroup_pictures,
    "play": play_pictures,
}


def main(wanted: list[str]) -> None:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("no Chromium is installed: apt-get install chromium, or the like")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        # In a container Chromium's own sandbox can't be set up; the pages are ours.
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"]
        )
        for kind in wanted or PICTURES:
            for name, shot in PICTURES[kind](browser, Path(folder)):
                with Image.open(io.BytesIO(shot)) as image:
                    # A palette makes the many thin lines of the playground a third of the size.
                    plain = image.convert("RGB")
                    kept = (
                        plain
                        if kind != "play"
                        else plain.quantize(256, kmeans=4, dither=Image.Dither.NONE)
                    )
                    kept.save(IMAGES / name, optimize=True)
                print(IMAGES / name)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
