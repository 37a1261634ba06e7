"""Functions of tensors, compiled once for a machine: what is compiled lies on disk, and the next process loads it.

`torch.compile` looks at its arguments before every call, which takes longer than a step of a narrow stack, and at the
start of each process for seconds at the function. So a step is compiled ahead of time (AOTInductor) to a library of its
own, under a name that holds all that it was made of (docs/decisions/0022).
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import hashlib
import importlib
import os
import platform
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from seedbed.files import write_whole
from seedbed.scratch import is_private, scratch_folder, temporary_folder
from seedbed.training.versions import versions

__all__ = ["Compiled", "is_compiling"]

# A fused multiply-add rounds once where two operations round twice.
_OPTIONS: dict[str, Any] = {"cpp.enable_floating_point_contract_flag": "fast"}
_AHEAD = ("cpu",)  # devices that are compiled for ahead of time; for others each process compiles for itself
_MOST_KEPT = 100  # libraries, of two megabytes each

_Layout = tuple[tuple[torch.Size, tuple[int, ...], torch.dtype], ...]
_Run = Callable[[list[Tensor]], list[Tensor]]

_tracing = False


def is_compiling() -> bool:
    """Whether what runs now is being read by a compiler."""
    return _tracing or torch.compiler.is_compiling()


class Compiled:
    """A pure function from tensors in tuples and dicts to the same, compiled for each layout that it meets.

    Attributes:
        function: what is compiled.
        name: says all that the function does but for its code: with equal names and equal code, one stands for both.
        like: from the arguments to something of the structure of the result, tensors standing for tensors.
    """

    def __init__(self, function: Callable[..., Any], name: str, like: Callable[..., Any]) -> None:
        self.function, self.name, self.like = function, name, like
        self._runs: dict[_Layout, _Run] = {}

    def __call__(self, *args: Any) -> Any:
        leaves = _leaves(args)
        layout = tuple([(leaf.shape, leaf.stride(), leaf.dtype) for leaf in leaves])
        run = self._runs.get(layout)
        if run is None:
            run = self._runs[layout] = self._made(args, leaves, layout)
        return _with_leaves(self.like(*args), iter(run(leaves)))

    def _made(self, args: Any, leaves: list[Tensor], layout: _Layout) -> _Run:
        if leaves[0].device.type not in _AHEAD:
            return self._just_in_time(args, leaves)
        structure = _with_leaves(args, iter(range(len(leaves))))
        key = hashlib.sha256(repr((self.name, structure, layout, _here())).encode()).hexdigest()[:32]
        folder = _cache_folder()
        if folder is None:
            return self._ahead_of_time(args, leaves, None)
        path = folder / f"{key}.so"
        with FileLock(folder / f"{key}.lock"):  # another process may be at it; then this one waits, and loads
            with contextlib.suppress(OSError, RuntimeError):  # it isn't there or is spoilt: it is compiled anew
                if is_private(path) and is_private(path.with_suffix(".json")):
                    return _loaded(path)
            return self._ahead_of_time(args, leaves, path)

    def _ahead_of_time(self, args: Any, leaves: list[Tensor], path: Path | None) -> _Run:
        """Compile to a library, kept at `path` if there is one and it can be, and what it calls by name beside it."""
        from torch._inductor import aot_compile

        with temporary_folder() as folder:
            made = folder / "step.so"
            with _hushed(), _own_folder():
                options = {**_OPTIONS, "aot_inductor.output_path": str(made)}
                aot_compile(self._graph(args, leaves), tuple(leaves), options=options)
            called = next(folder.glob("*.wrapper.json"), None)
            made.with_suffix(".json").write_bytes(called.read_bytes() if called else b"{}")
            if path is not None:
                with contextlib.suppress(OSError):
                    for part in (made.with_suffix(".json"), made):  # the library last: where it is, the other is
                        kept = path.with_suffix(part.suffix)
                        write_whole(kept, functools.partial(shutil.copyfile, part))
                        kept.chmod(0o600)  # whatever the umask
                    _forget_oldest(path.parent)
            return _loaded(made)

    def _just_in_time(self, args: Any, leaves: list[Tensor]) -> _Run:
        from torch._inductor import compile

        with _hushed():
            run: Callable[..., list[Tensor]] = compile(self._graph(args, leaves), [*leaves], _OPTIONS)
        return lambda leaves: run(*leaves)

    def _graph(self, args: Any, leaves: list[Tensor]) -> torch.fx.GraphModule:
        """The operations that the function comes to for arguments like these."""
        from torch.fx.experimental.proxy_tensor import make_fx

        def flat(*tensors: Tensor) -> list[Tensor]:
            return _leaves(self.function(*_with_leaves(args, iter(tensors))))

        with _being_read():
            graph: torch.fx.GraphModule = make_fx(flat, tracing_mode="fake")(*leaves)
        return graph


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """torch's compiler warns of itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _own_folder() -> Iterator[None]:
    """torch's compiler uses a folder below /tmp that another user can make first, with files of theirs in it."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(_torch_folder())
    try:
        yield
    finally:
        os.environ.pop(name, None)


def _torch_folder() -> Path:
    """The folder that torch's compiler uses by default if it is this user's own, else one for this process."""
    with contextlib.suppress(OSError, KeyError):
        folder = Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        if is_private(folder):
            return folder
    return scratch_folder() / "inductor"


@contextlib.contextmanager
def _being_read() -> Iterator[None]:
    global _tracing
    _tracing = True
    try:
        yield
    finally:
        _tracing = False


def _loaded(path: Path) -> _Run:
    run: _Run = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1).run
    with contextlib.suppress(OSError):
        os.utime(path)  # it was of use
    return run


def _leaves(value: Any) -> list[Tensor]:
    """The tensors in tuples and dicts, in order."""
    found: list[Tensor] = []
    _gather(value, found)
    return found


def _gather(value: Any, found: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        found.append(value)
    elif value is not None:
        for part in value.values() if isinstance(value, dict) else value:
            _gather(part, found)


def _with_leaves(value: Any, leaves: Iterator[Any]) -> Any:
    """The same tuples and dicts with other leaves."""
    if isinstance(value, Tensor):
        return next(leaves)
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _with_leaves(part, leaves) for name, part in value.items()}
    parts = [_with_leaves(part, leaves) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


@functools.cache
def _here() -> tuple[str, ...]:
    """What decides, beside the function and its arguments, what it is compiled to: this code, the libraries, and the
    processor."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.read_bytes())
    facts = Path("/proc/cpuinfo")
    flags = {line for line in facts.read_text().splitlines() if line.startswith("flags")} if facts.exists() else set()
    return (
        code.hexdigest(),
        repr(versions()),
        platform.platform(),
        torch.backends.cpu.get_cpu_capability(),
        repr(flags),
    )


@functools.cache
def _cache_folder() -> Path | None:
    """Where libraries are kept; None where nothing can be, or where another user could put a library of theirs."""
    folder = Path(importlib.import_module("pooch").os_cache("seedbed")) / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = is_private(folder) and not any(_is_strange(parent) for parent in folder.resolve().parents)
    except OSError:
        return None
    return folder if usable and os.access(folder, os.W_OK) else None


def _is_strange(folder: Path) -> bool:
    """Whether another user than the system's may put another folder in the place of one in here."""
    found = folder.stat()
    if os.name != "posix":
        return False
    anybody = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    return bool(anybody) or found.st_uid not in (0, os.geteuid())


def _forget_oldest(folder: Path) -> None:
    """Those that weren't used for longest, beyond so many."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime)[:-_MOST_KEPT]:
            for suffix in (".so", ".json", ".lock"):
                path.with_suffix(suffix).unlink(missing_ok=True)
