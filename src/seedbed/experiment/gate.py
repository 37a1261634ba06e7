"""A gate with memory: many tries on fixed splits, and one claim on locked rows that no try has
seen."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import convert

from seedbed.arguments import checked
from seedbed.data.reading import build_table, open_table, read_table
from seedbed.data.table import Table
from seedbed.data.table_options import ReadingOptions
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    did_you_mean,
    visible,
    without_passwords,
    writing,
)
from seedbed.evaluation.behind import certainty
from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.metrics import METRICS, Margin, signed
from seedbed.evaluation.summaries import DecidingScore
from seedbed.evaluation.verdicts import LIKELY
from seedbed.experiment.gate_rows import GateRows, divide, position_of
from seedbed.experiment.ledger import LOCK, append_entry, lock_folder, read_ledger
from seedbed.experiment.plan import STOPS
from seedbed.experiment.specification_file import (
    differences,
    hash_of,
    read_arrays,
    table_specification,
)
from seedbed.files import make_folder, write_whole
from seedbed.report.analyses_text import label_of
from seedbed.scoring import loss_of_prior
from seedbed.settings.design import Compute

_LOOKS = (2, 5, 10)
"""The repeats after which a try may be decided."""

_CLEAR, _HOPELESS = 0.99, 0.8
"""The probability of a gain from which a try is kept before the last look, and below which it is
dropped."""

_TRUTH = ("labels", "target", "durations")
_SPLITS, _FITS, _STORED = "splits.csv", "versions", "predictions.safetensors"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What was tried, or the start; and its gain over another version, with its 95% range, of a
    claim its 90% range.

    `table`, `key` and `sha256` are of a file in place of the gate's table; or `sha256` is of
    predictions, which have no candidate. `certainty` is the probability of a gain by this try
    alone. Of kept tries that look at least as good, the share `by_chance` or less is chance, with
    all tries counted. `confirmed` is whether locked rows show a gain."""

    number: int = 0
    name: str
    candidate: str | None
    drop: tuple[str, ...] = ()
    table: str | None = None
    key: str | None = None
    sha256: str | None = None
    kept: bool = True
    against: str = ""
    gain: float = 0.0
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    certainty: float = 1.0
    by_chance: float | None = None
    repeats: int = 0
    confirmed: bool | None = None

    @property
    def words(self) -> str:
        """The gain and how likely it is."""
        decimals, likely = (
            1 if self.unit.startswith("points") else None,
            min(max(int(100 * self.certainty), 1), 99),
        )
        gain, low, high = (signed(end, decimals) for end in (self.gain, self.low, self.high))
        level = 95 if self.confirmed is None else 90  # the claim has one side
        return f"gain {gain} {self.unit} ({level}%: {low} to {high}) against {self.against}, {likely}% likely to be better"

    def __str__(self) -> str:
        head = "kept" if self.kept else "not kept"
        if self.confirmed is not None:
            head = "" if self.confirmed else "not "
            head += f"confirmed on the locked rows (it takes {LIKELY:.0%})"
        return visible(f"{self.name}: {head}; {self.words}.")


@dataclass(frozen=True, kw_only=True)
class GateStatus:
    """What was tried and kept. If no try helped, chance would keep at most `by_chance` on average;
    the gate is `exhausted` if no more are kept. `noise` is the half of a typical 95% range."""

    table: str
    target: str
    start: str
    current: str
    n_open: int
    n_locked: int
    unit: str
    by_chance: float
    exhausted: bool
    noise: float
    tries: tuple[Attempt, ...]
    confirmation: Attempt | None

    def __str__(self) -> str:
        n, n_kept = len(self.tries), sum(one.kept for one in self.tries)
        rows = f"{self.n_open:,} rows for tries, {self.n_locked:,} locked until the claim"
        lines = [f"{self.table}: predicting {self.target}; {rows}"]
        lines.append(
            f"Start: {self.start}. Current: {self.current}. A try is kept if {LIKELY:.0%} likely to be better."
        )
        if self.unit == "points":
            lines.append("Score: 0 is always predicting the same, 100 is perfect.")
        for one in self.tries:
            lines.append(
                f"{one.number:>4}  {'kept' if one.kept else 'no':<4}  {one.name}: {one.words}"
            )
            if one.by_chance is not None:
                chance = max(one.by_chance, 0.01)
                lines.append(
                    f"{'':12}among {n} tries, at most {chance:.0%} of keeps as clear as this are chance"
                )
        if n:
            lines.append(
                f"{n_kept} of {n} kept. If none helped, chance would keep {self.by_chance:.1f} on average, or fewer."
            )
            noise = f"{signed(self.noise, 1)[1:]} {self.unit}"
            lines.append(
                f"The 95% range of a typical try is ±{noise}: much smaller gains are rarely kept."
            )
        if self.exhausted:
            lines.append("Chance could have kept as many: on so few rows, more tries say nothing.")
        return visible(
            "\n".join([*lines, *([str(self.confirmation)] if self.confirmation else [])])
        )


class Gate:
    """Many tries to improve a model of one table, and a claim at the end that holds however many
    there were.

    A try is kept if it is likely better than the current version on fixed splits. `confirm`
    compares what was kept with the start once, on a fifth of the rows that was locked before the
    first try.

    Args:
        folder: made by `Gate.new`, or by `seedbed gate new`.
        table: the table, if it can't be read from where it was.
        compute: what trains, and where, see `Compute`.
    """

    @checked()
    def __init__(
        self, folder: str | Path, *, table: Table | None = None, compute: Compute = Compute()
    ) -> None:
        self.folder, self._table, self._compute = Path(folder), table, compute
        self._first = read_ledger(self.folder)[0]

    @classmethod
    def new(
        cls,
        folder: str | Path,
        table: Any,
        *,
        target: str | int | None = None,
        candidate: str = "auto",
        metric: str | None = None,
        compute: Compute = Compute(),
    ) -> Gate:
        """Lock a fifth of the rows, fix the splits, fit the start, and return the gate.

        Args:
            folder: a new one, for the ledger, the splits and predictions.
            table: what `read_table` takes, or a `Table`.
            target: the column to predict.
            candidate: the start: a candidate such as `relu:32`, a default model, or `auto`.
            metric: the score that decides, as in `Design`.
            compute: what trains, and where, see `Compute`.
        """
        folder, read = (
            Path(folder),
            table if isinstance(table, Table) else read_table(table, target=target),
        )
        rows = divide(read, metric)
        reading = read.reading and {**read.reading, "source": _place(read.reading["source"])}
        with lock_folder(folder):
            if others := sorted({path.name for path in folder.iterdir()} - {LOCK, _SPLITS, _FITS}):
                raise OptionError(
                    f"{folder} isn't empty: it holds {others[0]}", "Name a new folder."
                )
            start = Attempt(name="start", candidate=candidate)
            fits = rows.predict(read, candidate, (), compute, folder / _FITS / "0")
            fit = next(fit for fit in fits if len(fit) in (_LOOKS[0], rows.design.repeats))
            zero, metric_named = (
                loss_of_prior(rows.metric, rows.result("", fit)),
                metric is not None,
            )
            score = DecidingScore.of(
                METRICS[rows.metric], Margin(1.0, "default"), zero, named=metric_named
            ).shown
            unit = (
                f"points of {score.words}"
                if score.percent
                else "points"
                if score.in_points
                else f"in {score.words}"
            )
            with writing(folder):
                write_whole(
                    folder / _SPLITS, lambda path: path.write_text(rows.text(), encoding="utf-8")
                )
            facts = {
                "table": read.name,
                "target": read.target_name,
                "reading": reading,
                "metric": metric,
            }
            numbers = {
                "n_open": len(rows.open),
                "n_locked": len(rows.locked),
                "scale": score.scale,
                "unit": unit,
            }
            result = {"specification": rows.specification, "result": dataclasses.asdict(start)}
            append_entry(folder, {"kind": "new", **facts, **numbers, **result})
        return cls(folder, table=read, compute=compute)

    @checked()
    def try_(
        self,
        *,
        name: str = "",
        candidate: str | None = None,
        drop: Sequence[str] = (),
        table: str | Path | None = None,
        key: str | None = None,
        predictions: Any = None,
    ) -> Attempt:
        """Compare a change with the current version on the fixed splits; it is kept if it is likely
        better.

        Args:
            name: of the try.
            candidate: in place of the current one.
            drop: columns to leave out, beside those that the current version leaves out.
            table: a file with other columns of the same rows.
            key: a column of both files by which rows are matched; by their order if left out.
            predictions: of any library, a file or data frame: `row` and, of several, `repeat` as in
                `splits.csv`, and `prediction`, `probability` or `probability_LABEL`.

        Raises:
            OptionError: nothing is tried, the locked rows have been opened, or another process is
                working.
            DataError: the table has changed, its rows aren't those of the gate, or predictions are
                missing or double.
        """
        from safetensors.numpy import save

        if (predictions is not None) == any(part for part in (candidate, drop, table)):
            raise OptionError(
                "a try is of a change, or of predictions",
                "Give a candidate, drop or table; or these.",
            )
        with lock_folder(self.folder):
            entries, rows = read_ledger(self.folder), self._rows
            if entries[-1]["kind"] == "confirm":
                raise OptionError(
                    "the locked rows have been opened", "Make another gate, of new rows."
                )
            now, folder = _current(entries), self.folder / _FITS / str(len(entries))
            if predictions is not None:
                values = rows.read(predictions)
                new = Attempt(name="predictions", candidate=None, sha256=hash_of(values))
                with writing(folder, "Free some space."):
                    make_folder(folder)
                    write_whole(
                        folder / _STORED,
                        lambda path: path.write_bytes(save({"predictions": values})),
                    )
            else:
                new = self._changed(
                    now, candidate, (drop,) if isinstance(drop, str) else drop, table, key
                )
            new = dataclasses.replace(
                new, number=len(entries), name=name or new.name, against=now.name
            )
            kept: bool | None = None
            for fits in zip(self._predict(now), self._predict(new), strict=False):
                repeats = min(map(len, fits))
                estimate = rows.gain(*(fit[:repeats] for fit in fits))
                kept = _is_kept(estimate, is_last=False) if repeats in _LOOKS else None
                if kept is not None:
                    break
            if kept is None:
                kept = _is_kept(estimate, is_last=True)
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)
            new = dataclasses.replace(new, kept=bool(kept), repeats=repeats)
            return self._append("try", new, estimate)

    def status(self) -> GateStatus:
        """Return what was tried and kept, and how much of it chance alone would give."""
        first, *entries = read_ledger(self.folder)
        results, share = convert([entry["result"] for entry in entries], list[Attempt]), 1.0
        tries = [one for one in results if one.confirmed is None]
        by_chance = len(tries) * (1 - LIKELY)
        ranked = sorted(tries, key=lambda one: one.certainty, reverse=True)
        for rank, one in reversed(
            [*enumerate(ranked, 1)]
        ):  # the false discovery rate of Benjamini and Hochberg
            share = min(share, len(tries) * (1 - one.certainty) / rank)
            tries[one.number - 1] = dataclasses.replace(one, by_chance=share if one.kept else None)
        return GateStatus(
            **{name: first[name] for name in ("table", "target", "n_open", "n_locked", "unit")},
            start=first["result"]["candidate"],
            current=_current([first, *entries]).name,
            by_chance=by_chance,
            exhausted=by_chance >= max(1, sum(one.kept for one in tries)),
            noise=float(np.median([(one.high - one.low) / 2 for one in tries] or [0])),
            tries=tuple(tries),
            confirmation=next((one for one in results if one.confirmed is not None), None),
        )

    @checked()
    def confirm(self, predictions: Any = None) -> Attempt:
        """Compare the kept version with the start on the locked rows. Later calls return the first
        result.

        Args:
            predictions: for the locked rows, of a model of the open rows, if the kept version is of
                another library.
        """
        with lock_folder(self.folder):
            entries = read_ledger(self.folder)
            if entries[-1]["kind"] == "confirm":
                return convert(entries[-1]["result"], Attempt)
            now, start, rows = (
                _current(entries),
                convert(entries[0]["result"], Attempt),
                self._rows.claim,
            )
            if now.number == 0:
                raise OptionError(
                    "nothing was kept, so there is nothing to confirm",
                    "The locked rows stay locked.",
                )
            if (predictions is None) == (now.candidate is None):
                message = f"{now.name} is {'of another library' if predictions is None else 'trained here'}"
                hint = (
                    "Give its predictions for the locked rows."
                    if predictions is None
                    else "Leave predictions out."
                )
                raise OptionError(message, hint)
            fit = next(self._predict(now, rows)) if predictions is None else rows.read(predictions)
            estimate = rows.gain(next(self._predict(start, rows)), fit)
            now = dataclasses.replace(
                now, against=start.name, confirmed=estimate.low > 0 and _likely(estimate) > 0
            )
            return self._append("confirm", now, estimate)

    def _append(self, kind: str, attempt: Attempt, estimate: Estimate) -> Attempt:
        """Append a line to the ledger, and return it."""
        scale, rows = self._first["scale"], self._rows.specification["splits_sha256"]
        gain, low, high = (scale * end for end in (estimate.mean, estimate.low, estimate.high))
        about = {"certainty": _likely(estimate), "unit": self._first["unit"]}
        attempt = dataclasses.replace(attempt, gain=gain, low=low, high=high, **about)
        append_entry(
            self.folder, {"kind": kind, "rows": rows, "result": dataclasses.asdict(attempt)}
        )
        return attempt

    @functools.cached_property
    def _rows(self) -> GateRows:
        """The rows, as they were when the gate was made; DataError if they, their splits or the
        target have changed."""
        first, path = self._first, self.folder / _SPLITS
        if self._table is None and not first["reading"]:
            raise OptionError(
                "the table of this gate isn't a file", "Give it: sb.Gate(folder, table=...)."
            )
        table = read_table(**first["reading"]) if self._table is None else self._table
        rows = divide(table, first["metric"])
        differing = differences(first["specification"], rows.specification)
        if not differing and (not path.is_file() or path.read_text("utf-8") != rows.text()):
            differing = [f"{path} has changed"]
        if differing:
            message = f"{table.name} isn't the table of this gate any more: {differing[0]}"
            raise DataError(message, "Restore it, or make another gate.")
        return rows

    def _changed(
        self,
        now: Attempt,
        candidate: str | None,
        drop: Sequence[str],
        table: str | Path | None,
        key: str | None,
    ) -> Attempt:
        """Return what the current version is after a change; OptionError or ColumnError if it can't
        be made."""
        if candidate is None and now.candidate is None:
            raise OptionError(
                f"the current version, {now.name}, is of another library", "Name a candidate, too."
            )
        if key is not None and (table is None or not self._first["reading"]):
            raise OptionError(
                "a key matches the rows of two files",
                "Leave it out: rows then match by their order.",
            )
        words = [
            candidate,
            table and f"on {Path(table).stem}",
            drop and f"without {label_of(drop)}",
        ]
        name = " ".join(str(word) for word in words if word)
        new = Attempt(
            name=name,
            candidate=candidate or now.candidate,
            drop=now.drop,
            table=now.table,
            key=now.key,
        )
        new = new if table is None else dataclasses.replace(new, table=_place(table), key=key)
        other, sha256 = self._table_of(new)
        left = [column for column in other.feature_names if column not in now.drop]
        for column in drop:
            if column not in left:
                raise ColumnError(
                    f"no column '{column}' among the features", did_you_mean(column, left)
                )
        return dataclasses.replace(new, drop=(*now.drop, *drop), sha256=sha256)

    def _table_of(self, version: Attempt) -> tuple[Table, str]:
        """Return the table of a version with its rows in the order of the gate's table, and the
        SHA-256 of its cells. DataError for other rows or targets, or if it has changed since it was
        tried."""
        table = base = self._rows.table
        if version.table is not None:
            reading = self._first["reading"] or {"target": base.target_name}
            options = ReadingOptions(
                **{name: value for name, value in reading.items() if name != "source"}
            )
            frame, roles = open_table(version.table, options)
            if (key := version.key) is not None:
                frames = (open_table(reading["source"], options)[0], frame)
                wanted, given = (one.cells(position_of(one, key)) for one in frames)
                row_of = {cell: row for row, cell in enumerate(given)}
                if (
                    len({*wanted}) < len(wanted)
                    or len(row_of) < len(given)
                    or not {*wanted} <= row_of.keys()
                ):
                    message = (
                        f"{frame.where}: column '{key}' doesn't name each row of {base.name} once"
                    )
                    raise DataError(message, "Name a column of keys, and give all rows.")
                ordered = frame.rows(np.array([row_of[cell] for cell in wanted]), frame.where)
                frame = dataclasses.replace(frame, columns=ordered.columns, places=ordered.places)
            table, _ = build_table(frame, roles)
            if any(
                not np.array_equal(getattr(table, part), getattr(base, part)) for part in _TRUTH
            ):
                hint = (
                    "Keep the rows and their order, or name a column that both tables have as key."
                )
                raise DataError(
                    f"the target of {table.name} differs from that of {base.name}", hint
                )
        sha256 = table_specification(table, 0)["sha256"]
        if version.sha256 not in (None, sha256):
            raise DataError(f"{version.table} has changed since it was tried", "Restore it.")
        return table, sha256

    def _predict(
        self, version: Attempt, claim: GateRows | None = None
    ) -> Iterator[npt.NDArray[Any]]:
        """Yield the predictions of a version, look by look; those of another library are stored."""
        folder = self.folder / _FITS / str(version.number)
        if version.candidate is not None:
            table, kept_in = self._table_of(version)[0], None if claim else folder
            yield from (claim or self._rows).predict(
                table, version.candidate, version.drop, self._compute, kept_in
            )
            return
        stored = read_arrays(folder / _STORED).get("predictions")
        if stored is None or hash_of(stored) != version.sha256:
            raise DataError(
                f"{folder / _STORED} is missing or has changed", "Restore it from a copy."
            )
        for repeats in (*(stop for stop in STOPS if stop < len(stored)), len(stored)):
            yield stored[:repeats]


def _place(source: str | Path) -> str:
    """Return a source so that it is found from any folder."""
    return str(Path(source).resolve()) if Path(source).is_file() else without_passwords(str(source))


def _current(entries: Sequence[Mapping[str, Any]]) -> Attempt:
    """Return the version that was kept last, or the start."""
    return [
        one for one in convert([entry["result"] for entry in entries], list[Attempt]) if one.kept
    ][-1]


def _is_kept(estimate: Estimate, *, is_last: bool) -> bool | None:
    """Return whether a try is kept; None if more repeats may change that."""
    sure = _likely(estimate)
    if is_last:
        return sure >= LIKELY
    return None if _HOPELESS <= sure < _CLEAR else sure >= _CLEAR


def _likely(estimate: Estimate) -> float:
    """Return the probability of a gain, by one comparison alone; 0 if its error isn't known."""
    if estimate.error_unknown:
        return 0.0
    return certainty(estimate) if estimate.mean > 0 else 1 - certainty(estimate)
