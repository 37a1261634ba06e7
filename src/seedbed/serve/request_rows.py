"""Rows of a request as columns of the model, and predictions as rows of an answer."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedbed.data.cells import quote_names
from seedbed.data.frame import check_characters, check_flat
from seedbed.errors import ColumnError, nearest
from seedbed.model.model import Model
from seedbed.model.predicting import FLAGS, Predictions
from seedbed.serve.limits import Limits, RefusedError

_NEAR_ONES = 50  # names among which a mistyped one is searched: a request may have a hundred thousand
_LARGEST = sys.float_info.max
_SETS = ("coverage", "per_class")


@dataclass(frozen=True)
class RequestRows:
    """The rows of a request.

    Attributes:
        values: plain values [column][row], in the columns of the model.
        n_rows: number of rows.
        ignored: names of columns that the model doesn't use.
        sets: coverage and per_class, if prediction sets are wanted.
    """

    values: list[list[Any]]
    n_rows: int
    ignored: tuple[str, ...] = ()
    sets: Mapping[str, Any] | None = None


class RowFormat:
    """Reads rows from plain values of JSON, and writes predictions as plain values."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._names, self._schemas = model.feature_names_in_, model.schemas
        self._known = frozenset(self._names)

    def read(self, values: Any) -> RequestRows:
        """Read `{"rows": [...]}`, a list of records, or one record. Beside rows may be `coverage` and `per_class`.

        Raises:
            RefusedError: not a list of objects, or too many rows.
            DataError: a column is missing, or a value is a list or an object.
        """
        if isinstance(values, list):
            return self._of_records(values)
        if not isinstance(values, dict):
            raise _bad_rows("the body holds no rows", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.')
        # A column may be called rows; then it holds a value, and no list.
        if isinstance(values.get("rows"), list):
            if others := sorted(values.keys() - {"rows", *_SETS}):
                raise _bad_rows(f"beside rows there is {others[0][:60]!r}", "Leave it out.")
            sets = {key: value for key, value in values.items() if key in _SETS}
            if "per_class" in sets and (type(sets["per_class"]) is not bool or "coverage" not in sets):
                raise _bad_rows("per_class isn't true or false, or there is no coverage", 'Send "coverage": 0.9, too.')
            return replace(self._of_records(values["rows"]), sets=sets)
        return self._of_records([values])

    def _of_records(self, records: list[Any]) -> RequestRows:
        """Read a list of `{column: value}`."""
        if not all(isinstance(record, dict) for record in records):
            raise _bad_rows("the rows aren't a list of objects", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.')
        if len(records) > self._limits.rows:
            message = f"the request has {len(records):,} rows, and may have {self._limits.rows:,}"
            raise RefusedError(413, "rows", message, "Send them in several requests.")
        try:
            values = [[record[name] for record in records] for name in self._names]
        except KeyError:
            for number, record in enumerate(records, start=1):
                if missing := [name for name in self._names if name not in record]:
                    others_of_row = itertools.islice((name for name in record if name not in self._known), _NEAR_ONES)
                    hint = nearest(missing[0], [name[:100] for name in others_of_row])
                    message = f"row {number} lacks {quote_names(missing)}"
                    raise ColumnError(message, hint or "Give null for what isn't known.") from None
            raise
        others: set[str] = set()
        for record in records:
            if len(record) > len(self._names):
                others |= record.keys() - self._known
        return RequestRows(self._check_values(values), len(records), tuple(sorted(others)))

    def answer(self, rows: RequestRows, predictions: Predictions) -> dict[str, Any]:
        """Return `{"predictions": [...]}`, and which columns weren't used if there are any."""
        spreads, doubtful = predictions.spreads.tolist(), predictions.doubtful.tolist()
        if self._model.task == "regression":
            records: list[dict[str, Any]] = [{"value": value} for value in predictions.values.tolist()]
        else:
            of, probabilities = self._model.labels, predictions.probabilities.tolist()
            records = [
                {"label": str(label), "probabilities": dict(zip(of, row, strict=True))}
                for label, row in zip(self._model.labelled(predictions).tolist(), probabilities, strict=True)
            ]
        if rows.sets:
            labels, covering = self._model.labels, self._model.covering(predictions, **rows.sets).tolist()
            for one, row in zip(records, covering, strict=True):
                one |= {"set": [*itertools.compress(labels, row)]} if labels else {"low": row[0], "high": row[1]}
        flags = predictions.flags(self._schemas)  # by row, those of unusual columns; the answer has all kinds
        answers = [
            {
                **one,
                "spread": spread,
                "flags": {kind: flags.get(row, {}).get(kind, []) for kind in FLAGS},
                "doubtful": is_doubtful,
            }
            for row, (one, spread, is_doubtful) in enumerate(zip(records, spreads, doubtful, strict=True))
        ]
        return {"predictions": answers, "ignored": list(rows.ignored)} if rows.ignored else {"predictions": answers}

    def _check_values(self, values: list[list[Any]]) -> list[list[Any]]:
        """Return the values. Raise DataError for a list, an object, half a character, or what is too large."""
        for column, schema in zip(values, self._schemas, strict=True):
            kinds = set(map(type, column))
            check_flat(kinds, f"rows: '{schema.name}'")
            if int in kinds and any(type(value) is int and abs(value) > _LARGEST for value in column):
                raise ColumnError(f"a number in '{schema.name}' is too large", "Look for a wrong cell.")
            if str not in kinds:
                continue
            texts = [value for value in column if isinstance(value, str)]
            longest = max(map(len, texts))
            if longest > self._limits.text:
                message = f"a text in '{schema.name}' has {longest:,} characters, and a cell may have "
                raise ColumnError(f"{message}{self._limits.text:,}")
            check_characters(texts, f"rows: '{schema.name}'")
        return values


def _bad_rows(message: str, hint: str = "") -> RefusedError:
    return RefusedError(400, "rows", message, hint)
