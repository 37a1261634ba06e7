"""The verb `rows`: would more rows help?"""

from __future__ import annotations

import functools
from collections.abc import Callable

from seedbed.cli.comparing import Finish, Overwrite, Specified, TableOrRun, carried, read, run_named, specified_by
from seedbed.cli.console import command_line, say
from seedbed.cli.options import CompareOptions
from seedbed.errors import OptionError


def rows(
    table: TableOrRun,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    overwrite: Overwrite = False,
) -> int:
    """Compare, then train on halves, quarters and so on of the training rows, and say whether more rows would help.

    The networks of a finished comparison, whose folder is named in place of a table, aren't trained again.
    """
    if options.by is not None:
        raise OptionError("--by divides the rows of a comparison", "Leave it out, or run seedbed compare.")
    source = run_named(table, options)
    if source is not None and options.candidate:
        raise OptionError(f"{source} has its own networks", "Leave --candidate out.")

    def ask(now: Callable[[str], None]) -> tuple[Specified, Finish]:
        specified: Specified
        if source is None:
            specified = specified_by(read(table, options, now), options)
        else:
            from seedbed.experiment.model_plan import experiment_of_run

            specified = functools.cache(functools.partial(experiment_of_run, source, command_line()))
        from seedbed.experiment.sizes import check_sizes, with_rows

        run = options.run
        check_sizes(specified())
        tell = functools.partial(say, run)
        return specified, lambda comparison, folder: with_rows(comparison, run.compute(), folder, tell)

    return carried("rows", table, ask, options, overwrite=overwrite, source=source)
