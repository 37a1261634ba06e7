"""The command line: stdout, stderr, files and the exit status."""

import contextlib
import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from sklearn.model_selection import train_test_split

import seedbed as sb
from seedbed.cli.options import (
    DesignOptions,
    FolderOptions,
    RecipeOptions,
    RunOptions,
    TableOptions,
)
from seedbed.errors import command_line_options

TRAIN = ("train", "example:moons", "--n-jobs", "1")
ENGINE = ("--n-jobs", "1")
COMPARE = (
    "compare",
    "example:moons",
    *ENGINE,
    *"--recipe tutorial --no-baselines --folds 3 --epochs 3".split(),
)
SMALL = (
    *COMPARE,
    *"--candidate relu:3 --candidate linear:2 --repeats 1 --n-networks 2".split(),
)
WRITTEN = ("experiment.json", "comparison.json", "report.html", "curves.safetensors")
FILES = sorted(WRITTEN)


pytestmark = pytest.mark.usefixtures("here", "plain_charts")


@pytest.fixture
def table(tmp_path):
    """A function that writes a CSV file outside the current folder; by default 40 good rows."""

    def write(
        text: str | None = None, name: str = "patients.csv", n_rows: int = 40
    ) -> Path:
        rng = np.random.default_rng(1)
        rows = "".join(
            f"{a:.3f},{b:.3f},{int(a + b > 0)}\n"
            for a, b in rng.normal(size=(n_rows, 2))
        )
        (tmp_path / name).write_text(
            "age,height,outcome\n" + rows if text is None else text
        )
        return tmp_path / name

    return write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupt(*arguments, **options):
    raise KeyboardInterrupt


def strict(text: str):
    """Parse JSON and refuse NaN."""
    return json.loads(text, parse_constant=pytest.fail)


def tutorial_lines(path: Path, build, seed: int, epochs: int) -> list[str]:
    """The tutorial's training in plain PyTorch."""
    import torch

    from .training.plain_loop import users_loop

    cells = np.loadtxt(path, delimiter=",", skiprows=1)
    X, y = cells[:, :-1], cells[:, -1]
    train, test = train_test_split(
        np.arange(len(y)), test_size=0.2, random_state=0, stratify=y
    )
    scaled = ((X - X[train].mean(axis=0)) / X[train].std(axis=0)).astype(np.float32)
    parts = (scaled[train], y[train], scaled[test], y[test])
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    curves, _ = users_loop(
        build(), [torch.from_numpy(part).float() for part in parts], epochs=epochs
    )
    return [
        f"Epoch: {epoch}, Loss: {loss:.5f}, Accuracy: {100 * accuracy:.2f}% | "
        f"Test loss: {test_loss:.5f}, Test acc: {100 * test_accuracy:.2f}%"
        for epoch, (loss, accuracy, test_loss, test_accuracy) in enumerate(curves.T)
        if epoch % 100 == 0
    ]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("widths", "options"),
    [((20, 20), ("--epochs", 201)), ((5,), ())],
    ids=["linear:20,20", "relu:5"],
)
def test_train_equals_plain_pytorch_line_by_line(call, real_table, widths, options):
    from torch import nn

    def build():
        sizes = list(pairwise([12, *widths, 1]))
        layers = [nn.Linear(*size) for size in sizes]
        return (
            nn.Sequential(layers[0], nn.ReLU(), layers[1])
            if options == ()
            else nn.Sequential(*layers)
        )

    path = real_table("heart_failure.csv")
    words = "linear:20,20" if options else "relu:5"
    done = call(
        "train", path, "--target", "DEATH_EVENT", "--candidate", words, *options
    )
    epochs = 201 if options else 1000
    assert done.status == 0
    assert done.lines == tutorial_lines(path, build, 42, epochs)


@pytest.mark.parametrize("seeds", [1, 3])
def test_train_says_how_far_seeds_are_apart_and_writes_no_file(call, here, seeds):
    done = call(*TRAIN, "--epochs", 7, "--seeds", seeds)
    assert len(done.lines) == 1
    shown = {1: "once: another seed or split", 3: "3 seeds between "}
    assert re.fullmatch(rf"Test accuracy \d\d\.\d%[,;] {shown[seeds]}.*\n", done.err)
    assert names(here) == []


def test_diverged_networks_of_train_are_counted_and_excluded(call):
    done = call(
        *TRAIN,
        *"--epochs 20 --every 19 --seeds 3 --candidate linear:4 --lr 1e30".split(),
    )
    assert (
        done.lines[-1] == "Epoch: 19, Loss: -, Accuracy: - | Test loss: -, Test acc: -"
    )
    assert done.err == "all 3 networks diverged: try a lower learning rate, lr\n"


def test_out_draws_the_curves_of_train_and_quiet_prints_nothing(call, here):
    assert call(*TRAIN, "--epochs", 2, "--out", "one.svg").err.endswith(
        "\nwrote one.svg\n"
    )
    done = call(*TRAIN, "--epochs", 2, "--quiet", "--out", "one.svg")
    assert (done.status, done.err, len(done.lines)) == (0, "", 1)
    assert call(*TRAIN, "--epochs", 2, "--out", "one").status == 2
    assert names(here) == ["one.svg"]


def test_compare_prints_results_on_stdout_and_the_plan_and_files_on_stderr(call, here):
    longer = [
        "200" if word == "3" and before == "--epochs" else word
        for before, word in pairwise(("", *SMALL))
    ]
    done = call(*longer, "--lr", 1)
    assert done.status == 0
    assert done.lines[0] == "moons: predicting moon, 500 rows, 2 features (50.0% are 0)"
    # on a slow machine with progress
    plan, *_, empty, following, then, report = done.err.splitlines()
    folder = "seedbed-out/compare-moons"
    assert empty == ""
    assert (
        report
        == f"Report:   seedbed report {folder} --open   (in a browser; --text: all numbers here)"
    )
    assert following.startswith(
        "Next:     seedbed train seedbed-out/compare-moons -o model.safetensors   (makes a file of "
    )
    assert then == "Then:     seedbed predict model.safetensors NEW_ROWS.csv"
    assert plan == "2 models on 3 train/test splits, 2 networks each"
    assert names(here / "seedbed-out/compare-moons") == FILES


@pytest.mark.slow
def test_the_printed_text_is_that_of_the_written_document(call, here):
    from seedbed.report.stored import read_summary
    from seedbed.report.terminal import comparison_text, glance_text

    done = call(*SMALL, "--lr", 1, "--quiet")
    document = read_summary(here / "seedbed-out/compare-moons")
    details = call(*SMALL, "--lr", 1, "--quiet", "--details")
    with command_line_options():
        assert (done.out, done.err) == (glance_text(document) + "\n", "")
        assert (details.out, details.err) == (comparison_text(document) + "\n", "")
    assert call("report", "seedbed-out/compare-moons", "--text").out == details.out


def test_compare_with_json_prints_only_the_written_document(call, here, monkeypatch):
    for name in ("_LINE_FIRST", "_LINE_EVERY"):
        monkeypatch.setattr(f"seedbed.report.progress.{name}", 0.001)
    done = call(*SMALL, "--json")
    assert len(done.lines) == 1
    document = strict(done.out)
    kept = strict((here / "seedbed-out/compare-moons/comparison.json").read_text())
    assert document == {
        key: value for key, value in kept.items() if key != "curves"
    } | {"files": document["files"]}
    assert sorted(Path(path).name for path in document["files"]) == FILES
    assert all((here / path).is_file() for path in document["files"])
    assert document["schema_version"] == 8
    assert done.err.startswith("2 models on 3 train/test splits")
    assert [
        line
        for line in done.err.splitlines()
        if re.fullmatch(r"\d+ of 6 fits\b.*", line)
    ]


def test_compare_in_the_command_line_equals_compare_in_python(call):
    """Options of the recipe and of the verdicts reach the run."""
    settings = dict(lr=0.1, momentum=0.5, weight_decay=0.01, batch_size=100)
    settings |= dict(schedule="cosine", warmup=0.05, label_smoothing=0.1, clip_norm=2)
    judging = dict(metric="accuracy", margin=0.02, alpha=0.2, reference="linear:2")
    options = settings | judging | dict(baseline="prior", random_state=3)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    document = strict(call(*SMALL, "--json", "--nesterov", *words).out)
    design = sb.Design(
        **judging, baselines=["prior"], repeats=1, folds=3, n_networks=2, random_state=3
    )
    expected = sb.compare(
        "example:moons",
        candidates=["relu:3", "linear:2"],
        recipe=sb.Recipe.tutorial(epochs=3, nesterov=True, **settings),
        design=design,
        compute=sb.Compute(n_jobs=1),
    ).to_dict()
    assert document["command"].startswith(
        "seedbed compare example:moons --n-jobs 1 --recipe tutorial"
    )
    assert expected["command"] == ""
    # notes name options as each of them writes these
    apart = {"command", "seconds", "notes", "files"}
    ours, theirs = (
        {name: value for name, value in found.items() if name not in apart}
        for found in (document, expected)
    )
    assert ours == theirs


PRICES = ["" if i == 7 else f'"$1,{100 + i}.50"' for i in range(60)]
CARS = "paint,price,day,owner,outcome\n" + "".join(
    f"{'red' if i % 3 else 'blue'},{price},2024-01-{1 + i // 2:02},p{i // 2},{'yes' if i * 7 % 5 > 2 else 'no'}\n"
    for i, price in enumerate(PRICES)
)
TINY = "--epochs 3 --n-networks 1 --repeats 1 --folds 3 --lr 0.1 --n-jobs 1 --no-baselines".split()


@pytest.mark.slow
def test_the_next_command_of_inspect_reads_table_with_same_options(call, here, table):
    book = openpyxl.Workbook()
    book.active.append(["a"])
    sheet = book.create_sheet("our customers")
    for row in [
        "abcd",
        *((n + 0.5, n % 7 + 0.5, f"p{n // 2}", f"x{n % 2}") for n in range(60)),
    ]:
        sheet.append(list(row))
    book.save("crm.xlsx")
    options = ("--drop", "a", "--categorical", "b", "--group", "c", "--limit", "1GB")
    for source, own in (
        ("crm.xlsx", ("--table", "our customers")),
        (table(f"a title\n\n{CARS}"), ("--skip-rows", "2")),
    ):
        first = call(
            "inspect", source, *own, *(options if source == "crm.xlsx" else ())
        )
        following = shlex.split(first.err.splitlines()[-1])
        assert following[1:4] == ["seedbed", "compare", str(source)]
        assert following[-1] == "--quick"
        again = call("inspect", *following[3:-1])
        assert again.status == 0
        assert again.lines[1].startswith("Target ")
        assert again.err == first.err


def test_inspect_needs_no_target_prints_json_and_writes_nothing(call, table, here):
    done = call("inspect", table(CARS))
    assert (done.status, names(here), "--target COLUMN" in done.out) == (0, [], True)
    document = json.loads(
        call("inspect", table(CARS), "--target", "outcome", "--json").out
    )
    assert {"columns", "warnings", "target"} <= set(document)
    assert {"name", "kind", "missing", "n_unique", "notes"} <= set(
        document["columns"][0]
    )
    assert [warning["code"] for warning in document["warnings"]] == ["SB204", "SB213"]
    assert {"code", "column", "message"} <= set(document["warnings"][0])


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--time-split", "day", "--group", "owner"), "binary"),
        (("--drop", "day", "--categorical", "price", "--positive", "no"), "binary"),
        (("--target", "paint", "--positive", "red"), "binary"),
        (("--target", "price", "--task", "regression"), "regression"),
    ],
)
def test_a_table_with_all_kinds_of_columns_is_compared(call, table, options, found):
    given = options if "--target" in options else ("--target", "outcome", *options)
    own = [*TINY[:4], *TINY[8:]] if "--time-split" in options else TINY
    done = call(
        "compare",
        table(CARS),
        *given,
        *own,
        *"--candidate relu:2 --candidate linear:2 --json".split(),
    )
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["task"] == found
    assert len(document["candidates"]) == 2


def refused(done, here: Path, *words: str) -> None:
    """Assert status 2, one line on stderr with these words, nothing on stdout, and no file."""
    assert (done.status, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert line.startswith("seedbed: ")
    assert [word for word in words if word not in line] == []
    assert names(here) == []


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("train", ["--lr", "0.1,1"], ["--lr is '0.1,1'. Give a number."]),
        ("train", ["--candidate", "rellu:5"], ["'rellu'", "Did you mean 'relu'?"]),
        ("compare", ["--epoch", "3"], ["--epochs"]),
        ("compare", ["--candidate", "relu:5\nx"], ["'5 x' isn't a width"]),
    ],
    ids=str,
)
def test_a_bad_option_of_a_verb_is_refused(call, here, table, verb, options, words):
    refused(call(verb, table(), "--target", "outcome", *options), here, *words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compair"], "Did you mean 'compare'?"),
        (
            ["--sedes"],
            "there is no option '--sedes' without a command. See seedbed --help.",
        ),
        (["train"], "TABLE is missing. See seedbed train --help."),
        (
            ["compare", "a.csv", "b.csv"],
            "'b.csv' is one argument too many. See seedbed compare --help.",
        ),
        (
            ["compare", "a.csv", "--epochs", "many"],
            "--epochs is 'many'. Give a whole number.",
        ),
    ],
    ids=str,
)
def test_an_invalid_command_line_is_refused_in_one_line(call, here, arguments, message):
    refused(call(*arguments), here, message)


@pytest.mark.parametrize(
    ("options", "code", "message", "hint"),
    [
        (
            ["--target", "outcom"],
            "column",
            "no target 'outcom'",
            "Did you mean 'outcome'?",
        ),
        (
            ["--target", "outcome", "--candidate", "relu"],
            "candidate",
            "'relu' has no width",
            "Write relu:5",
        ),
        (
            ["--target", "outcome", "--folds", "99"],
            "target",
            "at least 99 are needed",
            "fewer folds",
        ),
        (
            ["--target", "outcome", "--nonsense"],
            "usage",
            "--nonsense",
            "See seedbed compare --help.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_with_json_an_error_is_json(call, here, table, options, code, message, hint):
    done = call("compare", table(), *options, "--json")
    assert done.status == 2
    document = strict(done.out)
    assert document.keys() == {"error"}
    assert document["error"].keys() == {"code", "message", "hint"}
    assert document["error"]["code"] == code
    assert message in document["error"]["message"]
    assert hint in document["error"]["hint"]
    assert len(done.err.splitlines()) == 1
    assert names(here) == []


def test_an_unexpected_error_has_status_3_and_a_traceback(call, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("boom\nand more")

    monkeypatch.setattr("seedbed.experiment.comparison.carry_out", fail)
    done = call(*SMALL, "--json")
    assert done.status == 3
    assert (
        done.err.splitlines()[-1]
        == "seedbed: RuntimeError: boom and more. This is a bug in seedbed."
    )
    assert "Traceback" in done.err
    assert strict(done.out)["error"]["code"] == "internal"


def test_an_interrupt_is_reported_in_one_line_and_with_json(call, here, monkeypatch):
    monkeypatch.setattr("seedbed.experiment.comparison.carry_out", interrupt)
    done = call(*SMALL, "--json", "--quiet")
    assert done.status == 130
    message = "interrupted before anything was finished, so nothing is kept"
    assert done.err == f"seedbed: {message}\n"
    assert strict(done.out)["error"] == dict(
        code="interrupted", message=message, hint=""
    )
    assert names(here / "seedbed-out/compare-moons") == ["experiment.json"]


def members(session: int) -> list[int]:
    """The live processes of a session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = status.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(status.parent.name))
    return found


def wait_for(condition):
    """Wait until a condition holds, at most two minutes: other programs may hold the machine."""
    until = time.monotonic() + 120
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def interrupted(
    here: Path, *arguments: str, until, times: int = 1, to=os.killpg
) -> subprocess.CompletedProcess:
    """Start seedbed, wait, and interrupt its whole process group, or its main process alone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seedbed", *arguments],
        cwd=here,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_for(lambda: until(process.pid))
        for _ in range(times):
            to(process.pid, signal.SIGINT)
            time.sleep(0.1)
        out, err = process.communicate(timeout=120)
        assert wait_for(lambda: not members(process.pid))
    finally:
        for left in members(process.pid):
            os.kill(left, signal.SIGKILL)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


IN_PROC = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)


@IN_PROC
@pytest.mark.slow
@pytest.mark.parametrize(
    "to", [os.killpg, os.kill], ids=["the whole group", "the main process alone"]
)
def test_ctrl_c_while_training_ends_with_130_and_leaves_no_process_behind(here, to):
    command = """compare example:moons --candidate relu:64 --n-jobs 2 --repeats 20
        --epochs 100000 --no-baselines --engine torch""".split()
    done = interrupted(
        here,
        *command,
        until=lambda pid: len(members(pid)) >= 3 and not time.sleep(1.5),
        to=to,
    )
    plan, *progress, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (130, "")
    assert plan.startswith("1 model on 200 train/test splits")
    assert last.startswith("seedbed: interrupted")
    assert all(re.search(r"\b0 of 200 fits", line) for line in progress)
    assert [
        path.name for path in (here / "seedbed-out/compare-moons").rglob("*.*")
    ] == ["experiment.json"]


@pytest.fixture
def ctrl_c():
    """A function that presses Ctrl-C, which processes in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

    yield press
    signal.signal(signal.SIGINT, before)


def test_only_the_first_interrupt_counts(call, ctrl_c, monkeypatch):
    def interrupt_twice(*arguments, **options):
        try:
            ctrl_c()
        finally:
            ctrl_c()

    monkeypatch.setattr("seedbed.experiment.comparison.carry_out", interrupt_twice)
    assert call(*SMALL).status == 130
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # until the process ends
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call("examples")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_a_library_turns_into_an_error_is_still_one(
    call, ctrl_c, monkeypatch
):
    def as_numpy_does(*arguments, **options):
        try:
            ctrl_c()
        except KeyboardInterrupt:
            raise ValueError("not a valid PEP 3118 buffer format string") from None

    for function, command, message in [
        (
            "comparison.carry_out",
            SMALL,
            "interrupted before anything was finished, so nothing is kept",
        ),
        ("one_split.train_on_one_split", TRAIN, "interrupted, nothing is kept"),
    ]:
        monkeypatch.setattr(f"seedbed.experiment.{function}", as_numpy_does)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        done = call(*command)
        assert (done.status, done.err.splitlines()[-1]) == (130, f"seedbed: {message}")


def test_an_interrupt_counts_again_if_library_swallows_first(call, ctrl_c, monkeypatch):
    now = 0.0
    monkeypatch.setattr("seedbed.cli.program.time.monotonic", lambda: now)

    def swallow_one(*arguments, **options):
        nonlocal now
        with contextlib.suppress(KeyboardInterrupt):
            ctrl_c()
        now = 9.0
        ctrl_c()  # the run may still be ending
        now = 11.0
        ctrl_c()
        raise AssertionError("nothing stops this run")

    monkeypatch.setattr("seedbed.experiment.one_split.train_on_one_split", swallow_one)
    done = call(*TRAIN)
    assert (done.status, done.err) == (130, "seedbed: interrupted, nothing is kept\n")


@pytest.mark.slow
def test_a_closed_output_pipe_is_not_an_error(here):
    # As in `seedbed examples | head -0`: the other end of the pipe is closed before anything is
    # printed.
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "seedbed", "examples"]
    done = subprocess.run(
        command, cwd=here, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_python_dash_m_equals_the_installed_command(here):
    script = Path(sys.executable).with_name("seedbed")
    printed = [
        subprocess.run(
            [*start, "--version"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
        for start in ([sys.executable, "-m", "seedbed"], [str(script)])
    ]
    assert printed[0] == printed[1]
    assert printed[0].startswith("seedbed 0.1.0\nkernel: ")


def test_help_lists_the_verbs_and_every_verb_its_options(call):
    helped = call("--help")
    assert helped.status == 0
    assert [
        word
        for word in ("train", "compare", "inspect", "examples", "--version")
        if word not in helped.out
    ] == []
    groups = dict(
        train=(TableOptions, RecipeOptions, RunOptions), inspect=(TableOptions,)
    )
    groups["compare"] = (TableOptions, RecipeOptions, FolderOptions, DesignOptions)
    own = dict(
        train="--candidate --seeds --random-state --every --out",
        compare="--candidate --recipe --json --no-baselines",
        inspect="--json",
    )
    for verb, classes in groups.items():
        fields = [field.name for one in classes for field in dataclasses.fields(one)]
        wanted = [f"--{name.replace('_', '-')}" for name in fields] + own[verb].split()
        words = call(verb, "--help").out.split()
        assert [option for option in wanted if option not in words] == []
