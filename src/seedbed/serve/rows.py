"""Rows of a request as columns of the model, and predictions as rows of an answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.data import ColumnSchema, MemoryColumns, value_columns
from seedbed.errors import ColumnError, DataError, nearest
from seedbed.model import FLAGS, Model, Predictions
from seedbed.serve.limits import Limits, RefusedError

__all__ = ["Asked", "Reader", "Writer", "read_invocation", "read_predict"]

_NAMED = 10
_NEAR_ONES = 50  # names among which a mistyped one is looked for: a request may have a hundred thousand


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        columns: its rows, in the columns of the model alone and in their order.
        ignored: names of columns that the model doesn't use.
        echo: what an answer says again, or must heed; its kind is the protocol's own.
    """

    columns: MemoryColumns
    ignored: tuple[str, ...] = ()
    echo: Any = None


class Reader:
    """Makes columns of rows, or of columns, as JSON has them."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self.names = model.feature_names_in_
        self._known = frozenset(self.names)
        self._schemas: Sequence[ColumnSchema] = model.preprocessor.layout.schemas
        self._limits = limits

    def of_records(self, records: Any) -> Asked:
        """Of a list of `{column: value}`.

        Raises:
            RefusedError: it isn't one, or has too many rows.
            DataError: a column is missing, or a value is none.
        """
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise RefusedError(
                400, "rows", "the rows aren't a list of objects", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.'
            )
        self.check_count(len(records))
        try:
            values = [[record[name] for record in records] for name in self.names]
        except KeyError:
            raise self._lacking(records) from None
        others: dict[str, None] = {}
        for record in records:
            if len(record) > len(self.names):
                others |= dict.fromkeys(record.keys() - self._known)
        return Asked(self._typed(values), tuple(sorted(others)))

    def of_lists(self, rows: Any, names: Sequence[str] | None = None) -> Asked:
        """Of a list of lists [row][column].

        Args:
            names: of the columns; the model's own if left out.

        Raises:
            RefusedError, DataError: as `of_records`.
        """
        names = self.names if names is None else names
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise RefusedError(400, "rows", "the rows aren't a list of lists")
        self.check_count(len(rows))
        for number, row in enumerate(rows, start=1):
            if len(row) != len(names):
                hint = f"In this order: {', '.join(names[:20])}."
                raise RefusedError(
                    400, "rows", f"row {number} has {len(row)} cells, and there are {len(names)} columns", hint
                )
        return self.of_columns({name: [row[place] for row in rows] for place, name in enumerate(names)}, len(rows))

    def of_columns(self, columns: Mapping[str, list[Any]], n_rows: int) -> Asked:
        """Of columns by name [row].

        Raises:
            RefusedError, DataError: as `of_records`.
        """
        self.check_count(n_rows)
        for name, values in columns.items():
            if len(values) != n_rows:
                raise RefusedError(
                    400, "rows", f"'{_short(name)}' has {len(values)} values, and another column {n_rows}"
                )
        if missing := [name for name in self.names if name not in columns]:
            raise self._no_column(f"the request lacks {_listed(missing)}", missing[0], columns)
        others = tuple(sorted(name for name in columns if name not in self._known))
        return Asked(self._typed([columns[name] for name in self.names]), others)

    def check_count(self, n_rows: int) -> None:
        """Raises RefusedError where a request has too many rows."""
        if n_rows > self._limits.rows:
            message = f"the request has {n_rows:,} rows, and may have {self._limits.rows:,}"
            raise RefusedError(413, "rows", message, "Send them in several requests.")

    def _typed(self, values: list[list[Any]]) -> MemoryColumns:
        for place, schema in enumerate(self._schemas):
            kinds = set(map(type, values[place]))
            if str in kinds:
                self._check_texts(schema.name, values[place])
                if schema.spelling == "comma" and not kinds <= {str, type(None)}:
                    # Beside texts a number becomes one, and must be written as this column's texts are.
                    values[place] = [_with_comma(value) for value in values[place]]
        return value_columns(values, self.names, "rows")

    def _check_texts(self, name: str, values: list[Any]) -> None:
        longest = max(len(value) for value in values if isinstance(value, str))
        if longest > self._limits.text:
            message = f"a text in '{name}' has {longest:,} characters, and a cell may have {self._limits.text:,}"
            raise ColumnError(message)

    def _lacking(self, records: list[dict[str, Any]]) -> DataError:
        for number, record in enumerate(records, start=1):
            if missing := [name for name in self.names if name not in record]:
                return self._no_column(f"row {number} lacks {_listed(missing)}", missing[0], record)
        raise AssertionError("no row lacks a column")

    def _no_column(self, message: str, name: str, found: Iterable[str]) -> ColumnError:
        """What is lacking may be there under a name that the model doesn't know."""
        others = itertools.islice((other for other in found if other not in self._known), _NEAR_ONES)
        hint = nearest(name, [other[:100] for other in others])
        return ColumnError(message, hint or "Give null for what isn't known.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:60] + "..."


def _with_comma(value: Any) -> Any:
    return str(value).replace(".", ",") if isinstance(value, int | float) and not isinstance(value, bool) else value


def read_predict(reader: Reader, values: Any) -> Asked:
    """`{"rows": [...]}`, a list of records, or one record.

    Raises:
        RefusedError, DataError: as `Reader.of_records`.
    """
    if isinstance(values, list):
        return reader.of_records(values)
    if not isinstance(values, dict):
        raise RefusedError(400, "rows", "the body holds no rows", 'Send {"rows": [{"COLUMN": VALUE, ...}]}.')
    # A column may be called rows; then it holds a value, and no list.
    if isinstance(values.get("rows"), list):
        if len(values) > 1:
            other = next(key for key in values if key != "rows")
            raise RefusedError(400, "rows", f"beside rows there is {other[:60]!r}", "Leave it out.")
        return reader.of_records(values["rows"])
    return reader.of_records([values])


def read_invocation(reader: Reader, values: Any) -> Asked:
    """One of the forms that MLflow's scoring server takes.

    Raises:
        RefusedError, DataError: it is none, or as `Reader.of_records`.
    """
    forms = ", ".join(INVOCATIONS)
    if not isinstance(values, dict) or len(values.keys() & INVOCATIONS.keys()) != 1:
        raise RefusedError(
            400, "rows", "the body isn't an object with one of the known forms of rows", f"Known: {forms}."
        )
    if others := sorted(values.keys() - INVOCATIONS.keys()):
        raise RefusedError(400, "rows", f"the body has a key that isn't known, {others[0][:60]!r}", f"Known: {forms}.")
    name, content = next(iter(values.items()))
    return INVOCATIONS[name](reader, content)


def _split(reader: Reader, content: Any) -> Asked:
    shaped = isinstance(content, dict) and content.keys() <= {"columns", "data", "index"}
    if not shaped or not isinstance(columns := content.get("columns", list(reader.names)), list):
        raise RefusedError(400, "rows", "dataframe_split isn't an object", 'Send {"columns": [...], "data": [[...]]}.')
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
        raise RefusedError(400, "rows", "the columns of dataframe_split aren't texts, or one is there twice")
    return reader.of_lists(content.get("data"), columns)


def _records_or_lists(reader: Reader, content: Any) -> Asked:
    """Records, or lists in the order of the model's columns."""
    if isinstance(content, list) and content and isinstance(content[0], list):
        return reader.of_lists(content)
    return reader.of_records(content)


def _inputs(reader: Reader, content: Any) -> Asked:
    """Columns by name, one record, records, or lists."""
    if not isinstance(content, dict):
        return _records_or_lists(reader, content)
    lists = [isinstance(values, list) for values in content.values()]
    if not any(lists):
        return reader.of_records([content])
    if not all(lists):
        raise RefusedError(400, "rows", "some of the inputs are lists and some aren't")
    return reader.of_columns(content, len(next(iter(content.values()))))


INVOCATIONS: dict[str, Callable[[Reader, Any], Asked]] = {
    "dataframe_split": _split,
    "dataframe_records": lambda reader, content: reader.of_records(content),
    "instances": _records_or_lists,
    "inputs": _inputs,
}
"""By the key that a request has."""


class Writer:
    """Says what a model says of rows, in plain values."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._names = model.feature_names_in_
        self._expected = np.array([schema.has_missing for schema in model.preprocessor.layout.schemas], dtype=bool)
        self._rows: Callable[[Predictions], list[dict[str, Any]]]
        self._rows = self._numbers if model.task == "regression" else self._classes

    def records(self, asked: Asked, predictions: Predictions) -> dict[str, Any]:
        """`{"predictions": [...]}`, and which columns weren't used if there are any."""
        rows = self._rows(predictions)
        flags, doubtful = self.flags(predictions), predictions.doubtful.tolist()
        for place, row in enumerate(rows):
            row["flags"], row["doubtful"] = flags[place], doubtful[place]
        return {"predictions": rows, "ignored": list(asked.ignored)} if asked.ignored else {"predictions": rows}

    def labels(self, predictions: Predictions) -> list[str]:
        """Of classes [row], as text whatever they are."""
        return [str(label) for label in self._model.labelled(predictions).tolist()]

    def flags(self, predictions: Predictions) -> list[dict[str, list[str]]]:
        """For each row the names of its strange columns; all kinds are there."""
        found = predictions.flags(self._names, self._expected)
        return [{kind: found.get(row, {}).get(kind, []) for kind in FLAGS} for row in range(len(predictions.values))]

    def _classes(self, predictions: Predictions) -> list[dict[str, Any]]:
        of = self._model.labels
        told = zip(
            self.labels(predictions),
            predictions.probabilities.tolist(),
            predictions.spreads.tolist(),
            strict=True,
        )
        return [
            {"label": label, "probabilities": dict(zip(of, row, strict=True)), "spread": spread}
            for label, row, spread in told
        ]

    def _numbers(self, predictions: Predictions) -> list[dict[str, Any]]:
        told = zip(predictions.values.tolist(), predictions.spreads.tolist(), strict=True)
        return [{"value": value, "spread": spread} for value, spread in told]
