"""The verb that goes on with a run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TextIO

from cyclopts import Parameter

from seedbed.cli.options import CompareOptions, RunOptions, options_from
from seedbed.cli.telling import print_lines, print_stderr, say
from seedbed.cli.training import compare
from seedbed.errors import OptionError

__all__ = ["resume"]

_AGAIN = "The command that began it goes on from what is kept."


def resume(
    run: Annotated[Path, Parameter(help="The folder of a comparison that was interrupted or killed.")],
    /,
    *,
    jobs: Annotated[int | None, Parameter(help="How many processes train at once; as the run was begun.")] = None,
    trust: Annotated[
        bool,
        Parameter(
            help="Don't ask before the folder's command loads Python code or connects to another machine.", negative=()
        ),
    ] = False,
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
    table, options = _options(run, frozen)
    here: dict[str, Any] = {"out": run.absolute(), "quiet": options.run.quiet or quiet}
    if jobs is not None:
        here["jobs"] = jobs
    options = dataclasses.replace(
        options, as_json=options.as_json or as_json, run=dataclasses.replace(options.run, **here)
    )
    with contextlib.chdir(_begun_in(run, frozen)):
        if not trust:
            _check_trusted(run, table, options, frozen)
        return compare(table, options=options, begun=frozen["command"])


def _told(run: Path, options: RunOptions, as_json: bool) -> int:
    """What came of a run that is finished."""
    from seedbed.report import glance_lines, read_summary

    summary = read_summary(run / "comparison.json")
    document = {key: value for key, value in summary.items() if key != "curves"}
    if as_json:
        print(json.dumps(document, allow_nan=False))
    else:
        print_lines(glance_lines(summary))
    say(options, f"the run in {run} is finished already")
    return 0


def _options(run: Path, frozen: Mapping[str, Any]) -> tuple[str, CompareOptions]:
    """Return the table and the options that a run was begun with.

    Raises:
        OptionError: it was begun in Python or by an earlier seedbed, or its password isn't kept.
    """
    command = frozen.get("command", "")
    if not command.startswith("seedbed compare"):
        message = f"the run in {run} was begun in Python: {command or 'nobody knows how'}"
        raise OptionError(message, "The same call with the same folder goes on from what is kept.")
    if "***" in command:
        raise OptionError(f"the password in the command of {run} isn't kept", _AGAIN)
    try:
        kept = dict(frozen["options"])
        return kept.pop("table"), options_from(CompareOptions, kept)
    except (KeyError, TypeError, ValueError):
        message = f"the run in {run} was begun by another version of seedbed"
        raise OptionError(message, f"Run the command again: {command}") from None


def _check_trusted(run: Path, table: str, options: CompareOptions, frozen: Mapping[str, Any]) -> None:
    """Ask before a command, which may be a stranger's, loads code or connects to another machine.

    Raises:
        OptionError: a file of code has changed since the run was begun, nobody can be asked, or the answer is no.
    """
    doings = list(_doings(run, table, options, frozen))
    if not doings:
        return
    message = f"the command in {run} {' and '.join(doings)}"
    if _is_terminal(sys.stdin) and _is_terminal(sys.stderr):
        print_stderr(f"seedbed: {message}. Do you trust it? [y/N]")
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise OptionError(message, f"Look at the code and at {run / 'experiment.json'}; if you trust them, add --trust.")


def _doings(run: Path, table: str, options: CompareOptions, frozen: Mapping[str, Any]) -> Iterator[str]:
    """What a command does beyond reading a local table and training networks of seedbed and scikit-learn."""
    from seedbed.experiment import file_hash
    from seedbed.networks import FileArchitecture, candidates_from

    files = frozen.get("files") or {}
    for one in candidates_from([word for word in options.candidate if word.strip() != "auto"] or "relu:5"):
        if isinstance(one.architecture, FileArchitecture):
            path = one.architecture.path
            if not (found := file_hash(Path(path))) or files.get(path) != found:
                message = f"{path} isn't the file that the run in {run} was begun with"
                raise OptionError(message, "If you trust it as it is now, add --trust: its networks are trained anew.")
            yield f"runs the Python code in {Path(path).absolute()}"
    for word in options.design.baseline:
        package, *inner = re.split("[.:]", word.partition("(")[0].strip())
        if inner and package != "sklearn":
            yield f"imports {word}"
    if "://" in table:
        yield f"connects to {table}"
    if cluster := options.run.compute().cluster:
        yield f"sends the work to {cluster}"


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _begun_in(run: Path, frozen: dict[str, Any]) -> Path:
    """The folder that the paths of its command start from: this one, or one above the run in which its table is."""
    source = (frozen.get("reading") or {}).get("source", "")
    places = [Path.cwd(), *run.absolute().parents]
    return next((place for place in places if (place / source).is_file()), places[0])
