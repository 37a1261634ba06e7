"""The page as one file: the modules of `static/`, the training kernel as WebAssembly, and a
table."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seedbed.arguments import checked
from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.errors import OptionError, visible, writing
from seedbed.figures.pictures import csv_library, script_json
from seedbed.figures.theme import css_themes
from seedbed.files import write_whole
from seedbed.play.document import table_document

STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""The page can neither load nor send anything. Its own scripts, styles and workers are inside
it."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_COMMENT = re.compile(r"^ *(?://.*|/\*\*[\s\S]*?\*/)\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|let|class)", re.MULTILINE)


@checked()
def playground(
    table: Any = None,
    path: str | Path | None = None,
    *,
    target: str | int | None = None,
) -> Path:
    """Write a page on which networks train live on a table, in any browser and without a
    connection.

    Args:
        table: what `read_table` takes, or a `Table` of it. Without one the page reads CSV files
            that are dropped on it.
        path: the file to write; `play-NAME.html` if left out, or `play.html` without a table.
        target: the column to predict.

    Returns:
        The path of the file.

    Raises:
        DataError: the table can't be used, or is too large for the page.
        OptionError: the path is in no folder, or is one.

    Examples:
        >>> sb.playground("example:iris").name
        'play-iris.html'
    """
    if target is not None and isinstance(table, Table):
        raise OptionError(
            "target was given with a table that is read already",
            "Give it to read_table.",
        )
    if target is not None and table is None:
        raise OptionError(
            "target names a column of a table, and there is no table",
            "Give one, or no target.",
        )
    rows = (
        table
        if table is None or isinstance(table, Table)
        else read_table(table, target=target)
    )
    name = "play" if rows is None else "play-" + re.sub(r"[^\w.-]+", "_", rows.name)
    written = Path(path or f"{name}.html")
    if not written.parent.is_dir():
        raise OptionError(
            f"can't write {written}: there is no folder {written.parent}",
            "Make the folder first.",
        )
    if written.is_dir():
        raise OptionError(
            f"can't write {written}: it is a folder", "Name a file in it."
        )
    if written.suffix.lower() not in (
        ".html",
        ".htm",
    ):  # a mistyped path must not overwrite a table
        raise OptionError(
            f"can't write the page to {written}: a page is HTML",
            "Name a file that ends in .html.",
        )
    text = page_text(None if rows is None else table_document(rows))
    with writing(written):
        write_whole(written, lambda part: part.write_text(text, encoding="utf-8"))
    return written


def page_text(table: dict[str, Any] | None) -> str:
    """Return the page's HTML.

    Args:
        table: from `table_document`; None for the page that waits for a file.
    """
    parts = {
        "POLICY": POLICY,
        "STYLE": css_themes() + _text("style.css"),
        "NAME": ""
        if table is None
        else f' data-name="{html.escape(visible(table["name"]))}"',
        "TABLE": script_json(table),
        "KERNEL": base64.b64encode((STATIC / "kernel.wasm").read_bytes()).decode(),
        "WORKER": csv_library() + bundled(["worker.js"]),
        "SCRIPT": bundled(["main.js"]),
    }
    return re.sub(
        r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], _text("page.html")
    )


def bundled(entries: Sequence[str], folder: Path = STATIC) -> str:
    """Return modules and all that they import as one script, each after those that it needs. Lines of
    comments are left out.

    An import is a line `import { name } from "./module.js";`, and an export stands before a
    declaration.

    Args:
        entries: names of files.
        folder: of all modules, which don't import each other in a circle.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in texts:
            text = (folder / name).read_text(encoding="utf-8")
            for other in _IMPORT.findall(text):
                add(other)
            code = _COMMENT.sub("", _IMPORT.sub("", text))
            texts[name] = _EXPORT.sub("", code)

    for entry in entries:
        add(entry)
    return "\n".join(texts.values())


def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
