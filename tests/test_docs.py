"""Tests of the documents: blocks are run, pictures compared, links checked. CONTRIBUTING.md has the
rules."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import io
import itertools
import pkgutil
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator
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
FIGURE = re.compile(r"^ *<!-- *figure: *(\S+) *-->\n(?P<below>[^\n]*)", re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
ORIGIN = re.compile(r" *<!-- *(figure|screenshot): *\S.*-->")
COMMAND = {
    "console": re.compile(r"\$ (seedbed .*)"),
    "bash": re.compile(r"(?:\$ )?(seedbed .*)"),
}


@dataclass(frozen=True)
class Block:
    """A fenced block: number of its first line, language, text, and the comment before it."""

    line: int
    language: str
    source: str
    comment: str


@dataclass(frozen=True)
class Figure:
    """A committed picture: its line number, the file that the commands above it write, and its path
    from the page."""

    line: int
    made: str
    picture: str


def blocks_of(text: str) -> list[Block]:
    blocks = []
    for match in BLOCK.finditer(text):
        comment = COMMENT.search(text[: match.start()])
        blocks.append(
            Block(
                line=text.count("\n", 0, match.start("source")) + 1,
                language=match["language"],
                source=textwrap.dedent(match["source"]),
                comment=comment[1] if comment else "",
            )
        )
    return blocks


def figures_of(text: str) -> list[Figure]:
    figures = []
    for match in FIGURE.finditer(
        BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    ):
        line = text.count("\n", 0, match.start("below")) + 1
        picture = PICTURE.match(match["below"].strip())
        assert picture, f"line {line}: no picture below the comment of a figure"
        figures.append(Figure(line, match[1], picture[1]))
    return figures


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
    return block.language in {"python", *COMMAND} and not re.match(
        r"skip: *\S", block.comment
    )


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
            output = re.sub(
                r"(\s+\\)?\s+--time-limit(\s+\\)?\s+3600", "", printed.getvalue()
            )  # of the option above
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


def ink_elsewhere(one: Path, other: Path) -> float:
    """Return the share of ink, in coarse cells of each colour, that differs between two pictures of
    equal size.

    A palette changes little (0.0013 at most); the curves of another seed differ more (0.03 and
    more).
    """
    inks = []
    for path in one, other:
        with Image.open(path) as image:
            inks.append(255.0 - np.asarray(image.convert("RGB").reduce(8), dtype=float))
    return float(abs(inks[0] - inks[1]).sum() / (inks[0].sum() + inks[1].sum() + 1.0))


def strangeness(picture: Path, made: Path) -> str:
    """Return why a committed picture differs from the one that the page's commands make; empty if
    it doesn't."""
    if not picture.is_file():
        return "isn't there"
    with Image.open(picture) as one, Image.open(made) as other:
        if one.size != other.size:
            return f"has {one.size[0]} x {one.size[1]} pixels, not {other.size[0]} x {other.size[1]}"
    share = ink_elsewhere(picture, made)
    return (
        f"looks different: {share:.1%} of the ink lies elsewhere"
        if share > 0.015
        else ""
    )


def check_figure(
    figure: Figure, page: Path, folder: Path, *, renew: bool = False
) -> None:
    made, picture = folder / figure.made, page.parent / figure.picture
    assert made.is_file(), f"line {figure.line}: no command above writes {figure.made}"
    why = strangeness(picture, made)
    if why and renew:
        picture.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(made) as image:  # a palette makes it a quarter of the size
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
                picture, optimize=True
            )
        why = ""
    assert not why, (
        f"line {figure.line}: {figure.picture} {why}. Look at {figure.made}; `make pictures` renews it"
    )


def run_page(page: Path, folder: Path, *, renew: bool = False) -> int:
    """Run a page's blocks and check its figures from top to bottom; return how many blocks were
    run."""
    namespace = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    ran = 0
    for block in sorted(
        [*blocks_of(text), *figures_of(text)], key=lambda piece: piece.line
    ):
        if isinstance(block, Figure):
            check_figure(block, page, folder, renew=renew)
            continue
        if not is_run(block):
            continue
        if block.language == "python":
            source = (
                "\n" * (block.line - 1) + block.source
            )  # so that a traceback names the page's own line
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, str(page), "exec"), namespace)
        else:
            run_commands(block, folder, page if renew else None)
        ran += 1
    return ran


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


def test_a_command_has_the_same_output_on_every_page():
    seen: dict[str, list[str]] = {}
    for page in PAGES:
        for block in blocks_of(page.read_text(encoding="utf-8")):
            for command, shown in (
                commands_of(block) if block.language == "console" else ()
            ):
                if shown:
                    key = " ".join(command.split())
                    seen.setdefault(key, []).append(shown)
    several = [shown for shown in seen.values() if len(shown) > 1]
    assert (
        len(
            seen[
                "seedbed compare heart_failure.csv --target DEATH_EVENT --recipe tutorial"
            ]
        )
        == 2
    )
    assert [
        pair
        for all_shown in several
        for pair in itertools.combinations(all_shown, 2)
        if not (same_output(*pair) or same_output(*pair[::-1]))
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_point_to_files_and_its_pictures_name_their_origin(
    page: Path,
):
    assert broken_links(page) == []
    assert pictures_without_origin(page) == []


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
def test_a_page_documents_exactly_the_existing_rules_or_codes(
    page: str, names: Iterable[str]
):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| *\S", text, re.MULTILINE) == [*names]


def test_the_page_of_tables_documents_exactly_the_existing_warnings():
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    source = "".join(
        file.read_text(encoding="utf-8")
        for file in Path(sb.__path__[0], "data").rglob("*.py")
    )
    assert re.findall(r"^\| `(SB\d+)` \|", text, re.MULTILINE) == sorted(
        set(re.findall(r'"(SB\d+)"', source))
    )


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


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert runner.run(EXAMPLES[name], out=printed.append).failed == 0, "".join(printed)


@pytest.fixture
def write_page(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "page.md"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


DRAWING = """
    ```python
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", (400, 300), "white")
    ImageDraw.Draw(image).line([(0, 0), (400, {height})], fill="green", width=3)
    image.save("curves.png")
    ```
    <!-- figure: curves.png -->
    ![a line](images/line.png)
    """


@pytest.fixture
def drawn_page(
    write_page: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A page whose committed picture has been renewed."""
    monkeypatch.chdir(tmp_path)
    page = write_page(DRAWING.format(height=200))
    run_page(page, tmp_path, renew=True)
    return page


@pytest.mark.usefixtures("drawn_page")
def test_a_picture_of_another_drawing_or_size_is_found(
    write_page: Callable[[str], Path], tmp_path: Path
):
    other = (
        r"line 10: images/line\.png looks different: [0-9.]+% of the ink lies elsewhere"
    )
    with pytest.raises(AssertionError, match=other):
        run_page(write_page(DRAWING.format(height=220)), tmp_path)
    with pytest.raises(AssertionError, match="has 400 x 300 pixels, not 400 x 301"):
        run_page(
            write_page(DRAWING.format(height=200).replace("400, 300", "400, 301")),
            tmp_path,
        )


def test_the_python_page_has_every_public_name():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: seedbed\.(?:\w+\.)*(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(sb.__all__)
