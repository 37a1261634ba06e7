"""Words that the project's texts don't use, since plain English has a better one.

`python tests/test_english.py src/seedbed/data` lists the places in a folder or file.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {".cpp", ".cff", ".h", ".html", ".js", ".md", ".py", ".toml", ".yml"}

GAP = r"[\s#*/]+"
# What to write in place of each. A space stands for any white space, also of a comment that goes on
# in the next line.
INSTEAD = {
    r"always guessing": "predicting the class frequencies, or the mean",
    r"anew": "again",
    r"anybody|nobody": "no one, or name the person: users, readers",
    r"dearest|dearer|(?:hold|holds|held) dear": "most expensive, slowest, largest",
    r"dealt|deals? out": "divided, drawn, assigned",
    r"for want of|want of (?:memory|space|time)": "because there is no",
    r"flatter(?:s|ed|ing)?": "make optimistic, bias",
    r"general way": "torch.func, or one network after the other",
    r"given up|gave up": "stopped, dropped",
    r"(?:hold|holds|held) against": "compared with",
    r"in the house": "on this machine, in this process",
    r"laid off": "removed",
    r"(?:is|are) asked for(?! consent)": "requested, given",
    r"lest": "so that ... doesn't",
    r"luck|lucky|luckily": "chance",
    r"one's own": "your own, user-defined",
    r"out of sight": "not seen",
    r"rooms?": "package; space, memory",
    r"stands? there twice": "is duplicated",
    r"such as (?:differ|have|are)": "those that",
    r"takes? home|to take home|taking home": "keep, use, save",
    r"tells? (?:\w+ )?apart|telling apart": "distinguish, differ",
    r"told": "said, given, known",
    r"thereof|hither|unawares|in vain": "a word of today",
    r"where it is none": "otherwise",
    r"whoever": "users who, or name the person",
    r"whom": "that, which",
}
ADVICE = list(INSTEAD.values())
BANNED = re.compile(
    "|".join(rf"\b({words.replace(' ', GAP)})\b" for words in INSTEAD), re.IGNORECASE
)


def tracked_texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [
        path
        for path in paths
        if path.suffix in TEXTS and path.is_file() and path != Path(__file__).resolve()
    ]


def places(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, words found and advice. In names of tests an underscore counts as a
    space."""
    text = re.sub(r"def test_\w+", lambda name: name[0].replace("_", " "), text)
    for match in BANNED.finditer(text):
        assert match.lastindex
        yield (
            text.count("\n", 0, match.start()) + 1,
            " ".join(match[0].split()),
            ADVICE[match.lastindex - 1],
        )


def report(paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {found!r}: write {instead}"
        for path in paths
        for line, found, instead in sorted(places(path.read_text(encoding="utf-8")))
    ]


def test_every_text_is_in_plain_words():
    try:
        texts = tracked_texts()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git")
    found = report(texts)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("The others\nare held against it.", 2, "held against"),
        ("# no network is held\n# against it", 1, "held # against"),
        ("def test_a_word_is_told_from_a_number(): ...", 1, "told"),
        ("Much Room", 1, "Room"),
    ],
)
def test_a_banned_word_is_found_with_its_line(text: str, line: int, found: str):
    assert [(at, words) for at, words, _ in places(text)] == [(line, found)]


if __name__ == "__main__":
    below = [Path(name).resolve() for name in sys.argv[1:]] or [ROOT]
    print(
        *report(
            [
                path
                for path in tracked_texts()
                if any(path.is_relative_to(top) for top in below)
            ]
        ),
        sep="\n",
    )
