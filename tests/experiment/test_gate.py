"""The gate: tries on fixed rows, a ledger that is only appended to, and one claim on locked
rows."""

import dataclasses
import json
import shutil
import subprocess
import sys

import narwhals as nw
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.stats import t
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC

import seedbed as sb
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    SeedbedError,
    UnreadableError,
)
from seedbed.experiment.gate import Attempt
from seedbed.model.ledger import append_entry

from ..cases import with_texts


def write(path, X, y, names=None):
    names = names or [f"x{i}" for i in range(X.shape[1])]
    rows = [
        ",".join([*(f"{value:.6f}" for value in row), str(label)])
        for row, label in zip(X, y, strict=True)
    ]
    path.write_text("\n".join([",".join([*names, "y"]), *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def rows():
    """X [300, 3], of which the last column decides with noise, and y."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, (X[:, 2] + 0.5 * rng.normal(size=300) > 0).astype(int)


@pytest.fixture(scope="module")
def made(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    table = write(folder / "t.csv", *rows)
    sb.Gate.new(folder / "loop", table, target="y", candidate="prior")
    return folder


@pytest.fixture
def loop(made, tmp_path):
    """A gate whose start is `prior`, beside its table t.csv, which the test may change."""
    return shutil.copytree(made, tmp_path / "copy") / "loop"


def given(loop, rows, *, locked_ones=False, right=0.9):
    """Predictions in the first repeat for the open rows, or for the locked ones."""
    y = rows[1]
    sets = [
        line.split(",")[1]
        for line in (loop / "splits.csv").read_text().splitlines()[1:]
    ]
    which = [row for row, name in enumerate(sets) if (name == "locked") == locked_ones]
    return dict(
        row=which, probability=[right if y[row] else 1 - right for row in which]
    )


def saved(loop, predictions):
    """The path of a CSV file of predictions."""
    lines = [
        ",".join(predictions),
        *(",".join(map(str, row)) for row in zip(*predictions.values(), strict=True)),
    ]
    (path := loop.parent / "p.csv").write_text("\n".join(lines) + "\n")
    return path


def test_a_better_candidate_is_kept_and_confirmed_once(loop):
    gate = sb.Gate(loop)
    assert gate.try_(candidate="logistic", name="logistic").kept
    assert not gate.try_(drop="x2", name="without x2").kept
    status = gate.status()
    assert [one.kept for one in status.tries] == [True, False]
    assert (status.current, status.n_open, status.n_locked) == ("logistic", 240, 60)
    chances = [2 * 0.05, 2 * (1 - status.tries[0].certainty)]
    assert [status.by_chance, status.tries[0].by_chance] == pytest.approx(chances)
    assert (claim := gate.confirm()).confirmed
    size = (loop / "ledger.jsonl").stat().st_size
    assert sb.Gate(loop).confirm() == claim
    assert (loop / "ledger.jsonl").stat().st_size == size
    assert (
        repr(gate)
        == "<Gate t: predicting y; 240 rows for tries, 60 locked until the claim>"
    )
    assert repr(claim).startswith("<Attempt logistic: confirmed on the locked rows")
    assert "<pre" in status._repr_html_()
    with pytest.raises(OptionError, match="have been opened"):
        gate.try_(drop="x0")


def test_the_locked_rows_are_in_no_split_and_change_no_try(loop, rows):
    lines = [line.split(",") for line in (loop / "splits.csv").read_text().splitlines()]
    is_locked = np.array([line[1] == "locked" for line in lines[1:]])
    assert is_locked.sum() == 60
    assert all((set(line[2:]) == {""}) == (line[1] == "locked") for line in lines[1:])
    table = loop.parent / "t.csv"
    attempt = sb.Gate(loop).try_(candidate="logistic")
    X = rows[0].copy()
    X[is_locked, 2] = X[is_locked, 2][::-1]
    other = sb.Gate.new(
        loop.parent / "other", write(table, X, rows[1]), target="y", candidate="prior"
    )
    assert other.try_(candidate="logistic").gain == attempt.gain


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", ["numbers", "classes", "groups", "times", "survival"])
def test_any_task_and_any_kind_of_rows_has_a_gate(rows, tmp_path, kind):
    X, y = rows
    numbers = X[:, 2] + 0.3 * X[:, 1] ** 2
    columns = dict(zip("abc", X.T, strict=True)) | dict(
        row=np.arange(len(y)), group=np.arange(len(y)) // 3
    )
    columns |= {
        "y": y,
        "number": numbers,
        "class": np.digitize(numbers, [-0.5, 0.7]),
        "days": np.exp(-X[:, 2]),
    }
    frame = nw.from_dict(columns, backend="pyarrow").to_native()
    left = {"number", "class", "days", "y"}
    target = {"numbers": "number", "classes": "class"}.get(kind, "y")
    roles = {"groups": {"group": "group"}, "times": {"time_split": "row"}}.get(
        kind, {}
    ) | {"target": target}
    roles = {"event": "y", "time": "days"} if kind == "survival" else roles
    drop = [*(left | {"row", "group"}) - {*roles.values()}]
    gate = sb.Gate.new(
        tmp_path / "loop", sb.read_table(frame, **roles, drop=drop), candidate="prior"
    )
    wrong = dict(
        numbers=(
            {"prediction": 1e155},
            r"row \d+ has no number up to 1e\+30 in repeat 1",
        ),
        classes=(
            dict.fromkeys(["probability_0", "probability_1", "probability_2"], 1),
            "to 3",
        ),
    )
    predictions, found = wrong.get(
        kind, ({"probability": 1.5}, "a probability of 1.5, outside")
    )
    predictions = {name: [value] * 300 for name, value in predictions.items()}
    if kind != "survival":
        with pytest.raises(DataError, match=found):
            gate.try_(
                predictions=nw.from_dict(
                    {"row": range(300), **predictions}, backend="pyarrow"
                )
            )
    assert gate.try_(candidate="boosted-trees:20", name="trees").kept
    assert gate.confirm().gain > 0


def test_predictions_of_another_library_are_tried_in_any_order(loop, rows):
    gate = sb.Gate(loop)
    predictions = given(loop, rows)
    copy = shutil.copytree(loop, loop.parent / "second")
    mixed = {name: cells[::-1] for name, cells in predictions.items()}
    gain = sb.Gate(copy).try_(predictions=saved(copy, mixed)).gain
    attempt = gate.try_(predictions=saved(loop, predictions), name="mine\n   2  kept")
    assert (attempt.kept, attempt.gain, attempt.name) == (True, gain, "mine 2 kept")
    attempt = gate.try_(drop="x0")
    assert (attempt.name, attempt.candidate) == ("without x0, of start", "prior")
    assert not gate.try_(candidate="logistic", name="logistic").kept
    with pytest.raises(OptionError, match="is of another library"):
        gate.confirm()
    assert (
        sb.Gate(loop)
        .confirm(saved(loop, given(loop, rows, locked_ones=True)))
        .confirmed
    )


class Nonsense(LogisticRegression):
    """Predicts no numbers, without an error."""

    def predict_proba(self, X):
        return np.full((len(X), 2), np.nan)


class Stubborn(LogisticRegression):
    """Can't be fitted."""

    def fit(self, X, y):
        raise ValueError("no")


def squares():
    return make_pipeline(PolynomialFeatures(2), LogisticRegression(C=0.1))


@pytest.mark.parametrize("model", [squares(), LogisticRegression, GaussianNB()])
def test_an_estimator_is_fitted_by_the_gate_also_for_the_claim(loop, rows, model):
    gate = sb.Gate(loop)
    attempt = gate.try_(model, drop="x0")
    assert (attempt.kept, attempt.candidate, attempt.drop) == (True, None, ("x0",))
    assert attempt.name.split()[0] in attempt.code
    assert sb.Gate(loop).confirm().confirmed
    # The same predictions by hand, from the rows and the columns of the claim
    X, y = rows
    stored = load_file(loop / "versions" / "1" / "predictions.safetensors")
    is_locked = np.isfinite(stored["locked"][0, 0])
    estimator = clone(model() if isinstance(model, type) else model)
    X = (
        StandardScaler().fit(X[~is_locked]).transform(X)
        if not is_pipeline(model)
        else X
    )
    X = np.where([True, False, False], 0, X)
    estimator.fit(X[~is_locked], y[~is_locked])
    expected = estimator.predict_proba(X[is_locked])[:, 1]
    assert stored["locked"][0, 0][is_locked] == pytest.approx(expected, abs=1e-5)


def is_pipeline(model):
    return hasattr(model, "steps")


@pytest.mark.torch
def test_a_module_is_tried_by_what_builds_it(loop):
    from torch.nn import Linear, ReLU, Sequential

    def two_layers(n_features, n_outputs):
        return Sequential(Linear(n_features, 8), ReLU(), Linear(8, n_outputs))

    attempt = sb.Gate(loop).try_(two_layers)
    assert (attempt.kept, attempt.code) == (True, "two_layers")
    assert sb.Gate(loop).confirm().confirmed


def test_a_column_is_dropped_from_a_model_in_code_while_it_is_at_hand(loop):
    gate = sb.Gate(loop)
    assert gate.try_(squares(), name="squares").kept
    attempt = gate.try_(drop="x2")
    assert attempt.name == "without x2"
    assert attempt.code.startswith("Pipeline(")
    assert not attempt.kept
    attempt = sb.Gate(loop).try_(drop="x2")
    assert (attempt.name, attempt.candidate) == ("without x2, of start", "prior")
    attempt = sb.Gate(loop).try_("logistic", drop=["x0"])
    assert attempt.name == "logistic without x0"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_data_frame_is_tried_as_a_table_and_read_again_later(loop, rows, library):
    X, y = rows
    columns = {"x0": X[:, 0], "sign": np.where(X[:, 2] > 0, "up", "down"), "y": y}
    frame = nw.from_dict(columns, backend=library).to_native()
    assert sb.Gate(loop).try_("logistic", table=frame, name="signs").kept
    mixed = nw.from_native(frame)[[*range(299, -1, -1)]].to_native()
    with pytest.raises(DataError, match="the target of table differs"):
        sb.Gate(loop).try_(table=mixed)
    moved = loop.rename(loop.parent / "moved")
    assert not sb.Gate(moved).try_(drop="x0").kept
    assert sb.Gate(moved).confirm().confirmed


UNFIT = {
    "numbers that aren't finite": (Nonsense(), "or some that aren't finite"),
    "an error": (Stubborn(), "it can't be fitted on 10 of 10 splits: ValueError: no"),
    "labels alone": (LinearSVC(), "has no predict_proba. Wrap it in"),
    "a regressor": (LinearRegression(), "isn't a scikit-learn classifier"),
    "a number": (3, "a candidate can't be 3"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_model_that_cannot_be_fitted_is_refused_without_a_line(loop, case):
    model, message = UNFIT[case]
    before = (loop / "ledger.jsonl").read_text()
    with pytest.raises(SeedbedError, match=message):
        sb.Gate(loop).try_(model)
    with pytest.raises(DataError, match="a table can't be 3"):
        sb.Gate(loop).try_(table=3)
    assert (loop / "ledger.jsonl").read_text() == before


def test_changed_predictions_of_a_model_in_code_are_refused(loop):
    assert sb.Gate(loop).try_(squares()).kept
    path = loop / "versions" / "1" / "predictions.safetensors"
    arrays = load_file(path)
    for name in arrays:
        save_file({**arrays, name: 1 - arrays[name]}, path)
        with pytest.raises(DataError, match="is missing or has changed"):
            sb.Gate(loop).confirm()
        with pytest.raises(DataError, match="is missing or has changed"):
            sb.Gate(loop).try_("logistic")
    path.unlink()
    with pytest.raises(DataError, match="is missing or has changed"):
        sb.Gate(loop).confirm()


UNUSABLE = {
    "a row too few": lambda p: {name: cells[1:] for name, cells in p.items()},
    "a row twice": lambda p: {name: [*cells, cells[5]] for name, cells in p.items()},
    "other rows": lambda p: {**p, "row": [row + 9 for row in p["row"]]},
    "no share": lambda p: {**p, "probability": [2.0] * len(p["row"])},
    "another name": lambda p: {"row": p["row"], "score": p["probability"]},
    "labels": lambda p: {"row": p["row"], "prediction": p["row"]},
}
UNUSABLE = with_texts(
    UNUSABLE,
    """
a row too few: row [01] has no probability
a row twice: has more than one probability
other rows: 'row' goes from 0 to 299
no share: row 0 has a probability of 2, outside 0 to 1. Divide percentages
another name: no column 'probability_1'
labels: or make a gate with metric="accuracy"
""",
)


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_predictions_are_refused_without_a_line(loop, rows, case):
    change, message = UNUSABLE[case]
    predictions = given(loop, rows)
    before = (loop / "ledger.jsonl").read_text()
    with pytest.raises((DataError, OptionError), match=message):
        sb.Gate(loop).try_(predictions=saved(loop, change(predictions)))
    assert (loop / "ledger.jsonl").read_text() == before


def test_a_probability_names_its_label_unless_that_says_yes(rows, tmp_path):
    X, y = rows
    table = write(tmp_path / "t.csv", X, np.where(y, "good", "bad"))
    gate = sb.Gate.new(tmp_path / "loop", table, target="y", candidate="prior")
    predictions = given(gate.folder, rows)
    positive = sb.read_table(table, target="y").labels[1]
    with pytest.raises(ColumnError, match=f"no column 'probability_{positive}'"):
        gate.try_(predictions=saved(gate.folder, predictions))
    right = [p if positive == "good" else 1 - p for p in predictions["probability"]]
    named = {"row": predictions["row"], f"probability_{positive}": right}
    assert gate.try_(predictions=saved(gate.folder, named)).kept


@pytest.mark.parametrize("n_labels", [2, 3])
def test_labels_alone_are_tried_where_accuracy_decides(rows, tmp_path, n_labels):
    X, y = rows
    labels = np.where(X[:, 0] > 1, n_labels, y)
    table = write(tmp_path / "t.csv", X, labels)
    gate = sb.Gate.new(
        tmp_path / "loop", table, target="y", candidate="prior", metric="accuracy"
    )
    answers = {"row": range(300), "prediction": labels}
    assert gate.try_(predictions=nw.from_dict(answers, backend="pyarrow")).kept
    claim = gate.confirm(nw.from_dict(answers, backend="pyarrow"))
    assert (claim.confirmed, claim.unit) == (True, "points of accuracy")


def test_a_claim_counts_losses_that_only_open_rows_show(loop, rows):
    widths = []
    for n_wrong in (0, 7):
        copy = shutil.copytree(loop, loop.parent / str(n_wrong))
        gate, predictions = sb.Gate(copy), given(copy, rows)
        wrong = [1 - p for p in predictions["probability"][:n_wrong]]
        predictions["probability"][:n_wrong] = wrong
        assert gate.try_(predictions=saved(copy, predictions)).kept
        claim = gate.confirm(saved(copy, given(copy, rows, locked_ones=True)))
        widths.append(claim.high - claim.low)
    assert widths[1] > 2 * widths[0]


def test_the_error_of_a_claim_is_the_larger_one_of_locked_and_open_rows(rows, tmp_path):
    y = rows[0][:, 2]
    gate = sb.Gate.new(
        tmp_path / "loop",
        write(tmp_path / "t.csv", rows[0], y),
        target="y",
        candidate="prior",
    )
    cells = [
        line.split(",") for line in (gate.folder / "splits.csv").read_text().split()[1:]
    ]
    # of the first repeat; -1 is locked
    fold = np.array([int(line[2] or -1) for line in cells])
    p = y + np.where((fold >= 0) & (np.arange(300) % 30 == 0), 2.5, 0.1)
    assert gate.try_(
        predictions=saved(gate.folder, {"row": range(300), "prediction": p})
    ).kept
    claim = gate.confirm(saved(gate.folder, {"row": range(300), "prediction": p}))
    means = [y[(fold >= 0) & (fold != at)].mean() for at in range(-1, 10)]
    gains = (y - np.array(means)[fold + 1]) ** 2 - (y - p) ** 2
    deviations = [gains[fold < 0].std(ddof=1), gains[fold >= 0].std(ddof=1)]
    assert deviations[1] > deviations[0]
    half = t.ppf(0.95, 59) * deviations[1] / 60**0.5
    assert (claim.high - claim.gain) / claim.gain == pytest.approx(
        half / gains[fold < 0].mean()
    )


def test_rows_in_clusters_are_said_in_the_status_and_at_the_claim(rows, tmp_path):
    X, y = rows
    patients = np.arange(len(y))[:, None] // 5
    table = write(
        tmp_path / "t.csv", np.hstack([patients, X]), y, ["patient", "a", "b", "c"]
    )
    gate = sb.Gate.new(tmp_path / "loop", table, target="y", candidate="prior")
    warning = "Warning: rows of one patient are open and locked."
    assert warning in str(gate.status())
    assert gate.try_(candidate="logistic").kept
    assert str(gate.confirm()).endswith('make the gate again with group="patient".')
    assert str(gate.status()).count(warning) == 1
    grouped = sb.read_table(table, target="y", group="patient")
    assert (
        not sb.Gate.new(tmp_path / "other", grouped, candidate="prior")
        .status()
        .clusters
    )


def test_changed_rows_target_or_splits_are_refused(loop, rows):
    X, y = rows
    table = loop.parent / "t.csv"
    for changed in ((X + 1, y), (X, 1 - y), (X[::-1], y[::-1])):
        write(table, *changed)
        with pytest.raises(DataError, match="any more: the table's cells have changed"):
            sb.Gate(loop, table=sb.read_table(table, target="y")).try_(drop="x0")
    write(table, X, y)
    text = (loop / "splits.csv").read_text()
    for changed, encoding in (
        (text.replace("locked", "open", 1), "utf-8"),
        (text, "utf-16"),
    ):
        (loop / "splits.csv").write_text(changed, encoding=encoding)
        with pytest.raises(DataError, match=r"splits.csv has changed"):
            sb.Gate(loop, table=sb.read_table(table, target="y")).try_(drop="x0")


def test_a_wider_table_is_matched_by_order_or_key(rows, tmp_path):
    X, y = rows
    keys = np.arange(len(y))[:, None] + 0.25
    narrow = write(
        tmp_path / "narrow.csv", np.hstack([keys, X[:, :2]]), y, ["id", "a", "b"]
    )
    wider = write(
        tmp_path / "wider.csv",
        np.hstack([keys, X])[::-1],
        y[::-1],
        ["id", "a", "b", "c"],
    )
    gate = sb.Gate.new(tmp_path / "loop", narrow, target="y", candidate="logistic")
    with pytest.raises(DataError, match="the target of wider differs"):
        gate.try_(table=wider)
    assert gate.try_(table=wider, key="id", name="with c").kept
    assert not sb.Gate(tmp_path / "loop").try_(drop="c").kept
    assert gate.confirm().confirmed


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0][:90], *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[0].replace('"n_open": 240', '"n_open": 1'), *lines[1:]],
        lambda lines: [lines[0], lines[1].replace("false", "true"), lines[2]],
        lambda lines: [lines[0], lines[2]],
        lambda lines: lines[:2],
        lambda lines: lines[-1:],
        lambda lines: ["[" * 100_000],
    ],
)
def test_a_damaged_ledger_is_refused_also_at_its_last_lines(loop, damage):
    sb.Gate(loop).try_(drop="x0")
    ledger = loop / "ledger.jsonl"
    lines = ledger.read_text().splitlines()
    assert {"kind", "result", "time"} <= json.loads(lines[1]).keys()
    ledger.write_text("\n".join([*damage(lines), ""]))
    message = "is damaged: lines were changed or removed"
    with pytest.raises(UnreadableError, match=message):
        sb.Gate(loop)


def test_a_second_process_is_refused_and_a_kill_loses_at_most_the_try(loop):
    sb.Gate(loop).try_(drop="x0", name="first")
    stuck = "import sys, time, seedbed as sb, seedbed.experiment.gate as gate\n"
    stuck += (
        "gate.append_entry = lambda *_: (print('ready', flush=True), time.sleep(600))\n"
    )
    stuck += "sb.Gate(sys.argv[1]).try_(drop='x1')"
    with subprocess.Popen(
        [sys.executable, "-c", stuck, str(loop)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(OptionError, match="another process is writing to"):
            sb.Gate(loop).try_(drop="x1")
        process.kill()
    assert [one.name for one in sb.Gate(loop).status().tries] == ["first"]
    assert not sb.Gate(loop).try_(drop="x1", name="again").kept
    assert [one.name for one in sb.Gate(loop).status().tries] == ["first", "again"]


def test_few_rows_and_a_used_folder_are_refused(loop, rows, tmp_path):
    X, y = rows
    message = r"a fifth of it is 20 rows, and a claim takes 30"
    with pytest.raises(OptionError, match=message):
        sb.Gate.new(
            tmp_path / "few", write(tmp_path / "few.csv", X[:100], y[:100]), target="y"
        )
    with pytest.raises(OptionError, match=r"isn't empty: it holds ledger\.jsonl"):
        sb.Gate.new(loop, loop.parent / "t.csv", target="y", candidate="prior")
    (part := tmp_path / "killed" / ".splits.csv.0.seedbed-part").parent.mkdir()
    part.touch()
    sb.Gate.new(part.parent, loop.parent / "t.csv", target="y", candidate="prior")
    assert not part.exists()
    with pytest.raises(OptionError, match="nothing was kept"):
        sb.Gate(loop).confirm()
    with pytest.raises(OptionError, match="of a change, or of predictions"):
        sb.Gate(loop).try_(name="nothing")


def test_the_status_says_when_chance_could_have_kept_as_many(loop):
    gate = sb.Gate(loop)
    for number in range(1, 41):
        tried = Attempt(
            number=number,
            name="noise",
            kept=number == 7,
            candidate="prior",
            certainty=0.96,
            high=1.0,
        )
        append_entry(loop, {"kind": "try", "result": dataclasses.asdict(tried)})
        assert gate.status().exhausted == (number * 0.05 >= 1), number
    assert "1 of 40 kept. If none helped, chance would keep 2.0 on average" in str(
        gate.status()
    )
    assert str(gate.status()).endswith("on so few rows, more tries say nothing.")


def test_the_exit_status_of_a_try_says_whether_it_is_kept(made, tmp_path, call):
    folder = tmp_path / "loop"
    model = tmp_path / "models.py"
    source = "from sklearn.naive_bayes import GaussianNB\nmine = GaussianNB()\n"
    model.write_text(source)
    commands = {
        f"new {folder} {made / 't.csv'} --target y --candidate prior --json": (
            0,
            '"n_open": 240',
        ),
        f"try {folder} --candidate logistic --name better": (0, "better: kept; gain +"),
        f"try {folder} --estimator {model}:mine": (1, "GaussianNB: not kept"),
        f"try {folder} --estimator {model}:its": (2, "Known: mine"),
        f"try {folder} --estimator {model}:mine --candidate prior": (2, "Give one."),
        f"try {folder} --estimator mine": (2, "Name what is in a file as FILE.py:NAME"),
        f"try {folder} --drop x2 --json": (1, '"kept": false'),
        f"try {folder} --drop nothing": (2, "no column 'nothing'"),
        f"status {folder}": (0, "1 of 3 kept. If none"),
        f"confirm {folder}": (
            0,
            "better: confirmed on the locked rows (it takes 95%); gain +",
        ),
    }
    for words, (status, text) in commands.items():
        done = call("gate", *words.split())
        assert done.status == status, done.err
        assert text in done.out + done.err
