"""The verb `rows`: would more rows help?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from seedbed.cli.comparing import Finish, Overwrite, Specified, carried, read, specified_by
from seedbed.cli.options import CompareOptions, TableArgument
from seedbed.cli.terminal import say
from seedbed.errors import OptionError

__all__ = ["rows"]


def rows(
    table: TableArgument,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Compare, then train on halves, quarters and so on of the training rows, and say whether more rows would help."""
    if options.by is not None:
        raise OptionError("--by divides the rows of a comparison", "Leave it out, or run seedbed compare.")
    if Path(table).is_dir():
        hint = f"Name the table; with --out {table} and the same options, its finished comparison is used again."
        raise OptionError(f"{table} is a folder", hint)

    def ask(now: Callable[[str], None]) -> tuple[Specified, Finish]:
        read_rows = read(table, options, now)
        from seedbed.experiment import check_sizes, with_rows  # loads torch, which takes seconds

        specified, run = specified_by(read_rows, options), options.run
        check_sizes(specified())
        tell = functools.partial(say, run)
        return specified, lambda comparison, folder: with_rows(comparison, run.compute(), folder, tell)

    return carried("rows", table, ask, options, overwrite=overwrite)
