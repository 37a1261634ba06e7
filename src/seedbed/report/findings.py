"""The finding of each chart of the report, as its title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.errors import counted
from seedbed.evaluation import SHORT
from seedbed.report.advice import listed

__all__ = ["finding"]

_MOST_NAMED = 3
_WORDS = {"better_by_margin": "better", "better": "better", "worse": "worse"}
_FEW = 100  # runs from which a share is given of 100


def finding(summary: Mapping[str, Any], chart: str) -> str:
    """Return the finding of a chart as a title.

    Args:
        summary: of a comparison, or of one candidate's training.
        chart: `intervals`, `curves`, `lottery`, `calibration`, `confusion` or `ranking`.
    """
    return _FINDINGS[chart](summary)


def _intervals(summary: Mapping[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for verdict in summary["verdicts"]:
        if verdict["candidate"] == "prior" and len(summary["verdicts"]) > 1:
            continue
        groups.setdefault(_WORDS.get(verdict["rule"], verdict["rule"]), []).append(verdict["candidate"])
    parts = []
    for word in ("better", "worse"):
        if word in groups:
            be = "are" if len(groups[word]) > 1 else "is"
            parts.append(f"{listed(groups[word], _MOST_NAMED)} {be} {word} than {summary['reference']}")
    if "no_practical_difference" in groups:
        names = listed(groups["no_practical_difference"], _MOST_NAMED)
        parts.append(f"{names} makes no difference that matters" if len(groups["no_practical_difference"]) == 1
                     else f"{names} make no difference that matters")  # fmt: skip
    for rule in ("no_worse", "no_better"):
        if rule in groups:
            be = "are" if len(groups[rule]) > 1 else "is"
            parts.append(f"{listed(groups[rule], _MOST_NAMED)} {be} {SHORT[rule]}")
    if "cannot_tell" in groups:
        parts.append(f"{SHORT['cannot_tell']} for {listed(groups['cannot_tell'], _MOST_NAMED)}")
    return "; ".join(parts) or f"{summary['reference']} against the others"


def _curves(summary: Mapping[str, Any]) -> str:
    """Return the most likely flaw of the training, or that there is none."""
    found: dict[str, list[str]] = {}
    for check in summary.get("checks", ()):
        found.setdefault(check["code"], []).append(check["candidate"])
    epochs = {one["name"]: one["epochs"][-1] + 1 for one in summary["curves"]["candidates"] if one["epochs"]}
    for code, words in (
        ("diverged", "{names} lost networks that diverged"),
        ("under_trained", "{names} {be} still improving at epoch {epoch:,}"),
        ("over_trained", "{names} {get} worse on test rows if trained for long"),
    ):
        if code in found:
            names = found[code]
            return words.format(
                names=listed(names, _MOST_NAMED),
                be="are" if len(names) > 1 else "is",
                get="get" if len(names) > 1 else "gets",
                epoch=max((epochs.get(name, 0) for name in names), default=0),
            )
    if summary["kind"] == "comparison":
        return "Training went as it should: no network is under- or overtrained"
    return "Score and loss at each epoch"


def _lottery(summary: Mapping[str, Any]) -> str:
    difference, score = summary["lottery"]["difference"], summary["lottery"]["score"]
    if difference is not None and difference["runs"]:
        run = min(difference["runs"], key=lambda one: abs(one["better"] - 0.5))
        of = 100 if run["n"] >= _FEW else run["n"]
        return (
            f"A single run can mislead: {run['name']} does better than {summary['reference']} in "
            f"{of * run['better']:.0f} of {of} runs"
        )
    if not score["runs"]:
        return "All networks diverged"
    run = max(score["runs"], key=lambda one: one["highest"] - one["lowest"])
    if score["name"] == "accuracy":
        low, high = (f"{100 * run[key]:.0f}%" for key in ("lowest", "highest"))
    else:
        low, high = (f"{run[key]:.2f}" for key in ("lowest", "highest"))
    if run["n"] == 1:
        return f"One run showed {score['words']} {high}"
    words = "R²" if score["name"] == "r2" else score["words"]
    return f"{counted(run['n'], 'run')} of {run['name']} show {words} from {low} to {high}"


def _calibration(summary: Mapping[str, Any]) -> str:
    """Return which models are further from exact probabilities than chance explains."""
    off = [
        one["name"]
        for one in summary["candidates"]
        if one["calibration"] is not None
        and one["name"] != "prior"
        and one["calibration"]["ece"] > one["calibration"]["ece_if_calibrated_high"]
    ]
    if not off:
        return "The probabilities of all models are as exact as these rows can show"
    s = "" if len(off) > 1 else "s"
    return f"{listed(off, _MOST_NAMED)} give{s} probabilities that are too high or too low"


def _confusion(summary: Mapping[str, Any]) -> str:
    """Return which class the recommended model misses most often."""
    advice = summary.get("advice")
    name = advice["use"] if advice else summary["candidates"][0]["name"]
    cells = next(one["confusion"] for one in summary["candidates"] if one["name"] == name)
    labels = list(summary["labels"])
    if cells is None or len(labels) != len(cells):
        return "Confusion"
    missed = [(1 - row[place] / sum(row), label) for place, (row, label) in enumerate(zip(cells, labels, strict=True))
              if sum(row)]  # fmt: skip
    if not missed:
        return "Confusion"
    share, label = max(missed)
    return f"{name} misses {100 * share:.0f} of 100 rows of the class {label}"


def _ranking(summary: Mapping[str, Any]) -> str:
    first: Sequence[str] = summary["ranking"][:1]
    if not first:
        return "All scores"
    metric = summary["metric"]
    lowest = f"the highest {metric['words']}" if metric["greater_is_better"] else f"the lowest {metric['words']}"
    return f"{first[0]} has {lowest}"


_FINDINGS = {
    "intervals": _intervals,
    "curves": _curves,
    "lottery": _lottery,
    "calibration": _calibration,
    "confusion": _confusion,
    "ranking": _ranking,
}
