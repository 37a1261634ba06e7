"""The lines of the CSV in which peers are compared: one fit per line."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """A fit and what came of it: scores and seconds, or an error."""

    table: str
    repeat: int
    fold: int
    method: str
    rows: int | None = None
    features: int | None = None
    classes: int | None = None
    accuracy: float | None = None
    auc: float | None = None
    log_loss: float | None = None
    rmse: float | None = None  # in deviations of the target
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    cores: float | None = (
        None  # processor seconds of a second by the clock, while it was fitted
    )
    version: str = ""
    processor: str = ""
    error: str = ""

    @property
    def key(self) -> tuple[str, int, int, str]:
        return self.table, self.repeat, self.fold, self.method


FIELDS = tuple(field.name for field in fields(Row))
_WORDS = {"table", "method", "version", "processor", "error"}
_WHOLE = {"repeat", "fold", "rows", "features", "classes"}


def read_rows(path: Path) -> list[Row]:
    """Of lines for the same fit, the last."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        found = [
            Row(**{name: _value(name, text) for name, text in line.items()})
            for line in csv.DictReader(lines)
        ]
    return list({row.key: row for row in found}.values())


def add_row(path: Path, row: Row) -> None:
    """Append a line in one write, so that readers, and the file after a kill, have whole lines
    only."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        writer.writeheader()
    writer.writerow({name: _text(value) for name, value in asdict(row).items()})
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, text.getvalue().encode())
    finally:
        os.close(file)


def _value(name: str, text: str) -> Any:
    if name in _WORDS:
        return text
    if not text:
        return None
    return int(text) if name in _WHOLE else float(text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
