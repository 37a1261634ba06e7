"""ARCHITECTURE.md's table of rooms, held against the tree. Each rule is also shown to fire."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "seedbed"
MAX_FILE_LINES = 600
NO_NAMES = {"util", "utils", "common", "helper", "helpers", "core"}
DOOR = "__init__.py"
ROW = re.compile(r"^\| *(\d+) *\| *`([^`]+)` *\|", re.MULTILINE)


def levels_of(text: str) -> dict[str, int]:
    """The table: from a room, written `data/` or `errors.py`, to its level."""
    rows = [(room, int(level)) for level, room in ROW.findall(text)]
    levels = dict(rows)
    assert rows, "no table of rooms was found"
    assert len(levels) == len(rows), "a room has two rows"
    return levels


def files_of(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def room_of(file: Path, package: Path) -> str:
    first, *rest = file.relative_to(package).parts
    return f"{first}/" if rest else first


def rooms_of(package: Path) -> set[str]:
    return {room_of(file, package) for file in files_of(package)}


def imported_paths(file: Path, package: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and dotted path below the package of all that a file imports from it, wherever the import stands."""
    here = list(file.relative_to(package).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = [package.name, *here[: len(here) - node.level + 1], *base]
            found = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from ((node.lineno, path[1:]) for path in found if path[0] == package.name)


def room_imported(path: list[str], rooms: set[str]) -> str:
    """The room a path below the package leads to; a name that is no room comes out of the door."""
    candidates = [f"{path[0]}/", f"{path[0]}.py"] if path else []
    return next((room for room in candidates if room in rooms), DOOR)


def wrong_imports(package: Path, levels: dict[str, int]) -> list[str]:
    wrong = []
    rooms = rooms_of(package)
    for file in files_of(package):
        room = room_of(file, package)
        for line, path in imported_paths(file, package):
            other = room_imported(path, rooms)
            if other != room and levels.get(other, 0) >= levels.get(room, 0):
                wrong.append(f"{file.relative_to(package)}:{line}: {room} must not import {other}")
    return wrong


def map_drift(package: Path, levels: dict[str, int]) -> list[str]:
    rooms = rooms_of(package)
    unmapped = [f"{room} has no row in the table" for room in sorted(rooms - levels.keys())]
    return unmapped + [f"the row {room} has no room" for room in sorted(levels.keys() - rooms)]


def long_files(package: Path) -> list[str]:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files_of(package)}
    return [f"{file.relative_to(package)}: {n} lines" for file, n in lengths.items() if n > MAX_FILE_LINES]


def empty_names(package: Path) -> list[str]:
    paths = [file.relative_to(package) for file in files_of(package)]
    return [str(path) for path in paths if any(Path(part).stem.strip("_") in NO_NAMES for part in path.parts)]


# The real tree


def test_imports_point_to_lower_levels_only():
    assert wrong_imports(PACKAGE, levels_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))) == []


def test_the_map_shows_all_rooms_and_no_other():
    assert map_drift(PACKAGE, levels_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))) == []


def test_no_file_is_too_long():
    assert long_files(PACKAGE) == []


def test_no_name_says_nothing():
    assert empty_names(PACKAGE) == []


# A tiny tree, in which each rule must fire

TABLE = """
| level | room | lives there |
|---|---|---|
| 0 | `errors.py` | errors |
| 1 | `data/` | tables |
| 1 | `networks/` | networks |
| 2 | `training/` | the engine |
| 5 | `cli.py` | verbs |
| 5 | `__init__.py` | the door |
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package in which everything is right."""
    package = tmp_path / "seedbed"
    sources = {
        "__init__.py": "def f():\n    from seedbed.training import loop\n",
        "errors.py": "import os.path\nfrom difflib import get_close_matches\n",
        "data/__init__.py": "from .table import Table\nfrom ..errors import SeedbedError\n",
        "data/table.py": "from seedbed.data import splits\n",
        "data/splits.py": "",
        "networks/__init__.py": "from seedbed.errors import SeedbedError\n",
        "training/__init__.py": "from seedbed import data\nimport seedbed.networks as n\n",
        "cli.py": "from . import errors\nfrom .training import loop\n",
    }
    for name, source in sources.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    return package


def test_a_tree_in_which_all_is_right_passes(tree: Path):
    levels = levels_of(TABLE)
    assert wrong_imports(tree, levels) + map_drift(tree, levels) == []
    assert long_files(tree) + empty_names(tree) == []


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("data/splits.py", "import seedbed.training.loop\n", "training/"),
        ("data/splits.py", "from seedbed import training\n", "training/"),
        ("data/splits.py", "from seedbed import networks\n", "networks/"),
        ("data/splits.py", "from ..networks import MLP\n", "networks/"),
        ("data/splits.py", "from .. import networks\n", "networks/"),
        ("data/splits.py", "def f():\n    from seedbed.training import loop\n", "training/"),
        ("data/splits.py", "if TYPE_CHECKING:\n    from seedbed.cli import main\n", "cli.py"),
        ("data/deep/down.py", "from ...training import loop\n", "training/"),
        ("training/loop.py", "import seedbed\n", "__init__.py"),
        ("training/loop.py", "from seedbed import compare\n", "__init__.py"),
        ("errors.py", "from . import data\n", "data/"),
        ("cli.py", "from seedbed import __version__\n", "__init__.py"),
    ],
)
def test_an_import_upwards_or_sideways_is_found(tree: Path, file: str, source: str, found: str):
    (tree / file).parent.mkdir(exist_ok=True)
    (tree / file).write_text(source)
    (message,) = wrong_imports(tree, levels_of(TABLE))
    assert message.startswith(f"{file}:{source.count(chr(10))}:")
    assert message.endswith(f"must not import {found}")


def test_a_room_without_a_row_is_found(tree: Path):
    (tree / "serve.py").write_text("")
    assert map_drift(tree, levels_of(TABLE)) == ["serve.py has no row in the table"]


def test_a_row_without_a_room_is_found(tree: Path):
    levels = levels_of(TABLE + "| 3 | `model/` | the file |\n")
    (tree / "model").mkdir()  # an empty folder is no room
    assert map_drift(tree, levels) == ["the row model/ has no room"]


def test_a_room_with_two_rows_is_found():
    with pytest.raises(AssertionError, match="two rows"):
        levels_of(TABLE + "| 3 | `data/` | again |\n")


def test_a_long_file_is_found_and_one_at_the_ceiling_is_not(tree: Path):
    (tree / "data" / "splits.py").write_text("x = 1\n" * MAX_FILE_LINES)
    (tree / "data" / "table.py").write_text("x = 1\n" * (MAX_FILE_LINES + 1))
    assert long_files(tree) == [f"data/table.py: {MAX_FILE_LINES + 1} lines"]


@pytest.mark.parametrize("name", ["data/utils.py", "training/_helpers.py", "core/loop.py", "common.py"])
def test_a_name_that_says_nothing_is_found(tree: Path, name: str):
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("")
    assert empty_names(tree) == [name]
