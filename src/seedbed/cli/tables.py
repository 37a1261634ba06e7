"""The verbs that show tables."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

from cyclopts import Parameter

from seedbed.cli.options import TableArgument, TableOptions
from seedbed.cli.telling import print_stderr

__all__ = ["examples", "inspect"]

_FOR_TABLE = TableOptions()


def inspect(
    table: TableArgument,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())] = False,
    columns: TableOptions = _FOR_TABLE,
) -> None:
    """Show what is understood of a table: warnings, and a line for each column."""
    from seedbed.data import inspect_table
    from seedbed.report import overview_text

    document = inspect_table(table, **columns.settings())
    if as_json:
        print(json.dumps(document, allow_nan=False))
        return
    print(overview_text(document))
    target = "" if table.startswith("example:") else f" --target {shlex.quote(columns.target or 'COLUMN')}"
    print_stderr("", f"Next:     seedbed compare {shlex.quote(table)}{target} --quick")


def examples() -> None:
    """List the example tables and what a candidate can be made of."""
    from seedbed.data import EXAMPLES
    from seedbed.networks import ACTIVATIONS

    for name, example in EXAMPLES.items():
        print(f"example:{name:15} {example.description} (target {example.target})")
    print(f"\nactivations: linear, {', '.join(sorted(ACTIVATIONS))}")
    print(
        "candidates:  relu:5  linear:20,20  relu:20+tanh:20  logistic  relu:64,64@lr=0.003,dropout=0.1  FILE.py:CLASS"
    )
