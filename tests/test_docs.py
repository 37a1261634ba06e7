"""No document that isn't tested: blocks are run, links point at files. CONTRIBUTING.md has the rules."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from seedbed.data import WARNINGS
from seedbed.evaluation import CODES
from seedbed.evaluation.verdicts import Rule

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")])
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<source>.*?)^ *```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
COMMENT = re.compile(r"^ *<!-- *(.*?) *-->\s*\Z", re.MULTILINE)
NEEDS = re.compile(r"^ *<!-- *needs: *(\S+) *-->", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
COMMAND = {"console": re.compile(r"\$ (seedbed .*)"), "bash": re.compile(r"(?:\$ )?(seedbed .*)")}


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line's number, its language, its text, and the comment before it."""

    line: int
    language: str
    source: str
    comment: str


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


def commands_of(block: Block) -> list[tuple[str, str]]:
    """The block's `seedbed` commands, each with the lines shown below it."""
    commands: list[tuple[str, str]] = []
    ours = False
    for line in block.source.replace("\\\n", " ").splitlines():
        if match := COMMAND[block.language].match(line):
            commands.append((match[1], ""))
        elif ours and not line.startswith("$ "):
            command, shown = commands[-1]
            commands[-1] = (command, f"{shown}{line}\n")
            continue
        ours = match is not None
    return commands


def same_output(shown: str, printed: str) -> bool:
    return doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)


def run_commands(block: Block, folder: Path) -> None:
    for command, shown in commands_of(block):
        arguments = shlex.split(command, comments=True)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "seedbed", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"line {block.line}: `{command}` exits with {done.returncode}:\n{done.stderr}"
        if block.comment == "output":
            assert same_output(shown, done.stdout), f"line {block.line}: `{command}` prints:\n{done.stdout}"


def run_page(page: Path, folder: Path) -> int:
    """Run a page's blocks from top to bottom; return how many were run."""
    namespace = {"__name__": "__main__"}
    ran = 0
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if re.match(r"skip: *\S", block.comment):
            continue
        if block.language == "python":
            source = "\n" * (block.line - 1) + block.source  # so that a traceback names the page's own line
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, str(page), "exec"), namespace)
        elif block.language in COMMAND:
            run_commands(block, folder)
        else:
            continue
        ran += 1
    return ran


def broken_links(page: Path) -> list[str]:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    targets = [link.partition("#")[0] for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]
    return [target for target in targets if target and not (page.parent / target).exists()]


# The real pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_table: Callable[[str], Path]
):
    for name in NEEDS.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        shutil.copy(real_table(name), tmp_path)
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_point_at_files(page: Path):
    assert broken_links(page) == []


def test_the_page_of_verdicts_explains_every_rule_and_every_code_and_no_other():
    text = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `(\w+)` \| *\S", text, re.MULTILINE)
    assert explained == [*get_args(Rule), *CODES]


def test_the_page_of_tables_explains_every_warning_and_no_other():
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `(SB\d+)` \| (.*?) \|", text, re.MULTILINE)) == dict(WARNINGS)


# Small pages, which show the rules


@pytest.fixture
def write_page(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "page.md"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def test_python_blocks_share_a_namespace(write_page: Callable[[str], Path], tmp_path: Path):
    text = "```python\nx = 1\n```\nThen:\n```python\nassert x == 1\n```\n"
    assert run_page(write_page(text), tmp_path) == 2


def test_a_wrong_python_block_fails_at_the_line_of_the_page(write_page: Callable[[str], Path], tmp_path: Path):
    with pytest.raises(ZeroDivisionError) as failure:
        run_page(write_page("# Title\n\n```python\n1 / 0\n```\n"), tmp_path)
    assert failure.traceback[-1].lineno == 3  # counted from 0


def test_a_block_is_skipped_only_with_a_reason(write_page: Callable[[str], Path], tmp_path: Path):
    block = "\n```python\n1 / 0\n```\n"
    assert run_page(write_page("<!-- skip: divides by zero -->" + block), tmp_path) == 0
    with pytest.raises(ZeroDivisionError):
        run_page(write_page("<!-- skip: -->" + block), tmp_path)


def test_commands_are_told_from_other_lines_and_from_output():
    source = "$ seedbed train a.csv \\\n    --seeds 3\nEpoch: 0\nEpoch: 1\n$ make demo\nseedbed is out\n"
    (block,) = blocks_of(f"<!-- output -->\n```console\n{source}```\n")
    assert block.comment == "output"
    assert commands_of(block) == [("seedbed train a.csv      --seeds 3", "Epoch: 0\nEpoch: 1\n")]


def test_a_command_that_fails_is_found(write_page: Callable[[str], Path], tmp_path: Path):
    with pytest.raises(AssertionError, match="line 2: `seedbed no-such-verb` exits with"):
        run_page(write_page("```console\n$ seedbed no-such-verb\n```\n"), tmp_path)


def test_shown_output_may_leave_out_what_changes():
    assert same_output("3 candidates, about ... s\n", "3 candidates, about 21 s\n")
    assert not same_output("3 candidates, about ... s\n", "4 candidates, about 21 s\n")


def test_a_link_to_a_missing_file_is_found(write_page: Callable[[str], Path]):
    text = """\
        [a](page.md) [b](page.md#part) [c](https://example.org) [d](#part) ![e](gone.png) [f](docs/gone.md)
        ```text
        [g](not-a-link.md)
        ```
        """
    assert broken_links(write_page(text)) == ["gone.png", "docs/gone.md"]
