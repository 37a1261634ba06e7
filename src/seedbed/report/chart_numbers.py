"""The numbers of each chart, as plain tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.evaluation import METRICS, percent, plain_number
from seedbed.figures import BANDS
from seedbed.report.tables import NumberTable, measured, signed

__all__ = [
    "calibration_table",
    "confusion_tables",
    "curve_tables",
    "interval_table",
    "lottery_tables",
    "networks_shown",
    "score_table",
]

_EPOCHS = 11
_MOST_CLASSES = 12
_BANDS = {"middle half": BANDS["middle"], "5 to 95%": BANDS["wide"], "mean's interval": BANDS["mean"]}


def networks_shown(summary: Mapping[str, Any]) -> str:
    """Return how many single networks the chart of learning curves can show."""
    candidates = summary["curves"]["candidates"]
    kept = sum(len(one["curves"]["test_loss"]["ghosts"]) for one in candidates)
    n = sum(one["n_networks"] - one["n_diverged"] for one in candidates)
    return "every network" if kept == n else f"{kept:,} of the {n:,} networks, evenly chosen"


def curve_tables(summary: Mapping[str, Any]) -> Iterator[NumberTable]:
    """Yield, for each candidate, all that the chart can show at some epochs."""
    name = summary["curves"]["score_name"]
    for one in summary["curves"]["candidates"]:
        if not one["curves"]["test_loss"]["mean"]:
            continue
        last = len(one["epochs"]) - 1
        places = sorted({round(step * last / (_EPOCHS - 1)) for step in range(_EPOCHS)})
        columns = ["epoch"]
        for words in (name, "loss"):
            columns += [f"training {words}", f"test {words}", *(f"test {words}, {band}" for band in _BANDS)]
        rows = []
        for place in places:
            row = [f"{one['epochs'][place]:,}"]
            for key in ("score", "loss"):
                words = {"score": name, "loss": "loss"}[key]
                train, test = (one["curves"][f"{part}_{key}"] for part in ("train", "test"))
                row += [_shown(words, curve["mean"][place]) for curve in (train, test)]
                row += [_between(words, test[low], test[high], place) for low, high in _BANDS.values()]
            rows.append(row)
        yield NumberTable(columns, rows, one["name"])


def interval_table(summary: Mapping[str, Any]) -> NumberTable:
    """Return the numbers of each verdict."""
    words = summary["metric"]["words"]
    columns = ["", f"improvement in {words}", "plausibly", "improvement in accuracy", "plausibly",
               "probability that it is better", "p, adjusted"]  # fmt: skip
    rows = []
    for one in summary["verdicts"]:
        accuracy = one["accuracy"]
        points = ["", ""]
        if accuracy is not None:
            points = [f"{100 * accuracy['difference']:+.1f} points",
                      f"{100 * accuracy['low']:+.1f} to {100 * accuracy['high']:+.1f}"]  # fmt: skip
        p = "below 0.001" if one["p_adjusted"] < 0.001 else f"{one['p_adjusted']:.3f}"
        rows.append([one["candidate"], signed(one["difference"]), f"{signed(one['low'])} to {signed(one['high'])}",
                     *points, percent(one["p_better"]), p])  # fmt: skip
    return NumberTable(columns, rows)


def lottery_tables(summary: Mapping[str, Any]) -> Iterator[NumberTable]:
    """Yield the spread of single runs: of their scores, and of their differences from the reference."""
    for key in ("score", "difference"):
        found = summary["lottery"][key]
        if found is None or not found["runs"]:
            continue
        show = signed if key == "difference" else lambda value, name=found["name"]: _shown(name, value)
        caption = f"{found['words']} of a single run"
        columns = ["", "runs", "mean", "lowest", "5%", "25%", "half", "75%", "95%", "highest"]
        if key == "difference":
            caption = f"improvement in {found['words']} over {summary['reference']}, in a single run"
            columns.append("runs that say better")
        rows = [
            [one["name"], f"{one['n']:,}", *map(show, (one["mean"], one["lowest"], *one["quantiles"], one["highest"])),
             *([f"{one['better']:.0%}"] if one.get("better") is not None else [])]
            for one in found["runs"]
        ]  # fmt: skip
        yield NumberTable(columns, rows, caption)


def calibration_table(summary: Mapping[str, Any]) -> NumberTable:
    """Return the parts of each Brier score, and the calibration error beside that of exact probabilities."""
    columns = ["", "miscalibration", "discrimination", "uncertainty", "calibration error (ECE)", "if exactly right",
               "95% of the time below"]  # fmt: skip
    keys = ("miscalibration", "discrimination", "uncertainty", "ece", "ece_if_calibrated", "ece_if_calibrated_high")
    rows = [
        [one["name"], *(f"{one['calibration'][key]:.3f}" for key in keys)]
        for one in summary["candidates"]
        if one["calibration"] is not None
    ]
    return NumberTable(columns, rows)


def confusion_tables(summary: Mapping[str, Any]) -> Iterator[NumberTable]:
    """Yield, for each candidate, the share of rows by true and predicted class. Tables with many classes have none."""
    labels = list(summary["labels"])
    if not 2 <= len(labels) <= _MOST_CLASSES:
        return
    for one in summary["candidates"]:
        cells = one["confusion"]
        if cells is None or not one["finite"]:
            continue
        top = max(max(row) for row in cells) or 1.0
        yield NumberTable(
            ["true \\ predicted", *labels],
            [[label, *(f"{share:.1%}" for share in row)] for label, row in zip(labels, cells, strict=True)],
            one["name"],
            [[share / top for share in row] for row in cells],
        )


def score_table(summary: Mapping[str, Any]) -> NumberTable:
    """Return all scores of all candidates with their intervals."""
    names = list(summary["candidates"][0]["scores"])
    rows = []
    for one in summary["candidates"]:
        scores = [one["scores"][name] for name in names]
        rows.append([one["name"], *(_score(name, score) for name, score in zip(names, scores, strict=True))])
    return NumberTable(["", *(METRICS[name].words for name in names)], rows)


def _score(name: str, score: Mapping[str, Any]) -> str:
    return measured(name, score, " to ", " (pooled)" if score["pooled"] else "")


def _between(name: str, low: Sequence[float], high: Sequence[float], place: int) -> str:
    return f"{_shown(name, low[place])} to {_shown(name, high[place])}" if low else "-"


def _shown(name: str, value: float) -> str:
    return f"{100 * value:.1f}%" if name == "accuracy" else plain_number(value, 4)
