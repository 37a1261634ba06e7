"""A table as the page takes it: plain columns of cells, and which inputs networks have of them."""

from __future__ import annotations

import base64
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import in_order
from seedbed.data.layout import Layout
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.splits import holdout
from seedbed.data.table import Table
from seedbed.errors import DataError
from seedbed.report.sentences import doubts, note_sentence, serious_sentences

_LIMITS = {
    "rows": (20_000, "Give a file with fewer rows."),
    "inputs": (500, "Leave out columns with 'drop'; a text column makes many inputs."),
    "cells": (
        2_000_000,
        "Give a file with fewer rows, or leave out columns with 'drop'.",
    ),
    "classes": (20, "Choose another target, or merge rare classes."),
}
"""What the page trains on quickly, and still opens on a school laptop."""

# Options that the exported command repeats.
_READING = (
    "group",
    "drop",
    "numeric",
    "categorical",
    "missing",
    "task",
    "positive",
    "drop_missing_target",
)
_SPLITS = 100  # as many as the page offers

_Parts = list[dict[str, Any]]


def table_document(table: Table) -> dict[str, Any]:
    """Return a table as plain values, which `table.js` decodes.

    Inputs are those of `seedbed.data.Preprocessor`: numbers, flags of missing numbers, and the
    levels of categories.

    Raises:
        DataError: the table is too large for the page, or has too many classes.
        TargetError: too few rows lie outside the largest class, or all of them in one group.
        OptionError: all rows are of one group.
        ColumnError: the cells of a column differ too much in size for float32.
    """
    table.outcome.refuse("the playground", "Name a target in place of the event.")
    _check_size(table, "rows", table.n_rows)
    preprocessor = Preprocessor.fit(table, holdout(table.target).train)
    layout = preprocessor.layout
    _check_size(table, "inputs", layout.n_inputs)
    _check_size(table, "cells", layout.n_inputs * table.n_rows)
    _check_size(table, "classes", len(table.labels))
    preprocessor.inputs_of_values(table.features)
    columns, inputs, values = _columns_and_inputs(table, layout)
    warnings = serious_sentences(table.notes)
    classes = in_order(table.labels)
    y = table.target
    if classes:  # the page has no positive class, and orders those of a dropped file by their names
        y = np.array([classes.index(label) for label in table.labels])[y]
    return {
        "name": table.name,
        "source": _source(table),
        "reading": {
            name: value
            for name, value in (table.reading or {}).items()
            if name in _READING
        },
        "task": table.task,
        "target": table.target_name,
        "classes": list(classes) or None,
        "columns": columns,
        "inputs": inputs,
        "cells": values,
        "y": _plain(y),
        "groups": table.n_groups if table.grouped_by else None,
        "row_groups": None if table.groups is None else table.groups.tolist(),
        "splits": _splits(table),
        "notes": [
            note.message for note in table.notes if note_sentence(note) not in warnings
        ],
        "warnings": doubts(warnings),
    }


def _columns_and_inputs(
    table: Table, layout: Layout
) -> tuple[_Parts, _Parts, list[list[Any]]]:
    """Return the columns that the page shows, the inputs of networks, and the values of each
    column [column][row]. A column whose rare levels share inputs also has its `codes` [row]."""
    places = layout.places
    numbers, levels = layout.cells(table.features)
    n_inputs = len(places.names)
    kinds = np.full(n_inputs, "level", dtype=object)
    kinds[places.flags] = "flag"
    kinds[places.buckets] = "bucket"
    kinds[places.numbers] = "number"
    needed = np.zeros(n_inputs, dtype=np.int64)
    needed[places.levels] = places.needed
    columns: _Parts = []
    inputs: _Parts = []
    values: list[list[Any]] = []
    read = {"number": 0, "category": 0}
    known = set(places.names)
    for place, (name, kind) in enumerate(zip(places.names, kinds, strict=True)):
        source = layout.schemas[places.sources[place]]
        is_next = not place or places.sources[place] != places.sources[place - 1]
        if kind == "number":
            columns.append(_column(name, source.name, "number"))
            values.append(_plain(numbers[:, read["number"]]))
            read["number"] += 1
        elif source.kind == "category" and is_next:
            columns.append(_column(source.name, source.name, "category"))
            if not {f"{source.name}={level}" for level in source.levels} <= known:
                codes = table.features[:, places.sources[place]]
                columns[-1]["codes"] = _plain(codes)
            values.append((levels[:, read["category"]] - place).tolist())
            read["category"] += 1
        column = len(columns) - 1
        category = None
        also = int(places.also[place])
        if kind == "flag":  # of a date, the first of its parts
            column = inputs[also]["column"]
        elif kind != "number":
            levels_of_column = columns[-1]["categories"]
            category = len(levels_of_column)
            levels_of_column.append(name.removeprefix(f"{source.name}="))
        inputs.append(
            {
                "name": name,
                "kind": kind,
                "column": column,
                "category": category,
                "of": None if also == place else also,
                "needed": int(needed[place]),
            }
        )
    return columns, inputs, values


def _column(name: str, source: str, kind: str) -> dict[str, Any]:
    categories: list[str] | None = [] if kind == "category" else None
    return {"name": name, "kind": kind, "categories": categories, "source": source}


def _check_size(table: Table, what: str, found: int) -> None:
    most, hint = _LIMITS[what]
    if found > most:
        raise DataError(
            f"{table.name} has {found:,} {what}, and the page takes at most {most:,}",
            hint,
        )


def _plain(values: NDArray[Any]) -> list[Any]:
    """Return numbers as JSON has them, None for NaN; whole ones without a point, which is
    shorter."""
    return [
        None if value != value else int(value) if value == int(value) else value
        for value in values.tolist()
    ]


def _source(table: Table) -> str:
    """Return what a command line calls the table. Of a path only the name of the file: the page may
    be given away."""
    source = str((table.reading or {}).get("source", ""))
    if not source or "://" in source:
        return f"{table.name}.csv"
    return source if source.startswith("example:") else PurePath(source).name


def _splits(table: Table) -> dict[str, Any]:
    """Return which rows each split tests, a bit for each row, how many, and whether rows of a group
    stay together."""
    tested = np.zeros((_SPLITS, table.n_rows), dtype=np.bool_)
    for number, rows in enumerate(tested):
        rows[holdout(table.target, random_state=number, groups=table.groups).test] = (
            True
        )
    return {
        "tested": base64.b64encode(np.packbits(tested, axis=1).tobytes()).decode(),
        "sizes": tested.sum(axis=1).tolist(),
        "grouped": table.groups is not None,
    }
