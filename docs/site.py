"""Hooks of the documentation site: pages that live outside `docs/`, links to them, and the
playground.

MkDocs reads this file (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import posixpath
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import seedbed as sb

ROOT = Path(__file__).resolve().parent.parent

# From a file of the project to its page of the site.
PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
LINKED = PAGES | {"README.md": "index.md"}  # the site has a first page of its own
# The usage lines of the command line's page begin with the name of the running program.
sys.argv[0] = "seedbed"

LINK = re.compile(
    r"(?P<label>!?\[[^\]]*\])\((?!\w+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside `docs/` and the playground without a table."""
    for source, page in PAGES.items():
        if files.get_file_from_path(page) is None:
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    with tempfile.TemporaryDirectory() as folder:
        page = sb.playground(None, Path(folder) / "play.html").read_text(
            encoding="utf-8"
        )
    files.append(File.generated(config, "playground.html", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links at pages of the site; links to other files of the project become plain text."""
    at = page.file.src_uri
    source = next((path for path, name in PAGES.items() if name == at), f"docs/{at}")

    def moved(match: re.Match[str]) -> str:
        path = posixpath.normpath(
            posixpath.join(posixpath.dirname(source), match["path"])
        )
        on_site = path.startswith("docs/") and not path.startswith("docs/decisions")
        target = LINKED.get(path, path.removeprefix("docs/") if on_site else None)
        if target is None:
            return match["label"].strip("[]")
        return f"{match['label']}({posixpath.relpath(target, posixpath.dirname(at) or '.')}{match['anchor'] or ''})"

    return LINK.sub(moved, markdown)
