"""The verb `columns`: which columns of a table help."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from seedbed.cli.comparing import Finish, Overwrite, Specified, TableOrRun, carried, read, run_named
from seedbed.cli.console import command_line
from seedbed.cli.options import CompareOptions
from seedbed.errors import OptionError


def columns(
    table: TableOrRun,
    /,
    *,
    column: Annotated[
        tuple[str, ...],
        Parameter(help="A column to ask about; may be repeated. All if left out.", negative=(), show_default=False),
    ] = (),
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Train one model with all columns and again without each, on the same splits, and say which columns help.

    The model is --candidate: a candidate, the name of a default model such as boosted-trees, or auto; network-1 if left
    out, or the model that the comparison in the folder recommends.
    """
    design, model = options.design, options.candidate
    for name, given in (("--by", options.by), ("--baseline", design.baseline), ("--no-baselines", not design.baselines),
                        ("--fail-if-worse", design.fail_if_worse), ("--reference", vars(design)["reference"]),
                        ("a second --candidate", model[1:])):  # fmt: skip
        if given:
            raise OptionError(f"{name} compares models, and this compares columns of one", "Leave it out.")
    if options.run.format is not None:
        raise OptionError("columns have no charts as pictures", "Leave out --format: the report draws the ranges.")
    if len(options.recipe.lrs()) > 1:
        raise OptionError("several learning rates are compared by seedbed compare", "Give one, or leave --lr out.")
    run = run_named(table, options)

    def ask(now: Callable[[str], None]) -> tuple[Specified, Finish]:
        rows = read(table, options, now) if run is None else run
        from seedbed.experiment.columns import specify_columns, with_alone  # loads torch, which takes seconds

        specified = functools.partial(
            specify_columns,
            rows,
            model[0] if model else None,
            column,
            recipe=options.recipe.named("default"),
            design=design.design(),
            command=command_line(),
        )
        return specified, lambda comparison, folder: with_alone(comparison, options.run.compute(), folder)

    return carried("columns", table, ask, options, overwrite=overwrite)
