"""Rows of a request as columns of the model, and predictions as rows of an answer."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedbed.data import check_characters, check_flat
from seedbed.errors import ColumnError, counted, nearest
from seedbed.model import FLAGS, Model, Predictions
from seedbed.serve.limits import Limits, RefusedError

__all__ = ["RequestRows", "RowFormat"]

_NAMED = 10
_NEAR_ONES = 50  # names among which a mistyped one is searched: a request may have a hundred thousand
_LARGEST = sys.float_info.max
_SETS = ("coverage", "per_class")
_INVOCATIONS = ("dataframe_split", "dataframe_records", "instances", "inputs")


@dataclass(frozen=True)
class RequestRows:
    """The rows of a request.

    Attributes:
        values: plain values [column][row], in the columns of the model.
        n_rows: number of rows.
        ignored: names of columns that the model doesn't use.
        echo: what a protocol needs again for its answer.
    """

    values: list[list[Any]]
    n_rows: int
    ignored: tuple[str, ...] = ()
    echo: Any = None


class RowFormat:
    """Reads rows from plain values of JSON, and writes predictions as plain values."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._names, self._schemas = model.feature_names_in_, model.schemas
        self._known = frozenset(self._names)

    def read_predict(self, values: Any) -> RequestRows:
        """Read `{"rows": [...]}`, a list of records, or one record. Beside rows may be `coverage` and `per_class`."""
        if isinstance(values, list):
            return self.of_records(values)
        if not isinstance(values, dict):
            raise _bad_rows("the body holds no rows", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.')
        # A column may be called rows; then it holds a value, and no list.
        if isinstance(values.get("rows"), list):
            if others := sorted(values.keys() - {"rows", *_SETS}):
                raise _bad_rows(f"beside rows there is {others[0][:60]!r}", "Leave it out.")
            asked = {key: value for key, value in values.items() if key in _SETS}
            if "per_class" in asked and (type(asked["per_class"]) is not bool or "coverage" not in asked):
                raise _bad_rows("per_class isn't true or false, or there is no coverage", 'Send "coverage": 0.9, too.')
            return replace(self.of_records(values["rows"]), echo=asked)
        return self.of_records([values])

    def read_invocation(self, values: Any) -> RequestRows:
        """Read one of the forms that MLflow's scoring server accepts."""
        forms = f"Known: {', '.join(_INVOCATIONS)}."
        if not isinstance(values, dict) or len(values.keys() & set(_INVOCATIONS)) != 1:
            raise _bad_rows("the body isn't an object with one of the known forms of rows", forms)
        if others := sorted(values.keys() - set(_INVOCATIONS)):
            raise _bad_rows(f"the body has a key that isn't known, {others[0][:60]!r}", forms)
        ((form, content),) = values.items()
        if form == "dataframe_split":
            shaped = isinstance(content, dict) and content.keys() <= {"columns", "data", "index"}
            if not shaped or not isinstance(names := content.get("columns", list(self._names)), list):
                raise _bad_rows("dataframe_split isn't an object", 'Send {"columns": [...], "data": [[...]]}.')
            if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
                raise _bad_rows("the columns of dataframe_split aren't texts, or one is there twice")
            return self._of_lists(content.get("data"), names)
        if form == "inputs" and isinstance(content, dict):
            lists = [isinstance(values, list) for values in content.values()]
            if not any(lists):
                return self.of_records([content])
            if not all(lists):
                raise _bad_rows("some of the inputs are lists and some aren't")
            return self.of_columns(content, len(next(iter(content.values()))))
        if form != "dataframe_records" and isinstance(content, list) and content and isinstance(content[0], list):
            return self._of_lists(content, self._names)
        return self.of_records(content)

    def of_records(self, records: Any) -> RequestRows:
        """Read a list of `{column: value}`.

        Raises:
            RefusedError: not a list of objects, or too many rows.
            DataError: a column is missing, or a value is a list or an object.
        """
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise _bad_rows("the rows aren't a list of objects", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.')
        self._check_count(len(records))
        try:
            values = [[record[name] for record in records] for name in self._names]
        except KeyError:
            for number, record in enumerate(records, start=1):
                self._check_names(f"row {number}", record)
            raise
        others: set[str] = set()
        for record in records:
            if len(record) > len(self._names):
                others |= record.keys() - self._known
        return RequestRows(self._checked(values), len(records), tuple(sorted(others)))

    def _of_lists(self, rows: Any, names: Sequence[str]) -> RequestRows:
        """Read a list of lists [row][column]."""
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise _bad_rows("the rows aren't a list of lists")
        self._check_count(len(rows))
        for number, row in enumerate(rows, start=1):
            if len(row) != len(names):
                message = f"row {number} has {counted(len(row), 'cell')} for {counted(len(names), 'column')}"
                raise _bad_rows(message, f"In this order: {', '.join(names[:20])}.")
        return self.of_columns({name: [row[place] for row in rows] for place, name in enumerate(names)}, len(rows))

    def of_columns(self, columns: Mapping[str, list[Any]], n_rows: int) -> RequestRows:
        """Read columns by name [row]."""
        self._check_count(n_rows)
        for name, values in columns.items():
            if len(values) != n_rows:
                short = name if len(name) <= 60 else name[:60] + "..."
                raise _bad_rows(f"'{short}' has {len(values)} values, and another column {n_rows}")
        self._check_names("the request", columns)
        others = tuple(sorted(name for name in columns if name not in self._known))
        return RequestRows(self._checked([columns[name] for name in self._names]), n_rows, others)

    def answer(self, rows: RequestRows, predictions: Predictions) -> dict[str, Any]:
        """Return `{"predictions": [...]}`, and which columns weren't used if there are any."""
        spreads, doubtful = predictions.spreads.tolist(), predictions.doubtful.tolist()
        if self._model.task == "regression":
            found: list[dict[str, Any]] = [{"value": value} for value in predictions.values.tolist()]
        else:
            of, probabilities = self._model.labels, predictions.probabilities.tolist()
            found = [
                {"label": label, "probabilities": dict(zip(of, row, strict=True))}
                for label, row in zip(self.labels(predictions), probabilities, strict=True)
            ]
        if rows.echo:
            labels, covering = self._model.labels, self._model.covering(predictions, **rows.echo).tolist()
            for one, row in zip(found, covering, strict=True):
                one |= {"set": [*itertools.compress(labels, row)]} if labels else {"low": row[0], "high": row[1]}
        answers = [
            {**one, "spread": spread, "flags": flags, "doubtful": is_doubtful}
            for one, spread, flags, is_doubtful in zip(found, spreads, self.flags(predictions), doubtful, strict=True)
        ]
        return {"predictions": answers, "ignored": list(rows.ignored)} if rows.ignored else {"predictions": answers}

    def labels(self, predictions: Predictions) -> list[str]:
        """Return predicted labels as text [row]."""
        return [str(label) for label in self._model.labelled(predictions).tolist()]

    def flags(self, predictions: Predictions) -> list[dict[str, list[str]]]:
        """Return the names of unusual columns by kind, for each row. All kinds are there."""
        found = predictions.flags(self._schemas)
        return [{kind: found.get(row, {}).get(kind, []) for kind in FLAGS} for row in range(len(predictions.values))]

    def _check_count(self, n_rows: int) -> None:
        if n_rows > self._limits.rows:
            message = f"the request has {n_rows:,} rows, and may have {self._limits.rows:,}"
            raise RefusedError(413, "rows", message, "Send them in several requests.")

    def _check_names(self, where: str, found: Iterable[str]) -> None:
        """Raise ColumnError if a column of the model is missing."""
        names = set(found)
        missing = [name for name in self._names if name not in names]
        if missing:
            listed = ", ".join(f"'{name}'" for name in missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
            others = itertools.islice((other for other in found if other not in self._known), _NEAR_ONES)
            hint = nearest(missing[0], [other[:100] for other in others])
            raise ColumnError(f"{where} lacks {listed}", hint or "Give null for what isn't known.")

    def _checked(self, values: list[list[Any]]) -> list[list[Any]]:
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
