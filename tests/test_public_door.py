"""The public interface: the names of `import seedbed`, and that the import is fast."""

import ast
import importlib
import inspect
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jedi
import numpy as np
import pytest

import seedbed

ROOT = Path(__file__).resolve().parent.parent
HEAVY = "torch sklearn scipy altair pandas vl_convert duckdb joblib numpy".split()


def loaded_after(code: str) -> list[str]:
    """Return the heavy libraries that a new interpreter has imported after some code."""
    return printed_after(code)[1]


def printed_after(code: str) -> tuple[str, list[str]]:
    """Return what a new interpreter prints when it runs some code, and the heavy libraries that it
    has imported."""
    code += f"\nimport sys\nprint('loaded', *[name for name in {HEAVY} if name in sys.modules])"
    options = dict(capture_output=True, text=True)
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, **options)
    shown, _, last = done.stdout.rstrip().rpartition("loaded")
    return shown, last.split()


def test_importing_seedbed_and_the_command_lines_help_load_no_heavy_library():
    call = "import seedbed; seedbed.SeedbedError; dir(seedbed)\nfrom seedbed.cli.program import main"
    for words in "--help|compare --help|train --help|inspect --help|nonsense".split(
        "|"
    ):
        call += f"\ntry: main({words.split()})\nexcept SystemExit: pass"
    assert loaded_after(call) == []


@pytest.mark.few(1)
@pytest.mark.parametrize("torch", [True, False])
def test_the_version_names_what_can_train_without_loading_torch(torch):
    code = "import importlib.metadata as m; from seedbed.cli import program; version = m.version\n"
    code += "def of(name):\n    if name == 'torch': " + (
        "return '9.8'" if torch else "raise m.PackageNotFoundError"
    )
    code += "\n    return version(name)\nprogram.version = of"
    code += "\ntry: program.main(['--version'])\nexcept SystemExit: pass"
    shown, loaded = printed_after(code)
    assert shown.splitlines()[0] == f"seedbed {seedbed.__version__}"
    found = r"kernel: (AVX-512|AVX2|SSE4\.2|NEON|no kernel .*); PyTorch: " + (
        r"9\.8" if torch else "not installed"
    )
    assert re.fullmatch(found, shown.splitlines()[1])
    assert loaded == ["numpy"]


@pytest.mark.slow
def test_comparing_training_and_predicting_load_no_scikit_learn(tmp_path):
    """The estimators need scikit-learn's base class, which loads SciPy's statistics, but none of
    its models."""
    rng, path = np.random.default_rng(0), tmp_path / "table.csv"
    lines = [
        f"{a:.3f},{b:.3f},{'xyz'[int(a > 0) + int(b > 0)]}"
        for a, b in rng.normal(size=(120, 2))
    ]
    path.write_text("\n".join(["a,b,kind", *lines]))
    code = f"""
import sys; import seedbed as sb
design, compute = sb.Design(repeats=1, folds=2, n_networks=2), sb.Compute(n_jobs=2)
comparison = sb.compare({str(path)!r}, target="kind", design=design, compute=compute, epochs=2)
print(comparison); comparison.save({str(tmp_path / "run")!r})
print(comparison.model("auto").predictions({str(path)!r}))
loaded = {{"sklearn", "scipy.stats", "scipy.optimize", "narwhals", "altair", "torch"}} & {{*sys.modules}}
sb.SeedbedClassifier(epochs=2).fit([[1, 2], [3, 5], [4, 1], [6, 6]] * 9, ["x", "y", "x", "y"] * 9)
print(loaded | {{"sklearn.ensemble", "sklearn.linear_model", "torch"}} & {{*sys.modules}})"""
    assert printed_after(code)[0].splitlines()[-1] == "set()"


@pytest.mark.few(1)
@pytest.mark.parametrize("target", ["kind", "measure"])
def test_a_command_shows_its_plan_before_it_loads_what_fits_and_draws(tmp_path, target):
    """The table has repeated identifiers, equal rows and neighbours alike, so that all checks
    run."""
    path, random = tmp_path / "visits.csv", np.random.default_rng(0)
    level = random.normal(size=200).repeat(3)
    rows = np.column_stack(
        [
            np.arange(200).repeat(3) + 1000,
            level,
            level.round() + 1,
            level + random.normal(size=600),
        ]
    )
    lines = [
        ",".join(f"{cell:.6g}" for cell in row) + (",yes" if row[1] > 0 else ",no")
        for row in rows[:-1].tolist()
    ]
    path.write_text("\n".join(["patient,level,grade,measure,kind", *lines, lines[0]]))
    code = f"""
import sys; from seedbed.cli import comparing; from seedbed.cli.program import main
comparing.say = lambda run, *lines: sys.exit(print(*lines))  # the plan is the first thing said
try: main(["compare", {str(path)!r}, "--target", {target!r}])
except SystemExit: pass"""
    shown, loaded = printed_after(code)
    assert "SB210" in shown or "looks like an identifier" in shown
    assert re.search(r"models on up to \d+ train/test splits", shown)
    assert set(loaded) == {"duckdb", "numpy"}


def test_dir_lists_exactly_the_public_names_each_the_object_of_its_package():
    for name in seedbed.__all__:
        assert getattr(seedbed, name) is not None
    assert dir(seedbed) == sorted([*seedbed.__all__, "__version__"])
    for name, file in seedbed._FILES.items():
        assert getattr(seedbed, name) is getattr(
            importlib.import_module(f"seedbed.{file}"), name
        )
    undocumented = [
        name
        for name in seedbed.__all__
        if not (inspect.getdoc(getattr(seedbed, name)) or "").strip()
    ]
    assert undocumented == []


def test_the_stub_for_editors_is_what_its_script_writes():
    stub = runpy.run_path(str(ROOT / "tests" / "build_stub.py"))["stub"]()
    same = (
        Path(seedbed.__file__).with_suffix(".pyi").read_text(encoding="utf-8") == stub
    )
    assert same, (
        "a public signature or help has changed: run make stub, and commit the file"
    )


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "name",
    ["compare", "judge", "read_table", "train_many", "Recipe", "SeedbedRegressor"],
)
def test_an_editor_completes_every_argument_and_shows_the_help(name):
    project = jedi.Project(ROOT, added_sys_path=[str(ROOT / "src")])
    script = jedi.Script(f"import seedbed as sb\nsb.{name}(", project=project)
    parameters = inspect.signature(getattr(seedbed, name)).parameters
    assert {f"{parameter}=" for parameter in parameters} <= {
        one.name for one in script.complete()
    }
    shown = {
        line.strip()
        for line in script.get_signatures()[0].docstring(raw=True).splitlines()
    }
    assert {
        line.strip() for line in getattr(seedbed, name).__doc__.splitlines()
    } == shown


def test_a_type_checker_knows_the_arguments_and_their_types(tmp_path):
    right = "compare(1, lr=0.1, quick=True)|judge(1, folds=5)|Recipe.tutorial(lr=1)|Design(repeats=1)".split(
        "|"
    )
    right += [
        "read_table('t.csv', drop=['a', 1])",
        "train_many('relu:5', 1, 2, 3, 4, schedule='cosine')",
    ]
    wrong = {
        "call-arg": "compare(1, candidate='relu:5')|judge(1, fold_s=5)|read_table(1, targt='y')|Recipe(rate=1)".split(
            "|"
        ),
        "arg-type": [
            "compare(1, quick='yes')",
            "judge(1, folds=2.5)",
            "train_many('relu:5', 1, 2, 3, 4, schedule='x')",
        ],
    }
    lines = [
        f"sb.{call}  # {code}"
        for code, calls in {"": right, **wrong}.items()
        for call in calls
    ]
    (tmp_path / "user.py").write_text("\n".join(["import seedbed as sb", *lines]))
    checked = [
        tmp_path / "user.py",
        "src/seedbed/__init__.pyi",
        *(ROOT / "src" / "seedbed" / "settings").glob("*.py"),
    ]
    call = [
        sys.executable,
        *"-m mypy --config-file".split(),
        "",
        "--follow-imports",
        "skip",
        *map(str, checked),
    ]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT)
    found = dict(re.findall(r"user\.py:(\d+): error: .*\[([a-z-]+)\]", done.stdout))
    expected = {
        str(place): line.rpartition("# ")[2] for place, line in enumerate(lines, 2)
    }
    assert found == {place: code for place, code in expected.items() if code}, (
        done.stdout
    )


def test_every_error_is_public_and_a_seedbed_error():
    from seedbed import errors

    family = {
        name
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, Exception)
    }
    assert family <= set(seedbed.__all__)
    assert all(
        issubclass(getattr(seedbed, name), seedbed.SeedbedError) for name in family
    )


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    message = "module 'seedbed' has no attribute 'compair'"
    with pytest.raises(AttributeError, match=message):
        seedbed.compair  # noqa: B018 - asking is the test
    with pytest.raises(ImportError, match="compair"):
        exec("from seedbed import compair")


def test_the_version_equals_that_of_the_project():
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert seedbed.__version__ == tomllib.load(file)["project"]["version"]


def texts() -> Iterator[str]:
    """Yield the texts of the package, with `x` in place of values; without the command line's own,
    and docstrings."""
    for path in sorted(Path(seedbed.__file__).parent.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(source))) if "--" in source else []
        docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
        texts = (
            node
            for node in nodes
            if isinstance(node, ast.JoinedStr | ast.Constant) and node not in docstrings
        )
        for node in texts:
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x"
                for part in parts
            )
            if path.parent.name not in ("cli", "figures", "serve") and not re.search(
                r"[`{(]--|--series-|^--version$", text
            ):
                yield text


def test_messages_outside_the_command_line_name_settings_and_no_options():
    options = re.compile(r"(?<![\w-])--[a-z{]")
    named = [
        text for text in texts() if options.search(text) and "seedbed " not in text
    ]
    assert named == []
