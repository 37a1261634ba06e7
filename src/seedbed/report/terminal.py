"""A comparison as text: one table, drawn from its plain dict."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["comparison_text", "counted"]

_WIDTH = 110
_NUMBERS = 88  # characters of the columns beside the name


def comparison_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """The table of a comparison, from `Comparison.to_dict()`."""
    plan = document["plan"]
    lines = io.StringIO()
    # A candidate's name is what a reader copies into the next command: it is never broken.
    longest = max(len(candidate["name"]) for candidate in document["candidates"])
    console = Console(
        file=lines, width=max(width, longest + _NUMBERS), color_system=None, highlight=False, markup=False, emoji=False
    )
    splits = counted(plan["repeats"] * plan["folds"], "split")
    console.print(
        f"{document['target']} of {document['table']}: {document['n_rows']:,} rows, {document['n_features']} features, "
        f"{100 * document['majority_share']:.1f}% in the larger class; {splits} x {counted(plan['seeds'], 'seed')}; "
        f"{plan['recipe']}",
        soft_wrap=False,
    )
    console.print(_table(document["candidates"]))
    for note in _notes(document):
        console.print(note)
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())


def counted(n: int, noun: str) -> str:
    """A number with its noun: `1 split`, `1,500 networks`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _table(candidates: list[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    table.add_column("candidate", no_wrap=True)
    for heading in (
        "parameters",
        "train\naccuracy",
        "test\naccuracy",
        "spread\nover folds",
        "spread\nover seeds",
        "test loss",
        "lowest at\nepoch *",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for candidate in candidates:
        accuracy = candidate["scores"]["accuracy"]
        table.add_row(
            candidate["name"],
            f"{candidate['n_parameters']:,}",
            _percent(candidate["train_accuracy"]),
            _percent(accuracy["mean"]),
            _percent(accuracy["fold_sd"], "± "),
            _percent(accuracy["seed_sd"], "± "),
            "-" if candidate["test_loss"] is None else f"{candidate['test_loss']:.4f}",
            "-" if candidate["lowest_test_loss_epoch"] is None else str(candidate["lowest_test_loss_epoch"]),
        )
    return table


def _notes(document: Mapping[str, Any]) -> list[str]:
    notes = [
        "Test accuracy: after the last epoch, mean over folds of the mean over seeds.",
        "Spread: standard deviation over folds of the mean over seeds; over seeds within a fold.",
        "* Epoch of the lowest mean test loss: for understanding, not for judging.",
    ]
    for candidate in document["candidates"]:
        if candidate["recipe"] != document["plan"]["recipe"]:
            notes.append(f"{candidate['name']}: {candidate['recipe']}.")
        if candidate["n_diverged"]:
            notes.append(
                f"{candidate['name']}: {candidate['n_diverged']} of {candidate['n_networks']} networks diverged and "
                "are left out of its figures."
            )
        if candidate["note"]:
            notes.append(f"{candidate['name']}: {candidate['note']}.")
    return notes + [f"Note: {note}" for note in document["notes"]]


def _percent(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{sign}{100 * value:.1f}%"
