"""The rules of ARCHITECTURE.md, checked on the source tree. Each rule is also shown to fire."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "seedbed"
MAX_FILE_LINES = 600
NO_NAMES = {"util", "utils", "common", "helper", "helpers", "core"}
ROOT_INIT = "__init__.py"
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
    """Yield line, dotted path of the module below the root, and name taken from it ("" for the module itself) of all
    that a file imports from the tree, wherever the import is."""
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
        yield from ((node.lineno, path[1:], name) for path, name in found if path[:1] == [root.name])


def package_imported(path: list[str], packages: set[str]) -> str:
    """Return the package that a path leads to; a name that is no package comes from the root's `__init__`."""
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
                wrong.append(f"{file.relative_to(root)}:{line}: {package} must not import {other}")
    return wrong


def table_drift(root: Path, layers: dict[str, int]) -> list[str]:
    packages = packages_of(root)
    missing = [f"{package} has no row in the table" for package in sorted(packages - layers.keys())]
    return missing + [f"the row {package} has no package" for package in sorted(layers.keys() - packages)]


def module_imported(path: list[str], name: str, root: Path) -> tuple[Path, str]:
    """Return the file that an import reads, and the name that it takes from it ("" for the whole module).

    A name that a package's `__init__` defines or imports is taken from there, also if a submodule has the same name.
    """
    folder = root.joinpath(*path)
    if folder.with_suffix(".py").is_file():
        return folder.with_suffix(".py"), name
    if name in names_bound(folder / ROOT_INIT):
        return folder / ROOT_INIT, name
    submodules = (folder / f"{name}.py", folder / name / ROOT_INIT)
    return next(((one, "") for one in submodules if one.is_file()), (folder / ROOT_INIT, name))


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
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


def import_graph(root: Path) -> dict[Path, set[Path]]:
    """From each file to the files that it imports anywhere: inside functions and for type checking as well."""
    graph: dict[Path, set[Path]] = {}
    for file in files_of(root):
        found = {module_imported(path, name, root)[0] for _, path, name in imports_of(file, root)}
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
                found[members] = " -> ".join(str(one.relative_to(root)) for one in reversed(path))
    return sorted(found.values())


def imports_past_init(root: Path) -> list[str]:
    """Imports of another package's submodule, where its `__init__` is the only place to import from."""
    found = []
    for file in files_of(root):
        for line, path, name in imports_of(file, root):
            module, _ = module_imported(path, name, root)
            theirs = package_of(module, root)
            if theirs.endswith("/") and theirs != package_of(file, root) and module != root / theirs / ROOT_INIT:
                found.append(
                    f"{file.relative_to(root)}:{line}: import from {theirs} itself, not {'.'.join([*path, name])}"
                )
    return found


def exported(file: Path) -> list[str]:
    """The names of a module's `__all__`."""
    for node in body_of(file):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets):
            return list(ast.literal_eval(node.value))
    return []


def unused_exports(root: Path, elsewhere: str = "") -> list[str]:
    """Names in `__all__` that no other file of the tree imports; of a package, no file outside it.

    The root's own `__all__` is the public interface. Other names are public if documents, programs or templates beside
    the tree (`elsewhere`, their text) import or call them.
    """
    used: set[tuple[Path, str]] = set()
    for file in files_of(root):
        modules = {}
        for _, path, name in imports_of(file, root):
            module, taken = module_imported(path, name, root)
            if module != file and not (module.name == ROOT_INIT and file.is_relative_to(module.parent)):
                used.add((module, taken))
                modules[name or path[-1]] = module
        text = file.read_text(encoding="utf-8")
        for lazy in re.findall(rf'sys\.modules\.get\("{root.name}\.(\w+)"\)', text):
            modules[lazy] = root / lazy / ROOT_INIT
        for node in nodes_in(text):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                used.add((modules[node.value.id], node.attr))
    public = set(exported(root / ROOT_INIT))
    for names in re.findall(rf"(?:from {root.name}[\w.]* import|{root.name}[\w.]*:)(.*|\s*\([^)]*\))", elsewhere):
        public |= set(re.findall(r"\w+", names))
    for expression in re.findall(r"\{[{%].*?[%}]\}", elsewhere):
        public |= set(re.findall(r"\.(\w+)", expression))
    return [
        f"{file.relative_to(root)}: {name}"
        for file in files_of(root)
        if file != root / ROOT_INIT and (file, "__all__") not in used
        for name in exported(file)
        if (file, name) not in used and name not in public
    ]


def long_files(root: Path) -> list[str]:
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files_of(root)}
    return [f"{file.relative_to(root)}: {n} lines" for file, n in lengths.items() if n > MAX_FILE_LINES]


def empty_names(root: Path) -> list[str]:
    paths = [file.relative_to(root) for file in files_of(root)]
    return [str(path) for path in paths if any(Path(part).stem.strip("_") in NO_NAMES for part in path.parts)]


# The real tree


def test_a_package_imports_from_lower_layers_only():
    assert wrong_imports(PACKAGE, layers_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))) == []


def test_the_table_lists_all_packages_and_no_other():
    assert table_drift(PACKAGE, layers_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))) == []


def test_no_imports_form_a_cycle():
    assert import_cycles(PACKAGE) == []


def test_other_packages_are_imported_through_their_init_only():
    assert imports_past_init(PACKAGE) == []


def test_every_export_is_used_elsewhere():
    beside = [ROOT / "pyproject.toml", ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.py")]
    beside += PACKAGE.rglob("templates/*")
    assert unused_exports(PACKAGE, "\n".join(file.read_text(encoding="utf-8") for file in beside)) == []


def test_no_file_is_too_long():
    assert long_files(PACKAGE) == []


def test_no_name_says_nothing():
    assert empty_names(PACKAGE) == []


# A tiny tree, in which each rule must fire

TABLE = """
| layer | package | content |
|---|---|---|
| 0 | `errors.py` | errors |
| 1 | `data/` | tables |
| 1 | `networks/` | networks |
| 2 | `training/` | the engine |
| 5 | `cli.py` | verbs |
| 5 | `__init__.py` | public names |
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small source tree that breaks no rule."""
    root = tmp_path / "seedbed"
    sources = {
        "__init__.py": "def f():\n    from seedbed.training import loop\n",
        "errors.py": "import os.path\nfrom difflib import get_close_matches\n",
        "data/__init__.py": "from .table import Table\nfrom ..errors import SeedbedError\n",
        "data/table.py": "from seedbed.data.splits import fold\nclass Table: pass\n",
        "data/splits.py": "__all__ = ['fold']\ndef fold(): pass\n",
        "networks/__init__.py": "from seedbed.errors import SeedbedError\n",
        "training/__init__.py": "from seedbed import data\nimport seedbed.networks as n\nfrom .loop import loop\n",
        "training/loop.py": "__all__ = ['loop']\ndef loop(): pass\n",
        "cli.py": "from . import errors\nfrom .training import loop\n",
    }
    for name, source in sources.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source)
    return root


def test_a_tree_that_breaks_no_rule_passes(tree: Path):
    layers = layers_of(TABLE)
    assert wrong_imports(tree, layers) + table_drift(tree, layers) == []
    assert import_cycles(tree) + imports_past_init(tree) + unused_exports(tree) == []
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
    (message,) = wrong_imports(tree, layers_of(TABLE))
    assert message.startswith(f"{file}:{source.count(chr(10))}:")
    assert message.endswith(f"must not import {found}")


def test_a_package_without_a_row_is_found(tree: Path):
    (tree / "serve.py").write_text("")
    assert table_drift(tree, layers_of(TABLE)) == ["serve.py has no row in the table"]


def test_a_row_without_a_package_is_found(tree: Path):
    layers = layers_of(TABLE + "| 3 | `model/` | the file |\n")
    (tree / "model").mkdir()  # an empty folder is no package
    assert table_drift(tree, layers) == ["the row model/ has no package"]


def test_a_package_with_two_rows_is_found():
    with pytest.raises(AssertionError, match="two rows"):
        layers_of(TABLE + "| 3 | `data/` | again |\n")


@pytest.mark.parametrize(
    "source",
    [
        "from seedbed.data.table import Table\n",
        "from .table import Table\n",
        "from seedbed.data import Table\n",
        "def f():\n    from seedbed.data import table\n",
        "if TYPE_CHECKING:\n    from seedbed.data.table import Table\n",
    ],
)
def test_an_import_cycle_is_found_also_inside_a_function_or_for_type_checking(tree: Path, source: str):
    (tree / "data" / "splits.py").write_text(source + "def fold(): pass\n")
    cycles = import_cycles(tree)
    assert cycles
    assert all("data/splits.py" in cycle and "data/table.py" in cycle for cycle in cycles)


def test_an_import_past_an_init_is_found(tree: Path):
    (tree / "cli.py").write_text("def f():\n    from seedbed.data.splits import fold\nfrom .data import Table\n")
    assert imports_past_init(tree) == ["cli.py:2: import from data/ itself, not data.splits.fold"]


def test_an_unused_export_is_found(tree: Path):
    (tree / "data" / "splits.py").write_text("__all__ = ['fold', 'deal']\ndef fold(): pass\ndef deal(): pass\n")
    (tree / "training" / "step.py").write_text("from seedbed.training import stray\nstray()\n")
    (tree / "training" / "__init__.py").write_text(
        "from .loop import loop\n__all__ = ['loop', 'stray']\nstray = loop\n"
    )
    assert unused_exports(tree) == ["data/splits.py: deal", "training/__init__.py: stray"]


def test_a_long_file_is_found_and_one_at_the_ceiling_is_not(tree: Path):
    (tree / "data" / "splits.py").write_text("x = 1\n" * MAX_FILE_LINES)
    (tree / "data" / "table.py").write_text("x = 1\n" * (MAX_FILE_LINES + 1))
    assert long_files(tree) == [f"data/table.py: {MAX_FILE_LINES + 1} lines"]


@pytest.mark.parametrize("name", ["data/utils.py", "training/_helpers.py", "core/loop.py", "common.py"])
def test_a_name_that_says_nothing_is_found(tree: Path, name: str):
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("")
    assert empty_names(tree) == [name]
