"""The first screen: answers, one table, how to read it, remarks on the training, and what was
trained."""

import pytest

from seedbed.evaluation.metrics import plus_minus
from seedbed.report.glance import first_screen
from seedbed.report.terminal import glance_lines, glance_text

from .conftest import of_document

glance_lines, glance_text, first_screen = map(
    of_document, (glance_lines, glance_text, first_screen)
)

ADVICE = {"use": "relu:5", "guess": False, "others": ["linear:5"], "simpler": ""}


def ahead(make, low, high):
    """The scores of a model that is ahead of `linear:5` by the middle of an interval, and by 1.2
    points of accuracy."""
    brier, accuracy = (make.scores()[name]["mean"] for name in ("brier", "accuracy"))
    return make.scores(
        brier=(brier - (low + high) / 2, 0.0, 1.0),
        accuracy=(accuracy + 0.012, 0.0, 1.0),
    )


@pytest.fixture
def document(make):
    """A function that makes a summary of three networks and three baselines, compared with
    `linear:5`."""

    def build(low=-0.03, high=0.03, **changes):
        scores = ahead(make, low, high)
        networks = [
            make.network("linear:5"),
            *(make.network(name, scores=scores) for name in ("relu:5", "linear:20,20")),
        ]
        others = [
            make.baseline(name, scores=scores)
            for name in ("boosted-trees", "logistic", "prior")
        ]
        verdicts = [
            make.verdict(one["name"], low, high) for one in (*networks[1:], *others)
        ]
        given = {"verdicts": verdicts, "advice": ADVICE}
        return make.document(*networks, *others, **{**given, **changes})

    return build


def said(document):
    return " ".join(glance_text(document).split())


def test_the_text_of_six_candidates_has_at_most_25_lines_of_100_characters(
    document, make
):
    checks = [
        make.check("relu:5", "under_trained"),
        make.check("linear:5", "worse_than_logistic"),
    ]
    lines = glance_text(document(checks=checks, plan={"quick": True})).splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100


def test_a_column_that_alone_has_most_of_the_score_is_named(document, make):
    networks = make.network("linear:5"), make.network("relu:5")
    best, command = 0.4, ". If it isn't known before the outcome, type: "
    warned = dict(message="", column="bwt", code="SB203", remedy={"drop": ["bwt"]})
    for share, more, end in ((0.9, [], command), (0.9, [warned], ""), (0.7, [], None)):
        note = warned | {"code": "SB212", "share": share * best}
        screen = first_screen(make.document(*networks, notes=[note, *more]))
        said = "".join(text for _, text in screen.answers if text.startswith("'bwt'"))
        expected = (
            "" if end is None else f"'bwt' alone scores 36, the best model 40{end}"
        )
        # a warning has its own command
        assert (said.startswith if end else said.__eq__)(expected)
    many = [
        {"message": f"'x{i}' is {i}", "column": f"x{i}", "code": "SB203"}
        for i in range(30)
    ]
    found = first_screen(make.document(*networks, notes=many)).warnings
    assert (len(found), found[-1]) == (21, "and 10 more warnings of this kind")


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [(0.009, "helps, but by less than matters"), (0.011, "helps"), (0.02, "helps")],
)
def test_a_column_that_helps_by_less_than_the_margin_is_said_to(make, loss, verdict):
    effect = dict(
        verdict="helps",
        loss=loss,
        low=0.001,
        high=0.04,
        columns=["a"],
        without="without a",
    )
    columns = dict(model="relu:5", source="named", n_columns=2, effects=[effect])
    screen = first_screen(
        make.document(
            make.network("all columns"), make.network("without a"), columns=columns
        )
    )
    assert screen.rows[0].verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.02, 0.04, "better"),
        (-0.03, -0.01, "worse"),
        (-0.005, 0.005, "no difference that matters"),
        (-0.03, 0.03, "can't tell"),
    ],
)
def test_a_row_shows_score_gain_accuracy_and_verdict(document, low, high, word):
    (line,) = [
        line
        for line in glance_text(document(low, high)).splitlines()
        if line.startswith("> relu:5 ")
    ]
    mark, _, score, accuracy, gain, half = line.split()[:6]
    assert (mark, accuracy) == (">", "83.7%")
    score, gain, half = (float(cell.lstrip("±")) for cell in (score, gain, half))
    assert gain == pytest.approx(score - 0.125)
    assert (gain - half, gain + half) == pytest.approx((-high, -low), abs=1e-3)
    assert line.endswith(word)
    (reference,) = [
        line
        for line in glance_text(document(low, high)).splitlines()
        if "reference" in line
    ]
    assert reference.split() == ["linear:5", "0.125", "82.5%", "reference"]


CONTRAST = dict(
    question="a curve",
    candidate="relu:5",
    reference="linear:5",
    difference=0.01,
    low=0.002,
    high=0.018,
    p_adjusted=0.01,
    verdict="helps",
)


@pytest.mark.parametrize("width", [200, 100, 80, 72, 60])
@pytest.mark.parametrize("name", ["relu:5", "n" * 34])
def test_no_width_loses_a_cell_or_what_a_model_or_a_contrast_is(document, width, name):
    found = document(contrasts=[{**CONTRAST, "candidate": name}], advice=None)
    found["candidates"][1] |= {"name": name, "few_words": "one hidden layer"}
    found["verdicts"][0]["candidate"] = found["ranking"][1] = name
    lines = glance_text(found, width=width).splitlines()
    assert max(map(len, lines)) <= max(width, len(name) + 40)
    row = " ".join(line for line in lines if line.startswith(f"  {name}"))
    assert all(
        cell in row
        for cell in ("one hidden layer", "0.125", "83.7%", "0.000 ±0.030", "can't tell")
    )
    assert f"{name} vs linear:5" in " ".join(" ".join(lines).split())


def test_a_range_beyond_the_margin_is_not_shown_beside_no_difference_that_matters(
    document, make
):
    verdicts = [make.verdict("relu:5", -0.009, 0.009) | {"difference": 0.004}]
    models = make.network("linear:5"), make.network("relu:5")
    (*_, row) = first_screen(make.document(*models, verdicts=verdicts)).rows
    assert (row.gain, row.verdict) == ("within ±0.01", "no difference that matters")


def test_rows_say_how_far_they_are_behind_the_reference(document, make):
    verdicts = [make.verdict("linear:5", -0.04, 0.02, reference="relu:5")]
    found = document(verdicts=verdicts, reference="relu:5")
    screen = first_screen(found)
    rows = {row.name: row for row in screen.rows}
    assert screen.columns[2] == "behind relu:5"
    assert (rows["relu:5"].gain, rows["relu:5"].recommended) == ("recommended", True)
    assert rows["linear:5"].gain == "0.010 ±0.030"
    found["advice"] |= {"guess": True}  # it isn't even likely better than the prior
    rows = {row.name: row for row in first_screen(found).rows}
    assert (rows["relu:5"].gain, rows["relu:5"].recommended) == ("reference", True)


@pytest.mark.parametrize("reason", ["it diverged", "left out"])
def test_a_candidate_without_finite_networks_is_last(document, make, reason):
    found = document()
    found["checks"] = (
        [make.check("relu:5", "diverged")] if reason == "it diverged" else []
    )
    found["ranking"] = [name for name in found["ranking"] if name != "relu:5"]
    next(one for one in found["candidates"] if one["name"] == "relu:5")["finite"] = (
        False
    )
    found["verdicts"] = [
        one for one in found["verdicts"] if one["candidate"] != "relu:5"
    ]
    row = first_screen(found).rows[-1]
    assert row.name == "relu:5"
    assert row.score == "-"
    assert row.gain == ""
    assert row.other_scores == ("-",)
    assert row.interval is None
    assert row.verdict == f"none: {reason}"


@pytest.mark.parametrize(
    ("difference", "half", "decided", "shown"),
    [
        (0.000147, 0.0213, False, "+0.0001 ±0.021"),
        (-0.0002, 0.0001, True, "-0.0002 ±0.0001"),
        (0.01532, 0.01487, True, "+0.0153 ±0.0149"),
        (0.0148, 0.0152, False, "+0.0148 ±0.0152"),
        (0.0153, 0.0161, True, "+0.015 (0 to +0.031)"),
        (-0.0153, 0.0161, True, "-0.015 (-0.031 to 0)"),
        (0.02, 0.01, True, "+0.020 ±0.010"),
        (0.0, 0.0, False, "+0.000 ±0.000"),
        (1e-17, 0.01, False, "+0.000 ±0.010"),
        (3e-08, 8e-08, False, "within ±0.001"),
        (0.00008, 0.008, False, "+0.0001 ±0.008"),
    ],
)
def test_a_difference_has_the_digits_that_show_what_its_verdict_says(
    difference, half, decided, shown
):
    assert plus_minus(difference, half, 3, decided=decided) == shown
    assert plus_minus(
        difference, half, 3, decided=decided, is_distance=True
    ) == shown.replace("+", "")


def test_of_a_rare_label_recall_and_roc_auc_are_shown_and_not_accuracy(document):
    rare = {"labels": {"0": 1461, "yes": 39}, "majority_share": 0.974}
    screen, text = first_screen(document(**rare)), said(document(**rare))
    assert screen.columns[3:] == ("recall", "verdict")
    assert {row.other_scores for row in screen.rows} == {("60.0%",)}
    assert "Recall: the share of the rows with DEATH_EVENT yes that are found." in text
    assert "accuracy" not in text
    often = first_screen(document(labels={"0": 1350, "yes": 150}, majority_share=0.9))
    assert often.columns[3:4] == ("accuracy",)


def test_test_rows_that_depend_on_those_before_are_counted(document, make):
    verdicts = [make.verdict("relu:5", -1, 1) | {"independent_rows": 14}]
    words = "alike: for the ±, 60 test rows count as about 14."
    assert words in said(document(verdicts=verdicts, plan={"n_test": 60}))
    assert words not in said(
        document(verdicts=[verdicts[0] | {"independent_rows": 55}], plan={"n_test": 60})
    )


@pytest.mark.parametrize(
    ("metric", "unit", "scale"),
    [("brier", "Brier score", 1), ("accuracy", "points", 100)],
)
def test_the_gain_in_the_score_that_decides_is_drawn(make, metric, unit, scale):
    verdicts = [make.verdict("relu:5", -0.01, 0.03, metric=metric)]
    models = make.network("relu:5"), make.network("linear:5")
    screen = first_screen(make.document(*models, metric=metric, verdicts=verdicts))
    assert (screen.unit, screen.margin) == (unit, 0.01 * scale)
    interval = screen.rows[0].interval
    assert (interval.mean, interval.low, interval.high) == pytest.approx(
        (0.01 * scale, -0.01 * scale, 0.03 * scale)
    )
