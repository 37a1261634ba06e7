"""Fixtures for all tests: the real tables, the command line, and rules for GPU tests and skips."""

import ast
import functools
import gc
import importlib.util
import inspect
import itertools
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from seedbed.cli.program import main

ROOT = Path(__file__).resolve().parent.parent
DATA_FOLDER = Path(
    os.environ.get("SEEDBED_DATA") or ROOT.parent / "shared" / "data"
).resolve()
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}

# A file, a folder's conftest.py or a test function that imports torch is marked `torch`, and
# skipped without it.
HAS_TORCH = importlib.util.find_spec("torch") is not None
IMPORTS_TORCH = re.compile(
    r"^ *(?:(?:from|import) torch|from \.plain_networks)\b", re.MULTILINE
)
NAMES_OF_TORCH = {"torch", "torch.nn", "torch.nn.functional", "plain_networks"}
# Of a product of candidates, those with words that the kernel doesn't cover need torch, too.
WORDS_FOR_TORCH = re.compile(r"\[.*\bbatchnorm\b")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell's background jobs, and what they start, ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test` draws the same 20 examples each time, `.ci/run` the same 100 (--hypothesis-profile
# ci), and `make test-all` others (explore). None has a deadline, because compiling makes the first
# example slow.
usual = settings.get_profile("default")
settings.register_profile(
    "explore", settings.get_profile("ci"), derandomize=False, database=usual.database
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.load_profile("quick")


def same_examples() -> None:
    """Draw no constants from the modules that are loaded: they depend on the tests that ran
    before."""
    from hypothesis.internal.conjecture import providers

    if settings().derandomize and hasattr(providers, "_get_local_constants"):
        providers._get_local_constants = lambda: providers._local_constants


NO_TABLES = "needs real tables that aren't there: point SEEDBED_DATA at their folder"


def missing(what: str) -> None:
    """Skip the test, or fail it if data is required."""
    if os.environ.get("SEEDBED_REQUIRE_DATA", "0") not in {"", "0"}:
        pytest.fail(f"{NO_TABLES}. {what} is missing", pytrace=False)
    pytest.skip(NO_TABLES)


class Done(NamedTuple):
    """The result of a command line."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """Don't wait for the disk. Tests of power cuts start processes of their own, which do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _single_thread() -> None:
    """Use one thread, since torch's threads slow down work of this size, especially beside another
    process."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A function that runs a command line in this process."""

    def run(*arguments: Any) -> Done:
        status = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def plain_charts() -> Iterator[None]:
    """Draw a single point in place of each chart, because drawing takes most of the time of a small
    run.

    tests/figures, tests/browser and the documents draw the real charts.
    """
    from seedbed.figures import pictures
    from seedbed.figures.drawing import Chart
    from seedbed.figures.grammar import ONCE

    def point(summary: Mapping[str, Any], **options: Any) -> Chart:
        return Chart(
            concat=[ONCE.draw("point", {})],
            title={"text": "a point", "subtitle": ["in place of a chart"]},
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_CHARTS", dict.fromkeys(pictures._CHARTS, point))
        yield


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real tables."""
    if not DATA_FOLDER.is_dir():
        missing(f"The folder {DATA_FOLDER}")
    return DATA_FOLDER


@pytest.fixture(scope="session")
def real_table(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """A function from a file name, such as `heart_failure.csv`, to the path of that real table."""

    def path_of(name: str) -> Path:
        path = request.getfixturevalue("data_folder") / name
        if not path.is_file():
            missing(f"The table {path}")
        return path

    return path_of


@functools.cache
def imports_torch(path: Path) -> bool:
    """Return whether a file imports torch when it is imported itself."""
    text = path.read_text(encoding="utf-8")
    # parsing all files takes half a second
    body = ast.parse(text).body if IMPORTS_TORCH.search(text) else []
    return any(
        isinstance(node, ast.Import | ast.ImportFrom)
        and IMPORTS_TORCH.match(ast.unparse(node))
        for node in body
    )


class Unimportable(pytest.File):
    """A file or folder that can't be imported: one skipped test stands for all of it."""

    class AllTests(pytest.Item):
        def runtest(self) -> None:
            raise AssertionError("its mark skips it")

        def reportinfo(self) -> tuple[Path, int, str]:
            return self.path, 0, self.name

    def collect(self) -> Iterator[pytest.Item]:
        yield self.AllTests.from_parent(self, name="all")


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    if HAS_TORCH or not imports_torch(module_path):
        return None
    return Unimportable.from_parent(parent, path=module_path)


def pytest_collect_directory(
    path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    local = path / "conftest.py"
    if HAS_TORCH or not local.is_file() or not imports_torch(local):
        return None
    return Unimportable.from_parent(parent, path=path)


def needs_torch(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return isinstance(item, Unimportable.AllTests)
    marked = item.get_closest_marker("torch") is not None or imports_torch(item.path)
    return bool(
        marked
        or WORDS_FOR_TORCH.search(item.name)
        or loads_torch(inspect.unwrap(item.function).__code__)
    )


def loads_torch(code: CodeType) -> bool:
    """Return whether a function imports torch. Its names take a hundredth of the time of its
    source."""
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return bool(NAMES_OF_TORCH.intersection(code.co_names)) or any(
        map(loads_torch, inner)
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--renew-pictures",
        action="store_true",
        help="renew the documents' pictures where they differ",
    )


def numbered(items: list[pytest.Function]) -> dict[pytest.Function, dict[str, int]]:
    """Return the place of each parameter's value among all of its values, for the items of a
    product, its diagonal first."""
    values: dict[str, list[object]] = {}
    places = {}
    for item in items:
        for name, value in item.callspec.params.items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
        places[item] = {
            name: values[name].index(value)
            for name, value in item.callspec.params.items()
        }
    longest = max(map(len, values.values()))
    diagonal = [
        {name: step % len(own) for name, own in values.items()}
        for step in range(longest)
    ]
    return {
        item: places[item]
        for item in sorted(items, key=lambda item: places[item] not in diagonal)
    }


def cover(
    places: dict[pytest.Function, dict[str, int]], size: int
) -> list[pytest.Function]:
    """Return items that have every combination of so many values of different parameters; few, and
    early ones."""
    new = {
        item: set(itertools.combinations(place.items(), size))
        for item, place in places.items()
    }
    seen: set[object] = set()
    kept = []
    for wanted in range(max(map(len, new.values())), 0, -1):
        for item in places:
            if len(new[item] - seen) >= wanted:
                kept.append(item)
                seen |= new[item]
    return kept


@pytest.hookimpl(tryfirst=True)  # before pytest deselects
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Reduce products to a cover of all pairs of values, and mark it as `slow` except a cover of
    all values.

    Of tests marked `few`, mark all but so many as `slow`, spread over the parameters. Deselect
    tests marked `gpu` if there is no GPU.
    """
    for item in filter(needs_torch, items):
        item.add_marker("torch")
        if not HAS_TORCH:
            item.add_marker(pytest.mark.skip(reason="needs torch"))
    products: dict[object, list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("product"):
            products.setdefault(item.function, []).append(item)
    few: dict[object, list[pytest.Item]] = {}
    left_out = set()
    for product in products.values():
        places = numbered(product)
        quick = cover(places, 1)
        slow = {*cover({item: places[item] for item in [*quick, *places]}, 2)} - {
            *quick
        }
        left_out |= {*product} - {*quick} - slow
        for item in slow:
            item.add_marker("slow")
    for item in items:
        if (
            item.get_closest_marker("few")
            and not item.get_closest_marker("slow")
            and item not in left_out
        ):
            few.setdefault((item.path, item.originalname), []).append(item)
    for group in few.values():
        (number,) = group[0].get_closest_marker("few").args
        quick = {group[place * len(group) // number] for place in range(number)}
        for item in set(group) - quick:
            item.add_marker("slow")
    gpu = {item for item in items if item.get_closest_marker("gpu")}
    if gpu and HAS_TORCH:
        import torch  # imported here because most single tests run

        left_out |= set() if torch.cuda.is_available() else gpu
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Leave the collected tests out of all later garbage collections."""
    same_examples()
    gc.freeze()


def wrong_skips(config: pytest.Config) -> str:
    """Return what is wrong with the skipped tests in CI: without torch those that need it are
    skipped, else none is."""
    skipped, needing = skipped_tests(config)
    if skipped and IN_CI:
        return "tests were skipped, and in CI none may be"
    return "no test needs torch" if IN_CI and not needing and not HAS_TORCH else ""


def skipped_tests(
    config: pytest.Config,
) -> tuple[list[pytest.TestReport], list[pytest.TestReport]]:
    """Return the skipped tests, and those of them that need torch, which isn't installed, apart."""
    skipped = config.pluginmanager.get_plugin("terminalreporter").stats.get(
        "skipped", []
    )
    needing = [
        report for report in skipped if not HAS_TORCH and "torch" in report.keywords
    ]
    return [report for report in skipped if report not in needing], needing


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test fails the run, since skips in a successful run would go unnoticed."""
    in_a_worker = not session.config.pluginmanager.has_plugin("terminalreporter")
    if (
        session.exitstatus == pytest.ExitCode.OK
        and not in_a_worker
        and wrong_skips(session.config)
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    skipped, needing = skipped_tests(config)
    for report in skipped:
        if report.longrepr[2].endswith(NO_TABLES):
            # without a line number they are summed up
            report.longrepr = ("tests", None, report.longrepr[2])
    for report in needing:
        report.longrepr = ("tests", None, report.longrepr[2])
    if needing:
        terminalreporter.write_line(
            f"{len(needing)} tests, files or folders need torch, which isn't installed"
        )
    if wrong := wrong_skips(config):
        terminalreporter.write_line(f"ERROR: {wrong}", red=True)


_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _browser() -> str:
    """The path of a Chromium; without one the tests are skipped, or fail where it is required."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium is installed: apt-get install chromium, or the like"
        if os.environ.get("SEEDBED_REQUIRE_BROWSER", "0") not in {"", "0"}:
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser."""
    path = _browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In a container Chromium's own sandbox can't be set up; the pages are ours.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield browser
        browser.close()
