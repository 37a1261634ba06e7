"""`seedbed train -o`, `predict` and `show`, from the command line to files and exit status."""

import csv
import io
import json
import shutil
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import seedbed as sb
from seedbed.cli.program import main
from seedbed.experiment.saved_run import open_run
from seedbed.model.portfolio import AUTO, LINES

from .cases import with_texts

pytestmark = pytest.mark.usefixtures("plain_charts")

QUICK = ("--epochs", 12, "--n-networks", 2, "--n-jobs", 1)
ONE_SPLIT = "--repeats 1 --folds 2 --n-networks 2 --epochs 3 --n-jobs 1 -q".split()


def succeed(*words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert not stop.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table of 80 rows and a model of it."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"id": [f"p{i}" for i in range(80)], "age": rng.normal(50, 9, 80).round(2)}
    )
    frame["town"] = rng.choice(["Bonn", "Rome"], 80)
    frame["ill"] = np.where(frame["age"] + rng.normal(0, 4, 80) > 50, "yes", "no")
    frame.to_csv(folder / "patients.csv", index=False)
    words = (
        "train",
        folder / "patients.csv",
        *"--target ill --candidate relu:3 -q".split(),
        *QUICK,
    )
    succeed(*words, "-o", folder / "m.safetensors")
    (folder / "bare.csv").write_text("p1,52.1,Bonn,no\n" * 3)
    (folder / "old.csv").write_text("age,ill\n52.1,no\n")
    (folder / "unknown.csv").write_text("town,age\n" + "Oslo,\n" * 50)
    table = sb.read_table(folder / "patients.csv", target="age", drop=["id"])
    sb.fit_model(table, "relu:2", recipe=sb.Recipe(epochs=3), n_networks=1).save(
        folder / "cost.safetensors"
    )
    return folder


def test_a_model_is_trained_saved_and_shown(folder, call):
    status, out, _ = call("show", folder / "m.safetensors")
    assert status == 0
    for words in (
        "Model:    relu:3 predicts the probability that ill is yes",
        "out of bag",
        "Bonn, Rome",
    ):
        assert words in out
    result = call("show", folder / "cost.safetensors")[1]
    assert "Model:    relu:2 predicts the number age" in result
    document = json.loads(call("show", folder / "m.safetensors", "--json")[1])
    assert document["training"]["n_rows"] == 80
    assert [column["name"] for column in document["columns"]] == ["age", "town"]
    assert document["columns"][0]["median"] == pytest.approx(
        document["columns"][0]["mean"], abs=5
    )


def test_auto_trains_a_blend_and_shows_its_members(folder, call, tmp_path):
    path = tmp_path / "m.safetensors"
    words = (folder / "patients.csv", "--target", "ill", "--candidate", "auto")
    status, out, err = call(
        "train", *words, "-o", path, "--epochs", 40, "--n-networks", 2, "--n-jobs", 1
    )
    assert status == 0, err
    assert "2 sets of " in out
    blend = json.loads(call("show", path, "--json")[1])["architecture"]
    assert blend["kind"] == "blend"
    assert all(
        f"{100 * one['weight']:.0f}% {one['name']}" in out for one in blend["members"]
    )
    assert "out of bag" in out
    assert "up to 40 epochs" in " ".join(out.split())
    # of the default networks; others have 0.004
    assert "AdamW, lr 0.002" in " ".join(out.split())
    assert call("predict", path, folder / "patients.csv", "-q")[0] == 0
    once_more = tmp_path / "again.safetensors"
    call(
        "train",
        *words,
        "-o",
        once_more,
        *"--epochs 40 --n-networks 2 --n-jobs 2 -q".split(),
    )
    assert once_more.read_bytes() == path.read_bytes()


@pytest.fixture(scope="module")
def default_run(folder, tmp_path_factory):
    """The folder of a default comparison of that table, with a scikit-learn model."""
    place = tmp_path_factory.mktemp("default") / "run"
    words = (
        "compare",
        folder / "patients.csv",
        *"--target ill --drop id".split(),
        *ONE_SPLIT,
        *"--baseline sklearn.naive_bayes.GaussianNB --out".split(),
        place,
    )
    succeed(*words)
    return place


@pytest.mark.few(1)
@pytest.mark.parametrize("name", [*LINES, AUTO])
def test_every_line_of_the_default_comparison_is_handed_over_with_its_score(
    folder, default_run, call, tmp_path, name
):
    path = tmp_path / "m.safetensors"
    status, shown, err = call(
        "train", default_run, "--candidate", name, "-o", path, "--n-jobs", 1
    )
    assert status == 0, err
    assert shown.startswith(
        f"Model:    {name} predicts the probability that ill is yes"
    )
    assert "1 x 2-fold cross-validation" in shown
    model, frame = sb.load(path), pd.read_csv(folder / "patients.csv")
    assert (model.candidate, model.n_networks) == (name, 2)
    assert np.isfinite(model.predict_proba(frame)).all()
    summary = json.loads((default_run / "comparison.json").read_text())
    measured = next(
        one["scores"]["brier"]["mean"]
        for one in summary["candidates"]
        if one["name"] == name
    )
    assert (
        next(
            one["mean"]
            for one in model.card()["score"]["scores"]
            if one["name"] == "brier"
        )
        == measured
    )


def test_predictions_go_to_stdout_or_a_file_and_are_the_same(folder, call, tmp_path):
    table, model = folder / "patients.csv", folder / "m.safetensors"
    status, out, err = call("predict", model, table)
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (
        list(rows[0])
        == "id prediction probability_no probability_yes range_low range_high flags".split()
    )
    expected = sb.load(model).predict_proba(table)
    assert_allclose(
        [float(row["probability_yes"]) for row in rows], expected[:, 1], atol=1e-7
    )
    assert [row["id"] for row in rows] == [f"p{i}" for i in range(80)]
    for name in ("p.csv", "p.parquet"):
        assert (
            call(
                "predict",
                model,
                table,
                "-o",
                tmp_path / name,
                *"--keep id --keep age -q".split(),
            )[0]
            == 0
        )
        reader = (
            "read_csv(?, types={'prediction': 'VARCHAR'})"
            if name == "p.csv"
            else "read_parquet(?)"
        )
        found = duckdb.execute(
            f"SELECT * FROM {reader}", [str(tmp_path / name)]
        ).fetchnumpy()
        assert_allclose(found["probability_yes"], expected[:, 1], atol=1e-7)
        assert list(found)[:3] == ["id", "age", "prediction"]
        assert found["prediction"].tolist() == [row["prediction"] for row in rows]
    assert err == ""  # the identifier appears in the output
    assert "ill" not in err


def test_anomalous_rows_are_flagged_and_notes_name_their_lines(folder, call, tmp_path):
    (tmp_path / "new.csv").write_text(
        "town,age\nBonn,50\nOslo,50\nRome,9000\nRome,\nRome,51\n"
    )
    _, out, err = call("predict", folder / "m.safetensors", tmp_path / "new.csv")
    flags = [row["flags"] for row in csv.DictReader(io.StringIO(out))]
    assert flags == ["", "unseen: town", "outlying: age", "missing: age", ""]
    assert (
        "SB302: 'town': 1 cell with a level that the training table didn't have ('Oslo')"
        in err
    )
    status, out, _ = call(
        "predict",
        folder / "m.safetensors",
        tmp_path / "new.csv",
        "-o",
        tmp_path / "p.csv",
        "--json",
    )
    document = json.loads(out)
    assert (status, document["n_rows"]) == (0, 5)
    result = [note["rows"] for note in document["notes"]]
    assert result == [["line 4"], ["line 5"], ["line 3"]]


@pytest.mark.slow
def test_an_unnamed_column_of_row_numbers_comes_before_the_predictions(call, tmp_path):
    frame = pd.DataFrame(
        {"age": np.arange(60) % 7, "ill": np.arange(60) % 2}, index=np.arange(60)[::-1]
    )
    frame.to_csv(tmp_path / "t.csv")
    path = tmp_path / "m.safetensors"
    status, _, err = call(
        "train",
        tmp_path / "t.csv",
        *"--target ill --candidate relu:2 -o".split(),
        path,
        *QUICK,
    )
    assert status == 0
    assert "the first column has no name and is left out as an identifier" in err
    status, out, err = call("predict", path, tmp_path / "t.csv")
    assert [row["index"] for row in csv.DictReader(io.StringIO(out))] == [
        str(i) for i in range(59, -1, -1)
    ]
    assert "ignored" not in err


@pytest.mark.slow
def test_new_rows_are_found_below_titles_and_on_a_sheet(folder, call, tmp_path):
    frame = pd.read_csv(folder / "patients.csv")
    (tmp_path / "t.csv").write_text(
        "Ward 7\n\n" + frame[["town", "age"]].to_csv(index=False, sep=";")
    )
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="About", index=False)
        frame.to_excel(book, sheet_name="Ward 7", startrow=2, index=False)
    model = folder / "m.safetensors"
    expected = [str(value) for value in sb.load(model).predict(frame)]
    for words in (
        ("t.csv",),
        ("t.csv", "--skip-rows", 2),
        ("t.xlsx", "--table", "Ward 7"),
    ):
        status, out, err = call("predict", model, tmp_path / words[0], *words[1:])
        assert (
            status,
            [row["prediction"] for row in csv.DictReader(io.StringIO(out))],
        ) == (0, expected), err
    status, _, err = call("predict", model, tmp_path / "t.xlsx")
    assert (status, "2 sheets: About, Ward 7" in err) == (2, True)


def test_no_rows_give_no_predictions(folder, call, tmp_path):
    (tmp_path / "none.csv").write_text("age,town\n")
    status, out, _ = call("predict", folder / "m.safetensors", tmp_path / "none.csv")
    assert status == 0
    assert (
        out == "prediction,probability_no,probability_yes,range_low,range_high,flags\n"
    )
    assert len(sb.load(folder / "m.safetensors").predict(tmp_path / "none.csv")) == 0
    status, _, err = call("train", tmp_path / "none.csv", "--target", "town")
    assert (status, "there are no rows" in err) == (2, True)


def test_texts_that_a_spreadsheet_would_run_get_apostrophe_in_csv_alone(call, tmp_path):
    texts = ["=1+1", "-5", "+", "@SUM(A1)", "x=2", "-2+3|calc", "-3 to 5", ""]
    frame = pd.DataFrame(
        {
            "x": np.arange(80) % 8,
            "=note": texts * 10,
            "y": ["=cmd|' /C calc'!A0", "+"] * 40,
        }
    )
    model = sb.fit_model(
        sb.read_table(frame, target="y", drop=["=note"]), "logistic", n_networks=2
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = (
        "predict",
        model.save(tmp_path / "m.safetensors"),
        tmp_path / "t.csv",
        "--keep",
        "=note",
    )
    _, out, err = call(*words)
    found = pd.read_csv(io.StringIO(out), keep_default_na=False, dtype=str)
    labels = {"'=cmd|' /C calc'!A0", "+"}
    expected = ["'=1+1", "-5", "+", "'@SUM(A1)", "x=2", "'-2+3|calc", "-3 to 5", ""]
    assert found["'=note"].tolist()[:8] == expected
    assert set(found["prediction"]) <= labels
    assert (
        f"note: {30 + found['prediction'].str.len().gt(1).sum()} texts that a spreadsheet would run"
        in err
    )
    assert call(*words, "-o", tmp_path / "p.parquet")[2].count("apostrophe") == 0
    assert duckdb.execute(
        f"SELECT \"=note\" FROM '{tmp_path / 'p.parquet'}'"
    ).fetchall()[0] == ("=1+1",)


@pytest.fixture(scope="module")
def run(folder):
    """The folder of a comparison of that table."""
    words = (
        "compare",
        folder / "patients.csv",
        *"""--target ill --drop id --candidate relu:3 --candidate linear:2@lr=0.05
            --repeats 1 --folds 3 --n-networks 2 --epochs 12 --n-jobs 1 --no-baselines
            -q --out""".split(),
        folder / "run",
    )
    succeed(*words)
    return folder / "run"


def test_a_model_from_a_run_has_the_candidates_score(run, call, tmp_path):
    path = tmp_path / "m.safetensors"
    status, out, err = call(
        "train", run, "--candidate", "relu:3", "-o", path, "--n-jobs", 1
    )
    assert status == 0, err
    summary = json.loads((run / "comparison.json").read_text())
    reported = next(one for one in summary["candidates"] if one["name"] == "relu:3")
    card = sb.load(path).card()
    assert card["training"]["n_networks"] == 2
    assert 1 <= card["training"]["epochs"] <= 12
    scores = {one["name"]: one for one in card["score"]["scores"]}
    measured = {
        name: score["mean"]
        for name, score in reported["scores"].items()
        if score["mean"] is not None
    }
    # every score that is registered
    assert {name: score["mean"] for name, score in scores.items()} == measured
    assert (
        "1 x 3-fold cross-validation, about 53 training rows; the mean of 2 networks"
        in " ".join(out.split())
    )
    assert f"accuracy {100 * reported['scores']['accuracy']['mean']:.1f}% (" in out
    is_best = summary["advice"]["use"] == "relu:3" and summary["optimism"]["brier"] > 0
    assert ("best of 2" in out, "best of" in out) == (is_best, is_best)


@pytest.mark.slow
def test_a_run_and_comparison_in_python_give_same_model(folder, run, call, tmp_path):
    names = ["relu:3", "linear:2@lr=0.05"]
    table = sb.read_table(folder / "patients.csv", target="ill", drop=["id"])
    design = sb.Design(repeats=1, folds=3, n_networks=2, baselines=[])
    comparison = sb.compare(
        table, candidates=names, epochs=12, design=design, compute=sb.Compute(n_jobs=1)
    )
    for name in names:
        ours = comparison.model(name, n_networks=2, compute=sb.Compute(n_jobs=1)).save(
            tmp_path / "a.safetensors"
        )
        options = ("--n-networks", 2, "--n-jobs", 1, "-q")
        assert (
            call(
                "train",
                run,
                "--candidate",
                name,
                "-o",
                tmp_path / "b.safetensors",
                *options,
            )[0]
            == 0
        )
        assert ours.read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_run_older_than_a_setting_is_read_without_it(run, tmp_path):
    whole, old = tmp_path / "whole", tmp_path / "old"
    for place in (whole, old):
        shutil.copytree(run, place)
    summary, frozen = (
        json.loads((old / name).read_text())
        for name in ("comparison.json", "experiment.json")
    )
    for one in (
        summary["specification"]["recipe"],
        frozen["recipe"],
        frozen["request"]["recipe"],
    ):
        for name in "schedule warmup decay_biases clip_norm label_smoothing".split():
            del one[name]
    (old / "comparison.json").write_text(json.dumps(summary))
    (old / "experiment.json").write_text(json.dumps(frozen))
    assert open_run(old)[1].recipe == open_run(whole)[1].recipe


def test_without_a_name_the_advised_candidate_is_trained(run, call, tmp_path):
    summary = json.loads((run / "comparison.json").read_text())
    out = call(
        "train", run, "-o", tmp_path / "m.safetensors", "--n-networks", 2, "--n-jobs", 1
    )[1]
    assert out.startswith(f"Model:    {summary['advice']['use']} predicts")


def test_a_table_that_has_changed_since_is_refused(folder, run, call, tmp_path):
    original = (folder / "patients.csv").read_text()
    try:
        (folder / "patients.csv").write_text(original.replace("Bonn", "Rome", 1))
        status, _, err = call("train", run, "-o", tmp_path / "m.safetensors")
    finally:
        (folder / "patients.csv").write_text(original)
    assert status == 2
    assert "isn't the table that was compared" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_may_make_all_wrong_is_the_first_line_wherever_a_model_is_shown(
    folder, call, tmp_path
):
    rows = pd.read_csv(folder / "patients.csv").drop(columns="id")
    rows.assign(leak=(rows["ill"] == "yes") * 1.5).to_csv(
        tmp_path / "leak.csv", index=False
    )
    model = tmp_path / "m.safetensors"
    first = "All this may be wrong. SB203: 'leak' alone predicts 'ill' almost"
    train = (
        "train",
        tmp_path / "leak.csv",
        *"--target ill --candidate relu:2 --epochs 5".split(),
    )
    _, out, err = call(*train, "-o", model, "--n-networks", 2)
    assert (out[: len(first)], "SB203" in err) == (first, False)
    assert call("show", model)[1] == out
    assert first in sb.load(model)._repr_html_().replace("&#x27;", "'")
    _, out, err = call(
        "predict", model, tmp_path / "leak.csv", "-o", tmp_path / "p.csv", "--json"
    )
    assert (err[: len(first)], err.count("SB203")) == (first, 1)
    assert json.loads(out)["warnings"] == list(sb.load(model).warnings)
    assert call(*train)[2].startswith(f"{first} perfectly")


BAD = {
    "no such model": "predict {d}/none.safetensors {d}/patients.csv",
    "a table as a model": "show {d}/patients.csv",
    "another suffix": "predict {d}/m.safetensors {d}/patients.csv -o {t}/p.xlsx",
    "no place": "predict {d}/m.safetensors {d}/patients.csv -o /proc/p.csv",
    "its own table": "predict {d}/m.safetensors {d}/patients.csv -o {d}/patients.csv",
    "no header": "predict {d}/m.safetensors {d}/bare.csv",
    "a column too few": "predict {d}/m.safetensors {d}/old.csv",
    "unknown cells": "predict {d}/m.safetensors {d}/unknown.csv -o {t}/p.csv",
    "a recipe for a run": "train {d}/run -o {t}/m.safetensors --lr 1",
    "a run without -o": "train {d}/run",
    "a run as a model": "show {d}/run",
}
BAD = with_texts(
    BAD,
    """
no such model: there is no such file
a table as a model: not a model file
another suffix: can't be written
no place: can't write to /proc/p.csv:
its own table: is the table
no header: does it lack a header?
a column too few: no column 'town'. The model needs all its
unknown cells: Is it the right table?
a recipe for a run: a recipe of its own
a run without -o: Add -o model.safetensors
a run as a model: Make one: seedbed train {d}/run -o model.safetensors.
""",
)


@pytest.mark.parametrize("what", BAD)
def test_bad_input_gives_one_line_status_2(folder, run, call, tmp_path, what):
    words, message = BAD[what]
    before = (folder / "patients.csv").read_bytes()
    status, out, err = call(*words.format(d=folder, t=tmp_path).split())
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("seedbed: ")
    assert message.format(d=folder, t=tmp_path) in err
    assert not list(tmp_path.iterdir())
    assert (folder / "patients.csv").read_bytes() == before


@pytest.mark.slow
@pytest.mark.torch
def test_a_user_network_must_be_given_again_to_predict(folder, call, tmp_path):
    net = tmp_path / "net.py"
    net.write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n    def __init__(self, n_features, n_outputs):\n"
        "        super().__init__(nn.Linear(n_features, 4), nn.Tanh(), nn.Linear(4, n_outputs))\n"
    )
    own, path = f"{net}:Net", tmp_path / "m.safetensors"
    table = folder / "patients.csv"
    assert (
        call(
            "train",
            table,
            *"--target ill --candidate".split(),
            own,
            "-o",
            path,
            "-q",
            *QUICK,
        )[0]
        == 0
    )
    status, _, err = call("predict", path, table)
    assert (status, "net.py:Net" in err) == (2, True)
    assert call("predict", path, table, "--network", own)[0] == 0
    assert call("show", path, "--network", own)[0] == 0


def test_evaluate_says_whether_a_model_holds_its_promise(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    # two would leave one degree of freedom
    succeed(
        *"compare patients.csv --target ill --candidate logistic --out judged".split(),
        *ONE_SPLIT[:2],
        *("--folds", 5),
        *ONE_SPLIT[4:],
    )
    succeed(
        "train", "judged", "--candidate", "logistic", "-o", "promised.safetensors", "-q"
    )
    frame = pd.read_csv("patients.csv")
    frame.assign(ill=np.where(frame["ill"] == "yes", "no", "yes")).to_csv(
        "reversed.csv", index=False
    )
    words = "evaluate promised.safetensors reversed.csv --by town --json --fail-if-below-promise".split()
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(words)
    found = json.loads(capsys.readouterr().out)
    assert stop.value.code == 1
    assert found["verdict"] == "below the promise"
    assert found["n_training_rows"] == 0
    assert len(found["parts"]) == 2
    succeed("evaluate", "promised.safetensors", "reversed.csv", "-o", "page.html")
    assert "<h1>Below the promise</h1>" in (folder / "page.html").read_text()
    frame[:5].assign(age=range(5)).to_csv("five.csv", index=False)
    watch = "reversed.csv --json --fail-if-below-promise --watch looks.jsonl"
    for status, words in (
        (1, f"promised.safetensors {watch}"),
        (2, f"m.safetensors {watch}"),
        (4, "promised.safetensors patients.csv"),
        (4, "promised.safetensors five.csv --json --fail-if-below-promise"),
        (2, "m.safetensors reversed.csv --json --fail-if-below-promise"),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", *words.split()])
        assert stop.value.code == status
        assert "--json" not in words or json.loads(capsys.readouterr().out)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "words",
    ["predict m.safetensors patients.csv", "show m.safetensors", "inspect old.csv"],
)
def test_a_closed_stdout_ends_no_command(folder, words):
    command = f'"{sys.executable}" -m seedbed {words} >&- 2>&-'
    assert (
        subprocess.run(["sh", "-c", command], cwd=folder, check=False).returncode == 0
    )
