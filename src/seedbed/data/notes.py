"""What was decided while a table was read, as plain records that can be shown, counted and searched."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Note"]


@dataclass(frozen=True)
class Note:
    """One decision, or one warning.

    Attributes:
        message: a sentence, complete in itself.
        column: the column it is about; empty where it is about the whole table.
        code: a key of `WARNINGS`; empty for a plain decision, which needs no attention.
        count: how many cells or rows it is about; none where that means nothing.
        rows: where the user finds the first of them: 'line 5'.
    """

    message: str
    column: str = ""
    code: str = ""
    count: int | None = None
    rows: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {**asdict(self), "rows": list(self.rows)}
