"""What there is to say of one candidate on one split, sentence by sentence, from its plain dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seedbed.report.ranking import measure

__all__ = ["headline", "single_sentences"]


def headline(summary: Mapping[str, Any]) -> str:
    """The score on test rows after the last epoch."""
    score = summary["lottery"]["score"]
    if not score["runs"]:
        return "All networks diverged."
    (run,) = score["runs"]
    words = f"Test {score['words']}"
    if run["n"] == 1:
        return f"{words} {measure(score['name'], run['mean'])}, once."
    low, high = (measure(score["name"], run["quantiles"][place], run["mean"]) for place in (0, 4))
    return f"{words} {measure(score['name'], run['mean'])}; nine of ten seeds between {low} and {high}."


def single_sentences(summary: Mapping[str, Any]) -> Iterator[str]:
    """What that figure is worth."""
    (one,), score = summary["candidates"], summary["lottery"]["score"]
    epochs = f"{one['epochs']:,} epochs" if one["epochs"] > 1 else "one epoch"
    if not score["runs"]:
        yield "Their losses became infinite or NaN. Give a lower learning rate."
        return
    (run,) = score["runs"]
    if one["n_networks"] == 1:
        yield f"One network on one split, after {epochs}: whatever luck dealt."
        yield "--seeds 100 shows what other seeds would have done, seedbed compare what other rows would."
        return
    lowest, highest = (measure(score["name"], run[key], run["mean"]) for key in ("lowest", "highest"))
    yield (
        f"{run['n']:,} networks that differ in nothing but their seed, after {epochs}: the lowest at {lowest}, the "
        f"highest at {highest}."
    )
    if one["n_diverged"]:
        lost = f"{one['n_diverged']:,} of {one['n_networks']:,} networks diverged and are left out"
        yield f"{lost}. Give a lower learning rate."
    yield "All share one split, so this is what other seeds do, and says nothing of other rows: seedbed compare does."
