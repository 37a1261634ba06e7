"""The verb that goes on with a run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from seedbed.cli.options import RunOptions
from seedbed.cli.telling import say
from seedbed.cli.training import compare
from seedbed.cli.typed import typed
from seedbed.errors import OptionError

__all__ = ["resume"]

_AGAIN = "The command that began it goes on from what is kept."


def resume(
    run: Annotated[Path, Parameter(help="The folder of a comparison that was interrupted or killed.")],
    /,
    *,
    jobs: Annotated[int | None, Parameter(help="How many processes train at once; as the run was begun.")] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], help="No plan, no progress.", negative=())] = False,
) -> int:
    """Go on with a comparison where it was interrupted or killed, to the results that it would have had."""
    from seedbed.experiment import frozen_in, is_finished

    frozen = frozen_in(run)
    if not frozen:
        raise OptionError(f"{run} holds no comparison", "Name the folder that seedbed compare has made.")
    if is_finished(run):
        return _told(run, RunOptions(quiet=quiet), as_json)
    tokens = _tokens(run, frozen.get("command", ""))
    program = App()
    program.command(compare)
    _, bound, _ = program.parse_args(tokens, exit_on_error=False, print_error=False)
    options = bound.arguments.get("run", RunOptions())
    bound.arguments["run"] = dataclasses.replace(
        options, out=run.absolute(), jobs=options.jobs if jobs is None else jobs, quiet=options.quiet or quiet
    )
    bound.arguments["as_json"] = as_json or bound.arguments.get("as_json", False)
    bound.arguments["resumed"] = True
    with contextlib.chdir(_begun_in(run, frozen)), typed(tokens):
        return compare(*bound.args, **bound.kwargs)


def _told(run: Path, options: RunOptions, as_json: bool) -> int:
    """What came of a run that is finished."""
    from seedbed.report import comparison_text, read_summary

    summary = read_summary(run / "comparison.json")
    document = {key: value for key, value in summary.items() if key != "curves"}
    print(json.dumps(document, allow_nan=False) if as_json else comparison_text(summary))
    say(options, f"the run in {run} is finished already")
    return 0


def _tokens(run: Path, command: str) -> list[str]:
    """The command that began a run, without the program's name. Raises OptionError if it isn't one."""
    if not command.startswith("seedbed compare "):
        message = f"the run in {run} was begun in Python: {command or 'nobody knows how'}"
        raise OptionError(message, "The same call with the same folder goes on from what is kept.")
    if "***" in command:
        raise OptionError(f"the password in the command of {run} isn't kept", _AGAIN)
    return shlex.split(command)[1:]


def _begun_in(run: Path, frozen: dict[str, Any]) -> Path:
    """The folder that the paths of its command start from: this one, or one above the run in which its table is."""
    source = (frozen.get("reading") or {}).get("source", "")
    places = [Path.cwd(), *run.absolute().parents]
    return next((place for place in places if (place / source).is_file()), places[0])
