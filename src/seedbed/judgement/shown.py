"""The verdicts on scores that somebody has, and the ways to see them."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedbed.data import frame_from
from seedbed.errors import OptionError, did_you_mean
from seedbed.files import write_whole
from seedbed.report import judgement_latex, judgement_text, tables_latex, tables_text, write_report

__all__ = ["Judgement"]

_GAIN = ("better", "better_by_margin")


class Judgement:
    """The verdicts of `judge`.

    `print(judgement)` shows them; `judgement["mine"]` is one of them as a plain dict, with `rule`, `difference`, `low`,
    `high` and `sentence`.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """The verdict on each candidate against the reference, as plain dicts."""
        return list(self._document["verdicts"])

    @property
    def reference(self) -> str:
        """The candidate that the others are compared with."""
        return str(self._document["reference"])

    @property
    def tables(self) -> list[dict[str, Any]]:
        """Of several tables: the document of each."""
        return list(self._document.get("tables", ()))

    def __getitem__(self, candidate: str) -> dict[str, Any]:
        for verdict in self.verdicts:
            if verdict["candidate"] == candidate:
                return dict(verdict)
        names = ", ".join(verdict["candidate"] for verdict in self.verdicts)
        raise KeyError(f"no verdict on '{candidate}'; there are verdicts on {names}")

    def is_better(self, candidate: str) -> bool:
        """Return whether a candidate is shown to be better than the reference.

        Raises:
            OptionError: there is no such candidate, or it is the reference.
        """
        return self._rule(candidate) in _GAIN

    def is_worse(self, candidate: str) -> bool:
        """Return whether a candidate is shown to be worse than the reference.

        Raises:
            OptionError: there is no such candidate, or it is the reference.
        """
        return self._rule(candidate) == "worse"

    def _rule(self, candidate: str) -> str:
        names = [one["name"] for one in self._document["candidates"]]
        if candidate not in names:
            raise OptionError(f"there is no candidate '{candidate}'", did_you_mean(candidate, names))
        if candidate == self.reference:
            raise OptionError(f"'{candidate}' is the reference itself", "Name another one with --reference.")
        return next((str(v["rule"]) for v in self.verdicts if v["candidate"] == candidate), "")

    def __str__(self) -> str:
        return (tables_text if self.tables else judgement_text)(self._document)

    def __repr__(self) -> str:
        said = "; ".join(f"{v['candidate']}: {v['short']}" for v in self.verdicts) or "no verdict"
        return f"<Judgement against {self.reference}: {said}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as one plain dict, fit for JSON; docs/summary.md explains its keys."""
        return dict(self._document)

    def to_frame(self) -> Any:
        """Return a data frame with a row for each verdict, those on all pairs if they were asked for."""
        keys: tuple[str, ...] = ("candidate", "reference", "rule", "difference", "p", "p_adjusted")
        keys += ("wins", "losses", "n_tables") if self.tables else ("low", "high", "margin", "p_better")
        rows = self._document["pairs"] or self._document["verdicts"]
        return frame_from({key: [row[key] for row in rows] for key in keys})

    def to_latex(self) -> str:
        """Return a table for a paper: each candidate's score, its difference from the reference, and the verdict."""
        return (tables_latex if self.tables else judgement_latex)(self._document)

    def save(self, path: str | Path) -> Path:
        """Write the report (`.html`), the table for a paper (`.tex`) or the document (`.json`); return the path.

        Raises:
            OptionError: the path has another suffix, or its folder doesn't exist.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".tex", ".json"):
            return write_report(self._document, path)
        if not path.parent.is_dir():
            raise OptionError(f"can't write {path}: there is no folder {path.parent}", "Make the folder first.")
        text = self.to_latex() if suffix == ".tex" else f"{json.dumps(self._document, indent=1, ensure_ascii=False)}\n"
        write_whole(path, lambda where: where.write_text(text, encoding="utf-8"))
        return path

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the report, one self-contained HTML page; return its path.

        Raises:
            OptionError: the folder doesn't exist, or the path is one.
        """
        return write_report(self._document, path)
