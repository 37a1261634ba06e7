"""The forms in which rows come to `/predict`, and to `/invocations` as MLflow's scoring server takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seedbed.serve.reading import Asked, Reader
from seedbed.serve.refusal import RefusedError

__all__ = ["INVOCATIONS", "read_invocation", "read_predict"]


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


def _listed(reader: Reader, content: Any) -> Asked:
    """Records, or lists in the order of the model's columns."""
    if isinstance(content, list) and content and isinstance(content[0], list):
        return reader.of_lists(content)
    return reader.of_records(content)


def _inputs(reader: Reader, content: Any) -> Asked:
    """Columns by name, one record, records, or lists."""
    if not isinstance(content, dict):
        return _listed(reader, content)
    lists = [isinstance(values, list) for values in content.values()]
    if not any(lists):
        return reader.of_records([content])
    if not all(lists):
        raise RefusedError(400, "rows", "some of the inputs are lists and some aren't")
    return reader.of_columns(content, len(next(iter(content.values()))))


INVOCATIONS: dict[str, Callable[[Reader, Any], Asked]] = {
    "dataframe_split": _split,
    "dataframe_records": lambda reader, content: reader.of_records(content),
    "instances": _listed,
    "inputs": _inputs,
}
"""By the key that a request has."""
