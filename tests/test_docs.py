"""Tests of the documents: blocks are run, pictures compared, links checked. CONTRIBUTING.md has the
rules."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import io
import pkgutil
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

import seedbed as sb
from seedbed.cli.program import main
from seedbed.evaluation.checks import Code
from seedbed.evaluation.verdicts import Rule

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
)
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<source>.*?)^ *```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
COMMENT = re.compile(r"^ *<!-- *(.*?) *-->\s*\Z", re.MULTILINE)
NEEDS = re.compile(r"^ *<!-- *needs: *(\S+) *-->", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
FIGURE = re.compile(
    r"^ *<!-- *figure: *(?P<made>\S+) *-->\n *!\[[^\]]*\]\((?P<picture>[^)\s]+)\)",
    re.MULTILINE,
)
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
ORIGIN = re.compile(r" *<!-- *(figure|screenshot): *\S.*-->")
COMMAND = dict(
    console=re.compile(r"\$ (seedbed .*)"), bash=re.compile(r"(?:\$ )?(seedbed .*)")
)


@dataclass(frozen=True)
class Block:
    """A fenced block: number of its first line, language, text, and the comment before it."""

    line: int
    language: str
    source: str
    comment: str


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a page, and its figures as blocks of the language "figure" whose
    text is the picture, in order."""
    blocks = [
        Block(
            line=text.count("\n", 0, match.start("source")) + 1,
            language=match["language"],
            source=textwrap.dedent(match["source"]),
            comment="".join(COMMENT.findall(text[: match.start()])),
        )
        for match in BLOCK.finditer(text)
    ]
    prose = BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    figures = [
        Block(
            line=prose.count("\n", 0, match.start()) + 2,
            language="figure",
            source=match["picture"],
            comment=match["made"],
        )
        for match in FIGURE.finditer(prose)
    ]
    return sorted([*blocks, *figures], key=lambda block: block.line)


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Return the block's `seedbed` commands, each with the lines shown below it."""
    commands: list[tuple[str, str]] = []
    ours = False
    source = re.sub(
        r"^(?:\$ |seedbed )(?:.*\\\n)+",
        lambda m: m[0].replace("\\\n", " "),
        block.source,
        flags=re.MULTILINE,
    )
    for line in source.splitlines():
        if match := COMMAND[block.language].match(line):
            commands.append((match[1], ""))
        elif ours and not line.startswith("$ "):
            command, shown = commands[-1]
            commands[-1] = (command, f"{shown}{line}\n")
            continue
        ours = match is not None
    return commands


def is_run(block: Block) -> bool:
    runs = block.language in {"python", "figure", *COMMAND}
    return runs and not re.match(r"skip: *\S", block.comment)


def same_output(shown: str, printed: str) -> bool:
    """Return whether a page shows what is printed; commands may be folded elsewhere."""
    texts = (text.replace("\\\n", " ") for text in (shown, printed))
    return doctest.OutputChecker().check_output(
        *texts, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )


def run_commands(block: Block, folder: Path, page: Path | None = None) -> None:
    """Run the commands of a block and compare what they print; write it into the page, if one is to
    be renewed."""
    for command, shown in commands_of(block):
        arguments = shlex.split(command, comments=True)[1:]
        if "--quick" in arguments:  # a busy machine must not shorten
            arguments += ["--time-limit", "3600"]
        status, printed, complaint = 0, io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(complaint),
        ):
            try:  # in this process, because a new one takes seconds to import torch
                main(arguments)
            except SystemExit as stop:
                status = int(stop.code or 0)
        assert status == 0, (
            f"line {block.line}: `{command}` exits with {status}:\n{complaint.getvalue()}"
        )
        if block.comment == "output":
            # of the option above
            output = re.sub(
                r"(\s+\\)?\s+--time-limit(\s+\\)?\s+3600", "", printed.getvalue()
            )
            if page is not None and not same_output(shown, output):
                text = page.read_text(encoding="utf-8")
                output = re.sub(
                    r"( in | splits: )\d+ (?:s|min)\.(?= |$)",
                    r"\1...",
                    output,
                    flags=re.MULTILINE,
                )
                page.write_text(text.replace(shown, output))
                shown = output
            assert same_output(shown, output), (
                f"line {block.line}: `{command}` prints:\n{output}"
            )


def difference_of(picture: Path, made: Path) -> str:
    """Return why a committed picture differs from the one that the page's commands make; empty if
    it doesn't. A palette moves little ink (0.1 %), the curves of another seed much (3 %)."""
    if not picture.is_file():
        return "isn't there"
    inks = []
    for path in picture, made:
        with Image.open(path) as image:
            inks.append(255.0 - np.asarray(image.convert("RGB").reduce(8), dtype=float))
    if inks[0].shape != inks[1].shape:
        return f"has another size: {inks[0].shape} in place of {inks[1].shape} cells"
    share = float(abs(inks[0] - inks[1]).sum() / (inks[0].sum() + inks[1].sum() + 1.0))
    return f"looks different: {share:.1%} of the ink moved" if share > 0.015 else ""


def check_figure(figure: Block, page: Path, folder: Path, *, renew: bool) -> None:
    made = folder / figure.comment
    picture = page.parent / figure.source
    assert made.is_file(), f"line {figure.line}: no command above writes {made.name}"
    why = difference_of(picture, made)
    if why and renew:
        with Image.open(made) as image:  # a palette makes it a quarter of the size
            small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(picture, optimize=True)
        why = ""
    assert not why, (
        f"line {figure.line}: {picture.name} {why}; `make pictures` renews it"
    )


def run_page(page: Path, folder: Path, *, renew: bool = False) -> None:
    """Run a page's blocks and check its figures from top to bottom."""
    namespace = {"__name__": "__main__"}
    for block in filter(is_run, blocks_of(page.read_text(encoding="utf-8"))):
        if block.language == "figure":
            check_figure(block, page, folder, renew=renew)
        elif block.language == "python":
            # A traceback names the page's own line.
            source = "\n" * (block.line - 1) + block.source
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, str(page), "exec"), namespace)
        else:
            run_commands(block, folder, page if renew else None)


def broken_links(page: Path) -> list[str]:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = [
        link.partition("#")[0]
        for link in LINK.findall(text)
        if not re.match(r"[a-z]+:", link)
    ]
    return [
        target for target in targets if target and not (page.parent / target).exists()
    ]


def pictures_without_origin(page: Path) -> list[str]:
    """Return pictures without a comment on the line above that names their origin."""
    lines = BLOCK.sub("", page.read_text(encoding="utf-8")).splitlines()
    return [
        picture
        for above, line in zip(["", *lines], lines, strict=False)
        for picture in PICTURE.findall(line)
        if not ORIGIN.match(above)
    ]


RUNNABLE = [
    page
    for page in PAGES
    if any(map(is_run, blocks_of(page.read_text(encoding="utf-8"))))
]


@pytest.mark.slow  # some pages take minutes; `make check` doesn't run them
@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_without_errors(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    real_table: Callable[[str], Path],
    request: pytest.FixtureRequest,
):
    for name in NEEDS.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        shutil.copy(real_table(name), tmp_path)
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path, renew=request.config.getoption("--renew-pictures"))


def test_the_readme_shows_the_screen_of_the_tutorial():
    command = "compare heart_failure.csv --target DEATH_EVENT --recipe tutorial"
    screens = [
        dict(commands_of(block))[f"seedbed {command}"]
        for page in ("README.md", "docs/tutorial.md")
        for block in blocks_of((ROOT / page).read_text(encoding="utf-8"))
        if block.language == "console" and f"{command}\n" in block.source
    ]
    assert len(screens) == 2
    assert same_output(*screens)


def test_links_point_to_files_and_pictures_name_their_origin():
    assert {page.name: broken for page in PAGES if (broken := broken_links(page))} == {}
    assert {
        page.name: pictures
        for page in PAGES
        if (pictures := pictures_without_origin(page))
    } == {}


def test_committed_pictures_are_small_and_used():
    shown = {
        (page.parent / picture).resolve()
        for page in PAGES
        for picture in PICTURE.findall(page.read_text("utf-8"))
    }
    kept = set((ROOT / "docs" / "images").iterdir())
    assert kept <= shown
    assert [path.name for path in kept if path.stat().st_size > 300_000] == []


@pytest.mark.parametrize(
    ("page", "names"), [("verdicts", get_args(Rule)), ("methods", get_args(Code))]
)
def test_a_page_documents_exactly_the_existing_rules_or_codes(page, names):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| *\S", text, re.MULTILINE) == [*names]


def test_the_page_of_tables_documents_exactly_the_existing_warnings():
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    files = Path(sb.__path__[0], "data").rglob("*.py")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    codes = sorted(set(re.findall(r'"(SB\d+)"', source)))
    assert re.findall(r"^\| `(SB\d+)` \|", text, re.MULTILINE) == codes


def test_architecture_lists_exactly_the_existing_files():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = re.findall(r"`(?:[\w/]+/)?(\w+\.py)`", text.partition("## Every file")[2])
    files = {file.name for file in Path(sb.__path__[0]).rglob("*.py")}
    beside = {"__init__.py", "__main__.py"}
    layers = set(re.findall(r"^\| \d+ \| `(\w+\.py)`", text, re.MULTILINE))
    assert {*listed} | layers | beside == files | beside


def test_the_site_has_at_most_28_000_words():
    pages = (ROOT / "docs").glob("*.md")
    assert sum(len(page.read_text("utf-8").split()) for page in pages) <= 28_000


def docstrings_with_examples() -> Iterator[doctest.DocTest]:
    for info in pkgutil.walk_packages(sb.__path__, "seedbed."):
        needs_torch = (
            ".torch." in info.name and importlib.util.find_spec("torch") is None
        )
        if not (
            info.name.endswith("__main__") or "-" in info.name or needs_torch
        ):  # a compiled kernel is no module
            yield from doctest.DocTestFinder().find(
                importlib.import_module(info.name), extraglobs={"sb": sb}
            )


EXAMPLES = {found.name: found for found in docstrings_with_examples() if found.examples}


@pytest.mark.few(12)
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert runner.run(EXAMPLES[name], out=printed.append).failed == 0, "".join(printed)


def test_the_python_page_has_every_public_name():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: seedbed\.(?:\w+\.)*(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(sb.__all__)
