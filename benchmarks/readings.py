"""How the columns of many tables are read, and what changes between two versions.

    python benchmarks/readings.py FOLDER AFTER.json                     of CSV files
    python benchmarks/readings.py FOLDER AFTER.json --before BEFORE.json     prints a line per reading that differs

Each column is read as a feature, and as the target if it can be one. Whether a change is right, a
person decides.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.data.reading import open_table, type_features
from seedbed.data.table_options import ReadingOptions
from seedbed.data.target import encode_target
from seedbed.errors import SeedbedError


def readings(path: Path) -> dict[str, Any]:
    """Return how each column is read: as a feature, with some cells and the notes, and as the
    target."""
    frame, reading = open_table(str(path), ReadingOptions())
    typed = type_features(frame, reading)
    found = {}
    for column in typed.columns:
        texts = frame.texts(frame.names.index(column.name)).texts
        schema, missing = column.schema, int(np.isnan(column.values).sum())
        found[column.name] = {
            "feature": [
                schema.kind,
                schema.spelling,
                len(schema.levels),
                missing,
                column.name in typed.left_out,
            ],
            "cells": [*texts[:4], *texts[-2:]],
            "codes": [
                f"{one.code} {one.message}"
                for one in typed.notes
                if one.column == column.name
            ],
        }
        try:
            target = encode_target(frame, column.name, decimal=typed.decimal)
        except SeedbedError as error:
            found[column.name]["target"] = [type(error).__name__, str(error)[:120]]
        else:
            found[column.name]["target"] = [
                target.task,
                list(target.labels),
                len(target.values),
            ]
            found[column.name]["of_target"] = [
                f"{one.code} {one.message}" for one in target.notes
            ]
    return found


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("folder", type=Path)
parser.add_argument("output", type=Path)
parser.add_argument("--before", type=Path)
arguments = parser.parse_args()
tables: dict[str, dict[str, Any]] = {}
for path in sorted(arguments.folder.glob("*.csv*")):
    try:
        tables[path.name] = readings(path)
    except SeedbedError as error:
        print(f"{path.name}: {error}")
arguments.output.write_text(json.dumps(tables, indent=1))
print(f"{len(tables)} tables, {sum(map(len, tables.values()))} columns")
if arguments.before:
    before, changes = json.loads(arguments.before.read_text()), Counter[str]()
    for table, columns in tables.items():
        for name, now in columns.items():
            then = before.get(table, {}).get(name, {})
            for what in ("feature", "target", "codes", "of_target"):
                if then.get(what) != now.get(what):
                    changes[what] += 1
                    print(
                        f"{what} {table} {name!r}: {then.get(what)} -> {now.get(what)} {now['cells']}"
                    )
    print(dict(changes))
