"""A comparison as terminal text, made from a summary."""

import pytest

from seedbed.report.terminal import comparison_text, glance_text

from .conftest import of_document

comparison_text, glance_text = map(of_document, (comparison_text, glance_text))

# One interval for each rule with a margin of 0.01.
RULES = dict(
    better_by_margin=(0.02, 0.04),
    no_practical_difference=(-0.005, 0.005),
    better=(0.001, 0.03),
    worse=(-0.03, -0.001),
    no_worse=(-0.005, 0.03),
    no_better=(-0.03, 0.005),
    cannot_tell=(-0.03, 0.03),
)
LONG = "relu:64,64@lr=0.003,optimizer=adamw,dropout=0.1,epochs=2000,patience=8"


def unfolded(text):
    """The words without line ends and indents."""
    return " ".join(text.split())


def prose(text):
    """All lines except those of the tables."""
    parts = [
        part
        for part in text.split("\n\n")
        if "───" not in part and "gain over" not in part
    ]
    return [line for part in parts for line in part.splitlines()]


def two(make, rule, *, metric="brier", checks=(), **changes):
    """`relu:5` compared with `linear:5`, with a verdict by a rule."""
    return make.document(
        make.network("linear:5"),
        make.network("relu:5"),
        metric=metric,
        verdicts=[make.verdict("relu:5", *RULES[rule], metric=metric)],
        checks=list(checks),
        **changes,
    )


def test_the_score_of_the_best_is_corrected_where_the_choice_made_it_look_better(make):
    words = "These rows chose linear:5; corrected for this choice, expect Brier score"
    for by in (0.07, 0.0):
        text = unfolded(
            comparison_text(two(make, "better", **make.chosen("linear:5", by)))
        )
        assert (words in text) == (by > 0)
    without = make.chosen("linear:5") | {"optimism": {}}
    is_same = of_document(
        lambda one: (
            one.expected_score("linear:5", "brier") is one.score("linear:5", "brier")
        )
    )
    assert is_same(two(make, "better", **without))


@pytest.mark.parametrize("width", [80, 110])
def test_no_line_exceeds_the_width(make, width):
    checks = [
        make.check("relu:5", "diverged", "a word or two more than fit in a line " * 5)
    ]
    notes, top = make.notes("row " * 90), make.chosen("relu:5")
    text = comparison_text(
        two(make, "cannot_tell", checks=checks, notes=notes, **top), width=width
    )
    assert (
        width - 15
        < max(map(len, prose(text)))
        <= max(map(len, text.splitlines()))
        <= width
    )


@pytest.mark.parametrize("name", [LONG, "nets/é.py:" + "N" * 150])
@pytest.mark.parametrize("width", [40, 110])
def test_a_name_is_never_broken(make, name, width):
    document = make.document(
        make.network("linear:5"),
        make.network(name),
        make.network(f"{name}@lr=1"),
        verdicts=[make.verdict(name, *RULES["worse"])],
        no_verdict=[make.no_verdict(f"{name}@lr=1", "no reason")],
        checks=[make.check(name, "diverged"), make.check(name, "over_trained")],
        **make.chosen(name),
        notes=make.notes(f"see {name}"),
    )
    text = comparison_text(document, width=width)
    squeezed = "".join(text.split()).count("".join(name.split()))
    # each part of a wide table has all names
    assert text.count(name) == unfolded(text).count(name) == squeezed >= 10
    assert "…" not in text


def test_the_text_has_square_brackets_and_no_colours_or_spaces_at_line_ends(make):
    document = make.document(
        make.network("nets[red]/a.py:Net"),
        target="y[bold]",
        table="t[1]",
        notes=make.notes("column 'x[red]' is 1"),
    )
    text = comparison_text(document)
    for words in (
        "t[1]: predicting y[bold]",
        "nets[red]/a.py:Net",
        "column 'x[red]' is 1",
    ):
        assert words in text
    text = comparison_text(
        two(make, "worse", checks=[make.check("relu:5", "diverged")], brackets=[[0, 1]])
    )
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
