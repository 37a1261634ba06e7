"""A model is corrected by an intercept, an intercept and a slope, or not at all."""

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.model.recalibrating import chosen_line


def rows_of(n, seed, intercept=0.0, slope=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    log_odds = intercept + slope * (1.5 * x[:, 0] - x[:, 1])
    answer = np.where(rng.random(n) < 1 / (1 + np.exp(-log_odds)), "yes", "no")
    return pd.DataFrame(x, columns=["a", "b"]).assign(answer=answer)


@pytest.fixture(scope="module")
def model():
    table = sb.read_table(rows_of(600, 0), target="answer")
    comparison = sb.compare(table, candidates=["logistic"], quick=True)
    return comparison.model("logistic")


def line(model):
    return model.training["recalibrated"]["line"]


def test_an_outcome_that_became_rarer_moves_the_intercept(model):
    moved = model.recalibrated(rows_of(2000, 1, intercept=-1.5))
    intercept, slope = line(moved)
    assert intercept == pytest.approx(-1.5, abs=0.3)
    assert slope == pytest.approx(1, abs=0.25)  # the model is off, too
    later = rows_of(2000, 2, intercept=-1.5)
    before = model.evaluate(later)
    after = moved.evaluate(later)
    assert before.two_classes.intercept.high < 0
    assert abs(after.two_classes.intercept.mean) < 0.2
    assert after.verdict == "as promised"
    assert after.promised.low is not None


def test_a_weaker_effect_moves_the_slope(model):
    _, slope = line(model.recalibrated(rows_of(3000, 1, slope=0.4)))
    assert slope == pytest.approx(0.4, abs=0.15)


def test_rows_as_before_change_nothing(model):
    same = model.recalibrated(rows_of(300, 1))
    assert line(same) == [0.0, 1.0]
    assert "don't show that it is off" in str(same)
    new = rows_of(20, 2)
    assert np.array_equal(model.predict_proba(new), same.predict_proba(new))


def test_a_correction_of_a_correction_is_one(model):
    first = model.recalibrated(rows_of(1000, 1, intercept=-1.5))
    back = first.recalibrated(rows_of(3000, 2))
    intercept, _ = line(back)
    assert intercept == pytest.approx(0, abs=0.3)


def test_unchanged_models_are_rarely_changed():
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(400):
        z = rng.normal(size=(1, 200))
        y = (rng.random(200) < 1 / (1 + np.exp(-z[0]))).astype(float)
        changed += chosen_line(z, y, is_number=False) != (0.0, 1.0)
    assert 4 <= changed <= 32  # 5 %, and three standard errors above


def test_numbers_are_moved_and_stretched():
    rng = np.random.default_rng(0)
    x = rng.normal(size=800)
    rows = pd.DataFrame({"x": x, "y": 3 * x + rng.normal(size=800)})
    model = sb.fit_model(sb.read_table(rows[:300], target="y"), "linear")
    later = rows[300:].assign(y=5 + 2 * rows["y"])
    moved = model.recalibrated(later)
    expected = 5 + 2 * model.predict(later)
    assert line(moved)[1] == pytest.approx(2, abs=0.1)
    assert (moved.predict(later) - expected).mean() == pytest.approx(0, abs=0.3)
    low, high = moved.predict_range(later[:5]).T
    assert ((low < moved.predict(later[:5])) & (moved.predict(later[:5]) < high)).all()


def test_a_file_keeps_the_correction(model, tmp_path):
    moved = model.recalibrated(rows_of(500, 1, intercept=-1.5))
    loaded = sb.load(moved.save(tmp_path / "moved.safetensors"))
    new = rows_of(50, 3)
    assert np.array_equal(loaded.predict_proba(new), moved.predict_proba(new))
    assert loaded.training_rows is not None
    with pytest.raises(sb.TooFewRowsError, match="0 new rows"):
        loaded.evaluate(rows_of(500, 1, intercept=-1.5))


def test_an_onnx_file_has_the_correction(model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    moved = model.recalibrated(rows_of(500, 1, intercept=-1.5))
    (path,) = moved.export(tmp_path / "moved.onnx").files
    new = rows_of(50, 3)
    cells = {name: new[[name]].to_numpy() for name in ("a", "b")}
    (found,) = onnxruntime.InferenceSession(path).run(["probabilities"], cells)
    assert found == pytest.approx(moved.predict_proba(new), abs=1e-5)


def test_what_can_t_be_recalibrated_is_refused(model):
    with pytest.raises(sb.TooFewRowsError, match="10 of each label"):
        model.recalibrated(rows_of(25, 1))
    with pytest.raises(sb.DataError, match="wrong way round"):
        model.recalibrated(rows_of(500, 1, slope=-1))
    with pytest.raises(sb.DataError, match="labels that the model doesn't know"):
        model.recalibrated(rows_of(100, 1).replace({"answer": {"no": "perhaps"}}))
    iris = sb.fit_model("example:iris", "logistic")
    with pytest.raises(sb.OptionError, match="two labels, or of a number"):
        iris.recalibrated("example:iris")


def test_the_command_writes_the_corrected_model(model, tmp_path, call):
    old = model.save(tmp_path / "old.safetensors")
    new = tmp_path / "new.safetensors"
    rows = tmp_path / "rows.csv"
    rows_of(500, 1, intercept=-1.5).to_csv(rows, index=False)
    done = call("train", old, "--recalibrate", rows, "-o", new)
    assert done.status == 0
    assert "Adjusted: intercept -1." in done.out
    assert line(sb.load(new))[0] < -1
    done = call("train", old, "-o", new)
    assert done.status == 2
    assert "--recalibrate" in done.err
    done = call("train", old, "--recalibrate", rows, "-o", new, "--lr", 1)
    assert done.status == 2


@pytest.mark.parametrize(
    ("intercept", "slope", "is_named"),
    [(2.5, 1.0, True), (0.0, 1.0, False), (1.0, 0.6, False)],
)
def test_an_evaluation_names_the_command_if_probabilities_alone_are_off(
    model, intercept, slope, is_named
):
    """The last rows are ordered worse, too."""
    evaluation = model.evaluate(rows_of(3000, 1, intercept, slope))
    assert ("--recalibrate" in str(evaluation)) == is_named
