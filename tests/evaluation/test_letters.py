"""Letters of a compact display: models have one in common if they aren't shown to differ."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seedbed as sb
from seedbed.evaluation.behind import letters_of
from seedbed.evaluation.estimates import holm, inference

PAIRS = list(itertools.combinations("ABCDEF", 2))


def letters(names, means, alpha=0.05, **about):
    """Return the letters where each pair has the given mean difference and standard error 1."""

    def difference(first, second, comparisons):
        mean = means.get((first, second), means.get((second, first), 0.0))
        return inference(mean, 1.0, df=None, alpha=alpha, comparisons=comparisons)

    return letters_of(names, difference, alpha=alpha, drawn={}, **about)


def largest_cliques(names, differ):
    """Return all largest sets of names of which no two differ, by trying every set."""
    sets = [
        {*chosen}
        for size in range(1, len(names) + 1)
        for chosen in itertools.combinations(names, size)
        if not any({*pair} <= {*chosen} for pair in differ)
    ]
    return [one for one in sets if not any(one < other for other in sets)]


@given(st.sets(st.sampled_from(PAIRS)))
def test_two_models_have_a_letter_in_common_if_no_difference_is_shown(differ):
    shown = letters("ABCDEF", dict.fromkeys(differ, 9.0))
    for first, second in PAIRS:
        is_shared = bool({*shown[first]} & {*shown[second]})
        assert is_shared == ((first, second) not in differ)
    columns = [
        {name for name in "ABCDEF" if letter in shown[name]}
        for letter in sorted({*"".join(shown.values())})
    ]
    assert sorted(map(sorted, columns)) == sorted(
        map(sorted, largest_cliques("ABCDEF", differ))
    )
    assert shown["A"].startswith("a")


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3), st.integers(0, 20))
def test_pairs_differ_by_holms_p_and_discarded_attempts(sizes, tried):
    pairs = list(itertools.combinations("ABC", 2))
    means = dict(zip(pairs, sizes, strict=True))
    alone = [inference(one, 1, df=None, alpha=0.05, comparisons=1).p for one in sizes]
    adjusted = holm(alone, tried=tried)
    shown = letters("ABC", means, tried=tried)
    for pair, p in zip(pairs, adjusted, strict=True):
        assert bool({*shown[pair[0]]} & {*shown[pair[1]]}) == (p >= 0.05)


def test_a_pair_whose_error_is_not_known_does_not_differ():
    def difference(first, second, comparisons):
        mean = 0.0 if {first, second} == {"A", "B"} else 0.1
        return inference(mean, 0.0, df=4, alpha=0.05, comparisons=comparisons)

    shown = letters_of("ABC", difference, alpha=0.05, drawn={})
    assert shown == {"A": "a", "B": "a", "C": "a"}


def test_more_groups_than_letters_have_letters_with_a_prime():
    names = [f"{number}{side}" for number in range(5) for side in "xy"]
    differ = {(f"{number}x", f"{number}y"): 9.0 for number in range(5)}
    shown = letters(names, differ)
    assert "a'" in "".join(shown.values())
    assert all(len(one.replace("'", "")) == 16 for one in shown.values())


def judged_items(names, shares, **options):
    rng = np.random.default_rng(0)
    difficulty = rng.random(300)
    noise = rng.random((len(names), 300))
    right = (difficulty + noise) / 2 < np.array(shares)[:, None]
    columns = dict(zip(names, right.astype(int).tolist(), strict=True))
    return sb.judge(
        {"item": list(range(300)), **columns}, score="accuracy", letters=True, **options
    )


def test_letters_are_a_column_and_in_the_document():
    judgement = judged_items(["old", "new", "best"], [0.5, 0.52, 0.8])
    assert judgement.to_dict()["letters"] == {"best": "a", "new": "b", "old": "b"}
    lines = str(judgement).splitlines()
    assert any("accuracy  letters  gain over old" in line for line in lines)
    assert "Letters: over all pairs at once" in str(judgement)
    without = replace(judgement.conclusion, letters={})
    assert "letters" not in str(sb.Judgement(without)).lower()


def test_more_candidates_than_letters_are_refused_and_equal_ones_share_a_letter():
    names = [f"s{number}" for number in range(27)]
    with pytest.raises(sb.OptionError, match="27 candidates, and letters for 26"):
        judged_items(names, [0.5] * 27)
    rows = {"item": list(range(40)), "old": [1, 0] * 20, "new": [1, 0] * 20}
    judgement = sb.judge(rows, score="accuracy", letters=True)
    assert judgement.to_dict()["letters"] == {"old": "a", "new": "a"}
    one_split = {"old": [0.5], "new": [0.6]}
    assert not sb.judge(one_split, score="accuracy", letters=True, folds=2).verdicts
