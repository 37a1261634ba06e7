"""Sites that are left out of training in turn, and what is promised for a new one."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.errors import ColumnError, OptionError
from seedbed.evaluation.summaries import summary_from
from seedbed.experiment.spec import design_of, splits_of
from seedbed.figures.pictures import chart_of
from seedbed.report.html_page import checklist_text
from seedbed.report.terminal import comparison_text

PLACES = ("Bergen", "Oslo", "Tromsø", "Vadsø", "Ålesund")
DESIGN = sb.Design(baselines=["prior"], n_networks=2)


def visits(n=60, places=PLACES, seed=0, target="ill"):
    """Rows of patients of some hospitals, whose risk depends on x and on the hospital."""
    rng = np.random.default_rng(seed)
    site = np.repeat(places, n)
    x = rng.normal(size=len(site))
    shift = np.repeat(rng.normal(scale=0.5, size=len(places)), n)
    value = 2 * x + shift + rng.normal(size=len(site))
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=len(site)), "hospital": site})
    frame[target] = np.where(value > 0, "yes", "no") if target == "ill" else value
    return frame


@pytest.fixture(scope="module")
def compared():
    table = sb.read_table(visits(), target="ill", site="hospital")
    return sb.compare(table, candidates=["logistic"], design=DESIGN)


def test_each_site_is_tested_by_models_of_the_others(compared):
    frame = visits()
    splits = compared.splits
    assert len(splits) == len(PLACES)
    for split, place in zip(splits, sorted(PLACES), strict=True):
        assert set(frame.hospital[split.test]) == {place}
        assert set(frame.hospital[split.train]) == {*PLACES} - {place}
    assert compared.conclusion.plan.reason == (
        "300 rows: each of 5 sites is left out in turn"
    )
    assert "hospital" not in compared.experiment.table.feature_names


def test_scores_of_each_site_are_those_of_its_rows(compared):
    frame = visits()
    sites = compared.conclusion.sites
    result = next(one for one in compared.results if one.name == sites.model)
    called = result.predictions[0, 0] > 0.5
    right = called == (frame.ill == "yes").to_numpy()
    for site in sites.sites:
        rows = frame.hospital == site.name
        assert site.n_rows == rows.sum() == 60
        assert site.scores["accuracy"].mean == pytest.approx(right[rows].mean())
        assert {"accuracy", "brier", "roc_auc"} == {*site.scores}
        assert site.slope.low < site.slope.mean < site.slope.high
    new = sites.new["accuracy"]
    assert new.low < new.average.low < new.average.mean < new.average.high < new.high


def test_what_to_expect_elsewhere_is_said(compared):
    new = compared.conclusion.sites.new["accuracy"]
    ends = f"{100 * new.low:.0f} to {100 * new.high:.0f}% right"
    assert f"at a site that isn't one of these 5: {ends}" in str(compared)
    assert "in any one batch" not in str(compared)
    text = comparison_text(compared.conclusion)
    assert "at each site of hospital, left out of training" in text
    assert all(place in text for place in PLACES)
    drawn = json.dumps(chart_of(compared.conclusion, "sites"), ensure_ascii=False)
    assert all(f"{place} (60)" in drawn for place in PLACES)
    assert "a new site" in drawn


def test_the_checklist_says_what_was_found_at_sites(compared):
    text = " ".join(checklist_text(compared.conclusion).split())
    assert "clusters: Each of the 5 values of hospital was left out of the" in text
    finding = r"At single sites, the accuracy of \S+ is [\d.]+% \(\w+\) to [\d.]+%"
    assert len(re.findall(finding, text)) == 2  # item 23b and a question on bias
    assert text.count("at a site that isn't one of these 5: ") == 2
    assert "same table, of other values of hospital." in text


def test_sites_are_in_the_json_and_come_back(compared):
    document = json.loads(json.dumps(compared.summary()))
    assert summary_from(document).sites == compared.conclusion.sites


@pytest.fixture(scope="module")
def model(compared, tmp_path_factory):
    path = compared.model("logistic").save(
        tmp_path_factory.mktemp("sites") / "model.safetensors"
    )
    return sb.load(path)


def test_a_model_holds_its_promise_at_a_new_site(model):
    elsewhere = visits(n=80, places=["Bodø"], seed=5)
    found = model.evaluate(elsewhere, new_site=True)
    assert found.verdict == "as promised"
    assert found.promised.low < model.evaluate(elsewhere).promised.low
    assert "at a new site" in str(found)
    card = model.card()["score"]
    assert card["sites"] == sorted(PLACES)
    assert card["site_column"] == "hospital"


def test_a_model_that_is_useless_at_a_new_site_is_below_its_promise(model):
    elsewhere = visits(n=200, places=["Bodø"], seed=5)
    elsewhere["x"] = -elsewhere["x"]
    assert model.evaluate(elsewhere, new_site=True).is_below


def test_rows_of_known_sites_are_left_out(model):
    rows = pd.concat(
        [visits(n=40, places=["Bodø"], seed=5), visits(n=30, places=["Oslo"], seed=6)]
    )
    found = model.evaluate(rows, new_site=True)
    assert found.conclusion.n_rows == 40
    assert "30 rows left out: the comparison had their hospital" in found.notes
    found = model.evaluate(rows.drop(columns="hospital"), new_site=True)
    assert "it isn't known whether these rows are of a new hospital" in found.notes


def test_without_three_sites_nothing_is_promised_elsewhere():
    table = sb.read_table(visits(places=PLACES[:2]), target="ill", site="hospital")
    comparison = sb.compare(table, candidates=["logistic"], design=DESIGN)
    assert comparison.conclusion.sites.new == {}
    assert "at a new site: not known, as 2 sites are too few" in str(comparison)
    with pytest.raises(OptionError, match="no promise for a new site"):
        comparison.model("logistic").evaluate(visits(seed=5), new_site=True)


def test_a_site_of_one_label_has_no_ranking():
    frame = visits()
    frame.loc[frame.hospital == "Oslo", "ill"] = "no"
    table = sb.read_table(frame, target="ill", site="hospital")
    sites = sb.compare(table, candidates=["logistic"], design=DESIGN).conclusion.sites
    scores = {site.name: {*site.scores} for site in sites.sites}
    assert "roc_auc" not in scores["Oslo"]
    assert "roc_auc" in scores["Bergen"]
    assert {"accuracy", "roc_auc"} <= {*sites.new}


def test_numbers_have_sites():
    table = sb.read_table(visits(target="value"), target="value", site="hospital")
    comparison = sb.compare(table, candidates=["linear"], design=DESIGN)
    new = comparison.conclusion.sites.new["mae"]
    assert 0 < new.low < new.average.mean < new.high
    assert "at a site that isn't one of these 5: off by" in str(comparison)


def test_own_folds_are_used_and_promise_nothing_elsewhere():
    table = sb.read_table(visits(), target="ill", fold_column="hospital")
    comparison = sb.compare(table, candidates=["logistic"], design=DESIGN)
    assert len(comparison.splits) == 5
    assert comparison.conclusion.sites is None
    assert "each of 5 folds is left out in turn" in comparison.conclusion.plan.reason


def test_groups_may_lie_within_sites():
    frame = visits()
    frame["patient"] = np.arange(len(frame)) // 2
    table = sb.read_table(frame, target="ill", site="hospital", group="patient")
    assert len(splits_of(table, design_of(table, DESIGN))) == 5
    frame["patient"] = np.arange(len(frame)) % 100
    with pytest.raises(OptionError, match="100 groups of 'patient' have rows in more"):
        sb.read_table(frame, target="ill", site="hospital", group="patient")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hospital": "Oslo"}, "'hospital' has 1 site in 300 rows"),
        ({"hospital": [f"h{i}" for i in range(300)]}, "has 300 sites in 300 rows"),
    ],
)
def test_a_column_that_holds_no_sites_is_refused(change, message):
    with pytest.raises(OptionError, match=message):
        sb.read_table(visits().assign(**change), target="ill", site="hospital")


def test_a_row_without_a_site_is_refused():
    frame = visits()
    frame.loc[7, "hospital"] = None
    with pytest.raises(ColumnError, match="is empty in 1 of 300 rows"):
        sb.read_table(frame, target="ill", site="hospital")


@pytest.mark.parametrize("other", [{"time_split": "x"}, {"fold_column": "z"}])
def test_two_ways_to_divide_the_rows_are_refused(other):
    with pytest.raises(OptionError, match="both say which rows are tested"):
        sb.read_table(visits(), target="ill", site="hospital", **other)


@pytest.mark.parametrize("option", ["folds", "repeats"])
def test_folds_and_repeats_are_fixed_by_sites(option):
    table = sb.read_table(visits(), target="ill", site="hospital")
    with pytest.raises(OptionError, match="in one way only"):
        sb.compare(table, candidates=["logistic"], design=sb.Design(**{option: 3}))
