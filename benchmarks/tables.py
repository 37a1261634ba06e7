"""Tables of text, and what machine they were measured on."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PACKAGES = ("torch", "numpy", "scikit-learn", "joblib")
_STARTED = time.monotonic()


@dataclass(frozen=True)
class Table:
    """A heading, columns of text, the first of them words and the last a note, and remarks
    below."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = field(default=())

    def text(self) -> str:
        lines = [self.header, *self.rows]
        widths = [
            max(len(line[column]) for line in lines)
            for column in range(len(self.header))
        ]
        rule = ["-" * width for width in widths]
        shown = [
            self._aligned(line, widths) for line in (self.header, rule, *self.rows)
        ]
        return "\n".join(
            [self.title, "", *shown, *([""] if self.remarks else []), *self.remarks]
        )

    def markdown(self) -> str:
        numeric = [
            all(cell[:1] in "0123456789+-*±~" for cell in column)
            for column in zip(*self.rows, strict=True)
        ]
        rule = [
            "---:" if of_numbers else "---"
            for of_numbers in numeric or [False] * len(self.header)
        ]
        lines = [f"| {' | '.join(line)} |" for line in (self.header, rule, *self.rows)]
        return "\n\n".join([f"### {self.title}", "\n".join(lines), *self.remarks])

    def _aligned(self, line: Sequence[str], widths: Sequence[int]) -> str:
        last = len(widths) - 1
        cells = [
            cell.ljust(width) if column in (0, last) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()


def tables() -> list[Path]:
    """The real tables, from the smallest to the largest."""
    folder = Path(
        os.environ.get("SEEDBED_DATA")
        or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    paths = [path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern)]
    return sorted(paths, key=lambda path: rows_of(path)[1])


def rows_of(path: Path) -> tuple[str, int]:
    """The name of the last column, and the number of rows."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        rows = csv.reader(text)
        return next(rows)[-1], sum(1 for _ in rows)


def stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def number(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def machine() -> dict[str, str]:
    """The processor, its cores and how busy they are, and versions."""
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    facts = {
        "processor": _processor(),
        "cores": str(cores),
        "second-level cache": _cache(),
        "load at start": load,
        "system": platform.platform(),
        "Python": platform.python_version(),
    }
    return facts | {package: _version(package) for package in _PACKAGES}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _cache() -> str:
    size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    return size.read_text().strip() if size.exists() else "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def print_or_write(text: str, out: Path) -> None:
    """Write the text of a page to a file, or print it if the file is called `-`."""
    if str(out) == "-":
        print(text)
    else:
        out.write_text(text)


def say(text: str) -> None:
    """Print progress on stderr, after the seconds since the start."""
    seconds = time.monotonic() - _STARTED
    print(f"{seconds:6.0f} s  {text}", file=sys.stderr, flush=True)
