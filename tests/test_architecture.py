"""The rules of ARCHITECTURE.md, checked on the source tree. Each rule is also shown to fire."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from seedbed.evaluation.summaries import Task

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "seedbed"
MAX_FILE_STATEMENTS = 340
MAX_FUNCTION_LINES = 50
MAX_FUNCTION_BRANCHES = 25
LONG_FUNCTIONS = 61
BRANCHED_FUNCTIONS = 2
NO_NAMES = {"util", "utils", "common", "helper", "helpers", "core"}
ROOT_INIT = "__init__.py"
TOTAL = 23687
BUDGETS = {
    "*.py": 987,
    "cli/": 935,
    "data/": 4188,
    "evaluation/": 2445,
    "experiment/": 3087,
    "figures/": 826,
    "judgement/": 1211,
    "model/": 3348,
    "networks/": 997,
    "outcomes/": 481,
    "play/": 160,
    "report/": 2083,
    "serve/": 326,
    "settings/": 268,
    "training/": 2345,
}
SEARCHES = {"search", "match", "fullmatch", "finditer", "findall", "split", "sub"}
CONDITIONS = 25
TORCH = re.compile(r"\s*(from|import) torch\b|(from|import) seedbed\.training\.torch\.")
ROW = re.compile(r"^\| *(\d+) *\| *`([^`]+)` *\|", re.MULTILINE)


def layers_of(text: str) -> dict[str, int]:
    """Return the table: from a package `data/` or module `errors.py` to its layer."""
    rows = [(package, int(layer)) for layer, package in ROW.findall(text)]
    layers = dict(rows)
    assert rows, "no table of packages was found"
    assert len(layers) == len(rows), "a package has two rows"
    return layers


def files_of(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


@functools.cache
def statements_in(file: Path) -> int:
    """Return the number of statements, whatever lines they are on; a docstring is one."""
    return sum(
        isinstance(node, ast.stmt)
        for node in nodes_in(file.read_text(encoding="utf-8"))
    )


def package_of(file: Path, root: Path) -> str:
    first, *rest = file.relative_to(root).parts
    return f"{first}/" if rest else first


def packages_of(root: Path) -> set[str]:
    return {package_of(file, root) for file in files_of(root)}


@functools.cache
def nodes_in(text: str) -> tuple[ast.AST, ...]:
    """Return all nodes of a source, the module itself first."""
    return tuple(ast.walk(ast.parse(text)))


def body_of(file: Path) -> list[ast.stmt]:
    module = nodes_in(file.read_text(encoding="utf-8"))[0]
    assert isinstance(module, ast.Module)
    return module.body


def imports_of(file: Path, root: Path) -> Iterator[tuple[int, list[str], str]]:
    """Yield line, dotted path of the module below the root, and name taken from it ("" for the
    module itself) of all that a file imports from the tree, wherever the import is."""
    here = list(file.relative_to(root).parts[:-1])
    for node in nodes_in(file.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            found = [(alias.name.split("."), "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = [root.name, *here[: len(here) - node.level + 1], *base]
            found = [(base, alias.name) for alias in node.names]
        else:
            continue
        yield from (
            (node.lineno, path[1:], name)
            for path, name in found
            if path[:1] == [root.name]
        )


def package_imported(path: list[str], packages: set[str]) -> str:
    """Return the package that a path leads to; a name that is no package comes from the root's
    `__init__`."""
    candidates = [f"{path[0]}/", f"{path[0]}.py"]
    return next((package for package in candidates if package in packages), ROOT_INIT)


def wrong_imports(root: Path, layers: dict[str, int]) -> list[str]:
    wrong = []
    packages = packages_of(root)
    for file in files_of(root):
        package = package_of(file, root)
        for line, path, name in imports_of(file, root):
            other = package_imported([*path, name], packages)
            if other != package and layers.get(other, 0) >= layers.get(package, 0):
                wrong.append(
                    f"{file.relative_to(root)}:{line}: {package} must not import {other}"
                )
    return wrong


def table_drift(root: Path, layers: dict[str, int]) -> list[str]:
    packages = packages_of(root)
    missing = [
        f"{package} has no row in the table"
        for package in sorted(packages - layers.keys())
    ]
    return missing + [
        f"the row {package} has no package"
        for package in sorted(layers.keys() - packages)
    ]


def module_imported(path: list[str], name: str, root: Path) -> tuple[Path, str]:
    """Return the file that an import reads, and the name that it takes from it ("" for the whole
    module).

    A name that a package's `__init__` defines or imports is taken from there, also if a submodule
    has the same name.
    """
    folder = root.joinpath(*path)
    if folder.with_suffix(".py").is_file():
        return folder.with_suffix(".py"), name
    if name in names_bound(folder / ROOT_INIT):
        return folder / ROOT_INIT, name
    submodules = (folder / f"{name}.py", folder / name / ROOT_INIT)
    return next(
        ((one, "") for one in submodules if one.is_file()), (folder / ROOT_INIT, name)
    )


@functools.cache
def names_bound(file: Path) -> frozenset[str]:
    """The names that a module's top level defines or imports."""
    names: set[str] = set()
    if not file.is_file():
        return frozenset()
    for node in body_of(file):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {
                one.id
                for target in targets
                for one in ast.walk(target)
                if isinstance(one, ast.Name)
            }
    return frozenset(names)


def import_graph(root: Path) -> dict[Path, set[Path]]:
    """From each file to the files that it imports anywhere: inside functions and for type checking
    as well."""
    graph: dict[Path, set[Path]] = {}
    for file in files_of(root):
        found = {
            module_imported(path, name, root)[0]
            for _, path, name in imports_of(file, root)
        }
        graph[file] = {other for other in found if other != file}
    return graph


def import_cycles(root: Path) -> list[str]:
    """Each file from which imports lead back to it, with the shortest such path."""
    graph, found = import_graph(root), {}
    for start in graph:
        came: dict[Path, Path] = {}
        queue = [start]
        for file in queue:
            for other in sorted(graph.get(file, ())):
                if other not in came:
                    came[other] = file
                    queue.append(other)
        if start in came:
            path = [start]
            while len(path) == 1 or path[-1] != start:
                path.append(came[path[-1]])
            if (members := frozenset(path)) not in found:
                found[members] = " -> ".join(
                    str(one.relative_to(root)) for one in reversed(path)
                )
    return sorted(found.values())


def roundabout_imports(root: Path) -> list[str]:
    """Imports of a name from a file that only imports it itself, or of another file's underscored
    name."""
    found = []
    for file in files_of(root):
        for line, path, name in imports_of(file, root):
            module, taken = module_imported(path, name, root)
            if (
                module in (file, root / ROOT_INIT)
                or not taken
                or taken.startswith("__")
            ):
                continue
            if taken.startswith("_") or taken not in names_defined(module):
                found.append(
                    f"{file.relative_to(root)}:{line}: {taken} of {module.relative_to(root)}"
                )
    return found


@functools.cache
def names_defined(file: Path) -> frozenset[str]:
    """Return the names that the top level of a module defines, imports aside."""
    imported = {
        alias.asname or alias.name
        for node in nodes_in(file.read_text(encoding="utf-8"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return names_bound(file) - imported


def unused_names(root: Path, elsewhere: str = "") -> list[str]:
    """Return the functions, classes and constants of all files that nothing mentions but their own
    definition.

    `elsewhere` is the text of documents, programs and templates that may use names of the tree,
    too. A class with a base may be found as its subclass, as layers are.
    """
    words: Counter[str] = Counter(re.findall(r"\w+", elsewhere))
    for file in files_of(root):
        words.update(re.findall(r"\w+", file.read_text(encoding="utf-8")))
    return [
        f"{file.relative_to(root)}: {name}"
        for file in files_of(root)
        for name in sorted(names_defined(file))
        if words[name] == 1
        and not name.startswith("__")
        and name not in subclasses(file)
    ]


def subclasses(file: Path) -> set[str]:
    return {
        node.name
        for node in body_of(file)
        if isinstance(node, ast.ClassDef) and node.bases
    }


def torch_outside(root: Path) -> list[str]:
    """Return the imports of torch outside of the folder for it, and those of that folder outside of
    functions."""
    wrong = []
    for file in files_of(root):
        name, text = file.relative_to(root), file.read_text(encoding="utf-8")
        if name.parts[:2] == ("training", "torch"):
            continue
        wrong += [
            f"{name}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if TORCH.match(line)
        ]
    return wrong


def read_messages(root: Path) -> list[str]:
    """Return where code searches, splits or compares the message or the hint of an error or a
    note."""
    found = []
    for file in files_of(root):
        for node in nodes_in(file.read_text(encoding="utf-8")):
            inside = (
                list(node.args)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                else []
            )
            inside = inside if inside and node.func.attr in SEARCHES else []
            inside += (
                [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            )
            inside += [node.value] if isinstance(node, ast.Attribute) else []
            if any(
                isinstance(one, ast.Attribute) and one.attr in ("message", "hint")
                for one in inside
            ):
                found.append(f"{file.relative_to(root)}:{node.lineno}")
    return found


def listed_names(root: Path) -> list[str]:
    """Return the files but the root that list their names in `__all__`."""
    inner = [file for file in files_of(root) if file != root / ROOT_INIT]
    return [
        str(file.relative_to(root)) for file in inner if "__all__" in names_bound(file)
    ]


def test_a_package_imports_from_lower_layers_only():
    assert (
        wrong_imports(
            PACKAGE, layers_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
        )
        == []
    )


def test_the_table_lists_all_packages_and_no_other():
    assert (
        table_drift(
            PACKAGE, layers_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
        )
        == []
    )


def test_no_imports_form_a_cycle():
    assert import_cycles(PACKAGE) == []


def test_a_name_is_imported_from_the_file_that_defines_it():
    assert roundabout_imports(PACKAGE) == []


def test_one_folder_holds_all_that_imports_torch():
    assert torch_outside(PACKAGE) == []


def test_only_the_root_lists_the_public_interface():
    assert listed_names(PACKAGE) == []


def test_no_code_decides_by_the_wording_of_a_message():
    """Notes of several columns are joined where their messages differ in the column alone: the one
    exception."""
    assert [place.partition(":")[0] for place in read_messages(PACKAGE)] == [
        "report/sentences.py"
    ]


def test_no_two_files_have_one_name():
    names = Counter(
        file.name for file in files_of(PACKAGE) if not file.name.startswith("__")
    )
    assert sorted(name for name, n in names.items() if n > 1) == []


def test_every_name_is_used():
    beside = [
        ROOT / "pyproject.toml",
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/*.py"),
    ]
    beside += PACKAGE.rglob("templates/*")
    assert (
        unused_names(
            PACKAGE, "\n".join(file.read_text(encoding="utf-8") for file in beside)
        )
        == []
    )


def test_no_package_grows_over_its_budget():
    """A budget of statements only falls: what a package gains, it or another one must lose first.
    Files beside the packages are `*.py`."""
    statements: Counter[str] = Counter()
    for file in files_of(PACKAGE):
        package = package_of(file, PACKAGE)
        statements[package if package.endswith("/") else "*.py"] += statements_in(file)
    assert {
        package: n for package, n in statements.items() if n > BUDGETS[package]
    } == {}
    assert statements.total() <= TOTAL


def test_no_file_has_too_many_statements():
    assert [
        file for file in files_of(PACKAGE) if statements_in(file) > MAX_FILE_STATEMENTS
    ] == []


def functions_of(root: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield each function of a tree and where it is."""
    for file in files_of(root):
        for node in nodes_in(file.read_text(encoding="utf-8")):
            if isinstance(node, ast.FunctionDef):
                yield f"{file.relative_to(root)}:{node.lineno} {node.name}", node


def body_without_docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    has_docstring = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.body[1:] if has_docstring else function.body


def long_functions(root: Path, most: int = MAX_FUNCTION_LINES) -> list[str]:
    """Return the functions with too many lines after their docstring."""
    bodies = [
        (place, body_without_docstring(function))
        for place, function in functions_of(root)
    ]
    return [
        place
        for place, body in bodies
        if (body[-1].end_lineno or 0) - body[0].lineno >= most
    ]


_BRANCHES = (
    *(ast.If, ast.IfExp, ast.For, ast.While, ast.With, ast.ExceptHandler),
    *(ast.comprehension, ast.BoolOp, ast.match_case),
)


def branched_functions(root: Path, most: int = MAX_FUNCTION_BRANCHES) -> list[str]:
    """Return the functions in which too many things decide or repeat what runs."""
    return [
        place
        for place, function in functions_of(root)
        if sum(isinstance(node, _BRANCHES) for node in ast.walk(function)) > most
    ]


def kind_of_value(value: ast.expr) -> str:
    """Return what two values must share to be alike: the called function, or the kind of
    expression."""
    return ast.dump(value.func) if isinstance(value, ast.Call) else type(value).__name__


def unlike_tuples(root: Path) -> list[str]:
    """Return where one statement assigns values of different kinds to several names."""
    found = []
    for file in files_of(root):
        for node in nodes_in(file.read_text(encoding="utf-8")):
            if not isinstance(node, ast.Assign) or not isinstance(
                node.value, ast.Tuple
            ):
                continue
            kinds = {kind_of_value(value) for value in node.value.elts}
            if isinstance(node.targets[0], ast.Tuple) and len(kinds) > 1:
                found.append(f"{file.relative_to(root)}:{node.lineno}")
    return found


def loops_with_else(root: Path) -> list[str]:
    return [
        f"{file.relative_to(root)}:{node.lineno}"
        for file in files_of(root)
        for node in nodes_in(file.read_text(encoding="utf-8"))
        if isinstance(node, ast.For | ast.While) and node.orelse
    ]


def test_functions_are_short_and_no_longer_ones_are_added():
    """The numbers of exceptions only fall."""
    assert len(long_functions(PACKAGE)) <= LONG_FUNCTIONS, long_functions(PACKAGE)
    assert len(branched_functions(PACKAGE)) <= BRANCHED_FUNCTIONS, branched_functions(
        PACKAGE
    )


def test_a_statement_assigns_one_thing():
    """The number of exceptions only falls."""
    assert unlike_tuples(PACKAGE) == []
    assert loops_with_else(PACKAGE) == []


def test_no_name_says_nothing():
    parts = {
        part for file in files_of(PACKAGE) for part in file.relative_to(PACKAGE).parts
    }
    assert {part for part in parts if Path(part).stem.strip("_") in NO_NAMES} == set()


# A tiny tree, in which each rule must fire

LAYERS = {"errors.py": 0, "data/": 1, "networks/": 1, "training/": 2}
LAYERS |= {"cli.py": 5, "__init__.py": 5}
BELOW = functools.partial(wrong_imports, layers=LAYERS)
SOURCES = {
    "__init__.py": "def f():\n    from seedbed.training import loop\n",
    "errors.py": "from difflib import get_close_matches\nclass SeedbedError: pass\n",
    "data/__init__.py": "from ..errors import SeedbedError\n",
    "data/table.py": "from seedbed.data.splits import fold\nclass Table: pass\n",
    "data/splits.py": "def fold(): pass\n",
    "networks/__init__.py": "from seedbed.errors import SeedbedError\n",
    "training/__init__.py": "from seedbed import data\nimport seedbed.networks as n\n",
    "training/loop.py": "def loop(): pass\n",
    "cli.py": "from . import errors\nfrom .training import loop\n",
}


@pytest.mark.parametrize(
    ("rule", "file", "source"),
    [
        (BELOW, "data/splits.py", "import seedbed.training.loop"),
        (BELOW, "data/splits.py", "from ..networks import MLP"),
        (BELOW, "data/splits.py", "def f():\n    from seedbed.training import loop"),
        (BELOW, "data/table.py", "if TYPE_CHECKING:\n    from seedbed.cli import main"),
        (BELOW, "data/deep/down.py", "from ...training import loop"),
        (BELOW, "errors.py", "from . import data"),
        (BELOW, "cli.py", "from seedbed import __version__"),
        (import_cycles, "data/splits.py", "from .table import Table"),
        (
            import_cycles,
            "data/splits.py",
            "def f():\n    from seedbed.data import table",
        ),
        (roundabout_imports, "cli.py", "from seedbed.data.table import fold"),
        (roundabout_imports, "cli.py", "from seedbed.training.loop import _deal"),
        (unlike_tuples, "data/table.py", "a, b = x, f(x)"),
        (loops_with_else, "data/table.py", "for x in ():\n    pass\nelse:\n    f(x)"),
        (listed_names, "data/splits.py", "__all__ = ['fold']"),
        (torch_outside, "data/table.py", "def f():\n    from torch import nn"),
        (torch_outside, "cli.py", "from seedbed.training.torch.door import a"),
        (read_messages, "data/table.py", "x = 'a' in error.message"),
        (read_messages, "data/table.py", "note.message.rpartition(' with ')"),
        (read_messages, "data/table.py", "re.split(':', note.message)"),
        (long_functions, "cli.py", "def f():\n" + "    x = 1\n" * 51),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, rule, file: str, source: str):
    tree = tmp_path / "seedbed"
    for name, text in SOURCES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    assert rule(tree) == []
    (tree / file).parent.mkdir(exist_ok=True)
    (tree / file).write_text(source + "\n")
    names_bound.cache_clear()
    names_defined.cache_clear()
    assert file in rule(tree)[0]


def conditions_on_the_task(node: ast.AST) -> bool:
    """Return whether a node compares something with the name of a task, or asks whether there is a
    follow-up."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    texts = {
        one.value
        for side in sides
        for one in ast.walk(side)
        if isinstance(one, ast.Constant)
    }
    names = {getattr(side, "attr", getattr(side, "id", "")) for side in sides}
    return bool(
        texts & set(get_args(Task))
        or (None in texts and names & {"durations", "follow_up"})
    )


def test_conditions_on_the_task_are_in_outcomes():
    """The number only falls: what depends on the task is a method of its class in `outcomes/`."""
    found = {
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in files_of(PACKAGE)
        if package_of(file, PACKAGE) != "outcomes/"
        for node in nodes_in(file.read_text(encoding="utf-8"))
        if conditions_on_the_task(node)
    }
    assert len(found) <= CONDITIONS, sorted(found)
