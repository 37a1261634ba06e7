"""What predictions depend on, in a comparison: fitted once, stored, drawn again, and only if it is
requested."""

import json

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.evaluation.summaries import summary_from
from seedbed.experiment import comparison
from seedbed.report.html_page import report_page
from seedbed.report.terminal import glance_text

pytestmark = pytest.mark.usefixtures("here", "plain_charts")

COMMAND = """compare t.csv --target y --candidate linear:3 --candidate relu:3 --epochs
    20 --lr 0.1 --repeats 1 --n-networks 2 --no-baselines --baseline prior --n-jobs 1
    --out run""".split()


def frame(n=120):
    rng = np.random.default_rng(0)
    x, town = rng.normal(size=n), rng.choice(["Bonn", "Oslo"], n)
    return pd.DataFrame(
        dict(x=x, town=town, z=rng.normal(size=n), y=np.where(x > 0, "yes", "no"))
    )


@pytest.fixture
def table(here):
    frame().to_csv(here / "t.csv", index=False)


@pytest.mark.slow
def test_effects_are_stored_and_drawn_again_without_training(
    call, here, table, monkeypatch
):
    status, out, _ = call(*COMMAND, "--effects")
    words = (
        "\nEffects   largest on the probability that y is yes, as auto predicts it: x ("
    )
    assert (status, words in out) == (0, True)
    document = json.loads((here / "run" / "comparison.json").read_text())
    assert [
        len(curve["mean"])
        for curve in document["effects"]["curves"]
        if curve["column"] == "town"
    ] == [2]
    page = (here / "run" / "report.html").read_bytes()
    assert b'<section id="effects">' in page
    monkeypatch.setattr(comparison, "fit_compared", None)  # nothing is fitted again
    (here / "run" / "report.html").unlink()
    assert call("report", "run").status == 0
    assert (here / "run" / "report.html").read_bytes() == page
    again = call(*COMMAND, "--effects", "--json")
    assert json.loads(again.out)["effects"] == document["effects"]
    # also without being asked
    assert json.loads(call(*COMMAND, "--json").out)["effects"] == document["effects"]


@pytest.mark.slow
def test_a_finished_run_gets_effects_and_keeps_its_verdicts(call, here, table):
    assert call(*COMMAND).status == 0
    before = json.loads((here / "run" / "comparison.json").read_text())
    assert before["effects"] is None
    assert "is finished already" in call(*COMMAND, "--effects").err
    after = json.loads((here / "run" / "comparison.json").read_text())
    assert after["effects"]["curves"][0]["column"] == "x"
    assert {**after, "effects": None} == before


@pytest.mark.slow
def test_an_interrupt_while_effects_are_fitted_loses_nothing(
    call, here, table, monkeypatch
):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(comparison, "fit_compared", interrupt)
        status, _, err = call(*COMMAND, "--effects")
    assert (status, "kept in run" in err) == (130, True)
    status, _, err = call(*COMMAND, "--effects")
    assert (status, "are reused" in err) == (0, True)
    assert (
        json.loads((here / "run" / "comparison.json").read_text())["effects"]["model"]
        == "auto"
    )


@pytest.mark.slow
def test_without_a_network_to_advise_there_are_no_effects_and_run_counts(call, here):
    rng = np.random.default_rng(1)
    pd.DataFrame({"x": rng.normal(size=60), "y": rng.choice(["a", "b"], 60)}).to_csv(
        here / "t.csv", index=False
    )
    status, _, err = call(*COMMAND, "--reference", "prior", "--effects")
    assert status == 0
    assert "no effects: this comparison recommends no model" in err
    assert json.loads((here / "run" / "comparison.json").read_text())["effects"] is None


def settings(**options):
    design = sb.Design(repeats=1, n_networks=2, **options)
    return dict(candidates=["linear:3", "relu:3"], epochs=20, lr=0.1, design=design)


@pytest.mark.parametrize(("target", "label"), [("number", ""), ("grade", "mid")])
def test_a_comparison_shows_the_effects_of_any_model_of_it(target, label):
    x = frame()["x"]
    answers = dict(
        number=5 * x,
        grade=pd.cut(x, [-9, -1, 1, 9], labels=["low", "mid", "high"]).astype(str),
    )
    comparison = sb.compare(
        sb.read_table(frame().assign(y=answers[target]), target="y"),
        **settings(baselines=[]),
    )
    shown = comparison.with_effects(comparison.model("relu:3", n_networks=3))
    effects = shown.conclusion.effects
    assert (effects.model, effects.networks, effects.label) == ("relu:3", 3, label)
    assert effects.curves[0].column == "x"
    assert summary_from(json.loads(json.dumps(shown.summary()))).effects == effects
    assert "\nEffects   " in glance_text(shown.conclusion)
    assert comparison.conclusion.effects is None
    assert ("mid is the label of most rows." in report_page(shown.conclusion)) == bool(
        label
    )
