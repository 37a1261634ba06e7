"""The verbs that show tables."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from seedbed.cli.options import TableArgument, TableOptions

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
    print(json.dumps(document, allow_nan=False) if as_json else overview_text(document))


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
