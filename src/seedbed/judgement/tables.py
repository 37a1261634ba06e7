"""Several tables at once: the verdicts on each, and conclusions over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Columns, Note
from seedbed.errors import DataError, OptionError
from seedbed.evaluation import SHORT, critical_difference, holm, mean_ranks, rank_groups, signed_rank
from seedbed.judgement.judging import Question

__all__ = ["Part", "over_tables"]

_FEWEST = 5


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one table, among columns that hold several."""

    whole: Columns
    rows: NDArray[np.int64]
    where: str
    notes: tuple[Note, ...] = ()
    categorical: frozenset[str] = frozenset()
    _cells: dict[int, NDArray[np.object_]] = field(default_factory=dict, repr=False)
    _numbers: dict[int, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, whole: Columns, codes: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Part]:
        """Return the part of each label. All parts share the columns that were read."""
        parts = {}
        cells: dict[int, NDArray[np.object_]] = {}
        numbers: dict[int, NDArray[np.float64]] = {}
        rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
        for label, own in zip(labels, rows, strict=True):
            parts[label] = cls(whole, own, f"{whole.where}, table {label}", _cells=cells, _numbers=numbers)
        return parts

    @property
    def names(self) -> tuple[str, ...]:
        return self.whole.names

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        for column in columns:
            if column not in self._numbers:
                self._numbers[column] = self.whole.numbers([column])[:, 0]
        return np.stack([self._numbers[column][self.rows] for column in columns], axis=1)

    def cells(self, column: int) -> list[str | None]:
        if column not in self._cells:
            self._cells[column] = np.array(self.whole.cells(column), dtype=object)
        found: list[str | None] = self._cells[column][self.rows].tolist()
        return found

    def matches(self, columns: Sequence[int], pattern: str) -> NDArray[np.bool_]:
        return self.whole.matches(columns, pattern)

    def places(self, rows: Iterable[int]) -> dict[int, str]:
        wanted = list(rows)
        found = self.whole.places([int(self.rows[row]) for row in wanted])
        return {row: found[int(self.rows[row])] for row in wanted}

    def window(self, start: int, stop: int) -> Part:
        return Part(self.whole, self.rows[start:stop], self.where)


def over_tables(
    documents: Sequence[Mapping[str, Any]], question: Question, *, name: str, column: str, command: str
) -> dict[str, Any]:
    """Return the document of several tables.

    The difference of the mean scores on a table is one number. Errors are compared as shares of the reference's error,
    since tables may have errors of any size. Wilcoxon's signed-rank test with Holm's adjustment decides. Mean ranks and
    Nemenyi's critical difference are given as well (Demsar 2006).

    Raises:
        DataError: the tables have different candidates, or the reference's error is 0 on one of them.
    """
    if question.all_pairs:
        hint = "Leave --all-pairs out: mean ranks and their critical difference are about all pairs."
        raise OptionError("all pairs are judged on one table", hint)
    first = documents[0]
    metric, reference = first["metric"], first["reference"]
    names = [one["name"] for one in first["candidates"]]
    scores = np.array([_means(document, names, name, metric["name"]) for document in documents])
    losses = -scores if metric["greater_is_better"] else scores
    ours = losses[:, [names.index(reference)]]
    gains = ours - losses
    relative = not metric["greater_is_better"]
    if relative:
        if (ours <= 0).any():
            table = documents[int((ours <= 0).ravel().argmax())]["table"]
            raise DataError(f"{name}: the error of {reference} is 0 or less on {table}", "Leave that table out.")
        gains = gains / ours
    ranks = mean_ranks(losses)
    enough = len(documents) >= _FEWEST
    verdicts, no_verdict = [], []
    others = [one for one in names if one != reference]
    if enough:
        tests = [signed_rank(gains[:, names.index(one)]) for one in others]
        adjusted = holm([p for p, _ in tests], tried=question.tried)
        verdicts = [
            _verdict(
                one, reference, gains[:, names.index(one)], *tests[place], float(adjusted[place]), relative, question
            )
            for place, one in enumerate(others)
        ]
    else:
        reason = f"{len(documents)} tables are too few for a verdict over tables, which needs {_FEWEST}"
        no_verdict = [{"candidate": one, "reason": reason} for one in others]
    least = 2.0 ** (1 - len(documents)) * (len(others) + question.tried)
    notes = []
    if enough and least > question.alpha:
        many = "1 comparison" if len(others) + question.tried == 1 else f"{len(others) + question.tried} comparisons"
        notes.append(
            f"With {len(documents)} tables and {many} no signed-rank test can reach p = {question.alpha:g}, however "
            "clear the difference: more tables are needed."
        )
    distance = critical_difference(len(names), len(documents), alpha=question.alpha)
    keys = ("schema_version", "specification", "reference", "metric", "alpha")
    order = sorted(range(len(names)), key=lambda place: ranks[place])
    return {
        **{key: first[key] for key in keys},
        "kind": "tables",
        "command": command,
        "table": name,
        "understood": [f"{len(documents)} tables (column '{column}').", *first["understood"]],
        "relative": relative,
        "verdicts": verdicts,
        "pairs": [],
        "no_verdict": no_verdict,
        "on_these_rows": [],
        "ranking": [names[place] for place in order],
        "plan": {"kind": "tables", "n_tables": len(documents), "tried": question.tried, "reason": ""},
        "interval": None,
        "brackets": [],
        "ranks": {
            "mean": dict(zip(names, ranks, strict=True)),
            "critical_difference": distance,
            "groups": [[names[place] for place in group] for group in rank_groups(ranks, distance)] if enough else [],
            "n_tables": len(documents),
        },
        "candidates": [{"name": one} for one in names],
        "notes": [{"code": "", "message": note, "column": "", "rows": [], "count": None} for note in notes],
        "tables": list(documents),
    }


def _means(document: Mapping[str, Any], names: Sequence[str], where: str, metric: str) -> list[float]:
    """Return the mean score of each candidate on one table."""
    found = {one["name"]: one["scores"][metric]["mean"] for one in document["candidates"]}
    lacking = [name for name in names if found.get(name) is None] or [name for name in found if name not in names]
    if lacking:
        raise DataError(
            f"{where}: {lacking[0]} doesn't have scores on all tables ({document['table']})",
            "Give the scores of all candidates on all tables, or leave out what is incomplete.",
        )
    return [float(found[name]) for name in names]


def _verdict(
    candidate: str,
    reference: str,
    gains: NDArray[np.float64],
    p: float,
    balance: float,
    adjusted: float,
    relative: bool,
    question: Question,
) -> dict[str, Any]:
    """Return a verdict over tables."""
    median, wins, losses = float(np.median(gains)), int((gains > 0).sum()), int((gains < 0).sum())
    rule: Literal["better", "worse", "cannot_tell"] = "cannot_tell"
    if adjusted < question.alpha:
        rule = "better" if balance > 0 else "worse"
    return {
        "candidate": candidate,
        "reference": reference,
        "rule": rule,
        "short": SHORT[rule],
        "difference": median,
        "relative": relative,
        "wins": wins,
        "losses": losses,
        "n_tables": len(gains),
        "p": p,
        "p_adjusted": adjusted,
    }
