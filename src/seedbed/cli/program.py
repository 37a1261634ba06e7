"""The program: its verbs, and how errors become one line and an exit status."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import gc
import io
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import FrameType

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnusedCliTokensError,
)

from seedbed.cli.comparing import columns, compare, rows
from seedbed.cli.console import (
    interrupted,
    interruptible,
    print_stderr,
    remember_tokens,
)
from seedbed.cli.gate_command import gate
from seedbed.cli.judge_command import judge
from seedbed.cli.models import evaluate, export, predict, serve, show
from seedbed.cli.showing import examples, inspect, play, report
from seedbed.cli.training import train
from seedbed.errors import SeedbedError, error_line, nearest, one_line

# The system takes back all memory at once; that Python searches it for garbage takes half a second
# after a comparison.
atexit.register(gc.freeze)

app = App(
    name="seedbed",
    help="Train hundreds of small neural networks at once on your table, and see what helps and what is chance.",
    help_epilogue="Try: seedbed compare example:breast-cancer",
    help_format="plaintext",
    version=lambda: _version(),
    suppress_keyboard_interrupt=False,  # it would exit without a message, also with --json
)
_VERBS = (
    train,
    compare,
    columns,
    rows,
    judge,
    report,
    show,
    predict,
    evaluate,
    serve,
    export,
    inspect,
    examples,
    play,
)
for verb in _VERBS:
    app.command(verb)
app.command(gate)
_NAMES = [*(verb.__name__ for verb in _VERBS), "gate"]
_NUMBERS = {int: "a whole number", float: "a number"}

_ASCII = str.maketrans("─│┐┘├┤┌└▁▂▃▄▅▆▇█–—±×’−•…", "-|.'||.'_.:-=+*#--~x'-*.")
# Messages on a lack of memory by torch, CUDA, DuckDB, the linker, threads, and for a worker that
# was killed.
_NO_MEMORY = (
    "MemoryError",
    "Cannot allocate memory",
    "allocate memory",
    "OutOfMemory",
    "failed to map segment",
    "start new thread",
    "bad_alloc",
    "TerminatedWorkerError",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 worse, 2 usage or bad input, 3 internal error, 4 no
    verdict of an evaluation, 130 interrupted."""
    # The process that cleans up after interrupted workers warns of it, but users can do nothing
    # about it.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    # Before NumPy loads: matrices are small, so threads would wait for each other longer than they
    # multiply.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # The verbs print this themselves, beside the module.
    warnings.filterwarnings("ignore", ".*it must return logits", UserWarning)
    codecs.register_error("seedbed", _spell_unencodable)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - None if it is closed
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a character that can't be encoded must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="seedbed")
    with _interrupted_once():
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
    sys.exit(status)


def _spell_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Replace lines and bars by ASCII, and other characters by escapes, if the encoding of the
    output lacks them."""
    assert isinstance(error, UnicodeEncodeError)
    letters = error.object[error.start : error.end].translate(_ASCII)
    return letters.encode("ascii", "backslashreplace").decode(), error.end


@contextlib.contextmanager
def _interrupted_once() -> Iterator[None]:
    """Let Ctrl-C end the run, and ignore more of them for ten seconds, in which the run ends its
    workers.

    After that it counts again, in case that a library has swallowed the first, and also when the
    run has cleared `interrupted`, because it gives an answer so far. While Python exits, it is
    ignored.
    """
    interrupted.clear()
    last = -math.inf

    def once(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() > last + 10 or not interrupted.is_set():
            last = time.monotonic()
            interrupted.set()
            raise KeyboardInterrupt

    # The parent process may ignore interrupts, as a shell does for commands in the background.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        is_over = interrupted.is_set()
        signal.signal(
            signal.SIGINT, signal.SIG_IGN if is_over else signal.default_int_handler
        )


def _version() -> str:
    """Return the version, and what can train networks."""
    from seedbed.training.native.library import kernel

    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "not installed"
    return f"seedbed {version('seedbed')}\nkernel: {kernel('float32').instructions}; PyTorch: {torch}"


def _run(tokens: list[str]) -> int:
    try:
        with interruptible(lambda: ("interrupted",)), remember_tokens(tokens):
            return int(app(tokens, exit_on_error=False, print_error=False) or 0)
    except CycloptsError as error:
        return _fail("usage", *_explain_misuse(tokens, error), tokens, 2)
    except SeedbedError as error:
        return _fail(error.code, error.message, error.hint, tokens, error.status)
    except KeyboardInterrupt as stop:
        message, hint = (*stop.args, "")[:2]
        # If it isn't loaded, there are no workers.
        if parallel := sys.modules.get("seedbed.training.parallel"):
            parallel.end_workers()
        return _fail("interrupted", message, hint, tokens, 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except UnicodeEncodeError as error:
        message = f"{error.object[:60]!r} can't be written in {error.encoding}, the encoding of this terminal or system"
        return _fail("encoding", message, "Set PYTHONUTF8=1.", tokens, 2)
    except Exception as error:  # noqa: BLE001 - the last resort; a user should see one line, a maintainer the trace
        if any(symptom in traceback.format_exc() for symptom in _NO_MEMORY):
            hint = "Raise the limit (ulimit -v), give fewer rows or columns, or --n-jobs 1 where processes train."
            message = f"out of memory ({error_line(error)[:200]})"
            return _fail("memory", message, hint, tokens, 2)
        if isinstance(error, OSError):
            return _fail("system", str(error), "", tokens, 2)
        print_stderr(traceback.format_exc().rstrip())
        line = f"{type(error).__name__}: {error}"
        return _fail("internal", line, "This is a bug in seedbed.", tokens, 3)


def _explain_misuse(tokens: list[str], error: CycloptsError) -> tuple[str, str]:
    """Return what is wrong in the command, and what to do."""
    verb = tokens[0] if tokens else ""
    hint = f"See seedbed{f' {verb}' if verb in _NAMES else ''} --help."
    if verb and not verb.startswith("-") and verb not in _NAMES:
        commands = f"The commands are {', '.join(_NAMES)}. See seedbed --help."
        near = nearest(verb, _NAMES)
        return f"there is no command '{verb}'", f"{near} {commands}".lstrip()
    if "-" in tokens:
        return "stdin isn't supported", "Save the table as a file first."
    if isinstance(error, CoercionError) and error.token is not None:
        word = f"{error.token.keyword} is '{error.token.value}'"
        if error.target_type in _NUMBERS:
            return word, f"Give {_NUMBERS[error.target_type]}."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.keyword or error.argument.name
        lacks = "has no value" if name.startswith("-") else "is missing"
        return f"{name} {lacks}", hint
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"'{error.unused_tokens[0]}' is one argument too many", hint
    if verb.startswith("-"):
        return f"there is no option '{verb}' without a command", hint
    return " ".join(str(error).split()).rstrip("."), hint


def _fail(code: str, message: str, hint: str, tokens: list[str], status: int) -> int:
    if "--json" in tokens:
        print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}))
    print_stderr(f"seedbed: {one_line(message, hint)}")
    return status
