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
from seedbed.data.frame import Frame
from seedbed.data.reading import build_table, open_table, read_table
from seedbed.data.table import Table
from seedbed.data.table_options import ReadingOptions
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    did_you_mean,
    one_line,
    spell,
    writing,
)
from seedbed.evaluation.behind import certainty
from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.metrics import METRICS, Margin, signed
from seedbed.evaluation.summaries import DecidingScore
from seedbed.evaluation.verdicts import LIKELY
from seedbed.experiment.gate_rows import GateRows, lock_and_split
from seedbed.experiment.ledger import append_entry, read_ledger
from seedbed.experiment.plan import STOPS
from seedbed.experiment.run_folder import lock_folder
from seedbed.experiment.specification_file import (
    differences,
    hash_of,
    read_arrays,
    table_specification,
)
from seedbed.files import remove_parts, write_whole
from seedbed.report.analyses_text import label_of
from seedbed.report.stored import text_fragment
from seedbed.settings.design import Compute

_LOOKS = (2, 5, 10)
"""The repeats after which a try may be decided."""

_KEPT_EARLY_FROM, _DROPPED_BELOW = 0.99, 0.8
"""The probability of a gain from which a try is kept before the last look, and below which it is
dropped."""

_TRUTH = ("labels", "target", "durations")
_SPLITS, _FITS, _STORED = "splits.csv", "versions", "predictions.safetensors"


class _Shown:  # as text, at a prompt and in a notebook
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self).splitlines()[0]}>"

    def _repr_html_(self) -> str:
        return text_fragment(str(self))


@dataclass(frozen=True, kw_only=True, repr=False)
class Attempt(_Shown):
    """What was tried, or the start; and its gain over another version, with its 95% range, of a
    claim its 90% range.

    `table`, `key` and `sha256` are of a file in place of the gate's table; or `sha256` is of
    predictions, which have no candidate. `certainty` is the probability of a gain by this try
    alone, and `by_chance` the false discovery rate of kept tries that look at least as good, with
    all tries counted. `confirmed` is whether locked rows show a gain. Of a claim, `clusters` are
    columns whose values repeat in open and locked rows, so that it may be chance."""

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
    clusters: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The gain and how likely it is."""
        decimals = 1 if self.unit.startswith("points") else None
        likely = min(max(int(100 * self.certainty), 1), 99)
        gain, low, high = (
            signed(end, decimals) for end in (self.gain, self.low, self.high)
        )
        level = 95 if self.confirmed is None else 90  # the claim has one side
        return f"gain {gain} {self.unit} ({level}%: {low} to {high}) against {self.against}, {likely}% likely to be better"

    def __str__(self) -> str:
        head = "kept" if self.kept else "not kept"
        if self.confirmed is not None:
            head = "" if self.confirmed else "not "
            head += f"confirmed on the locked rows (it takes {LIKELY:.0%})"
        lines = [f"{self.name}: {head}; {self.words}.", *_warnings(self.clusters)]
        return "\n".join(one_line(line, "") for line in lines)


@dataclass(frozen=True, kw_only=True, repr=False)
class GateStatus(_Shown):
    """What was tried and kept. If no try helped, chance would keep at most `by_chance` on average;
    the gate is `exhausted` if no more are kept. `noise` is the half of a typical 95% range.
    `clusters` are columns whose values repeat, as in `Attempt`."""

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
    clusters: tuple[str, ...] = ()

    def __str__(self) -> str:
        n = len(self.tries)
        n_kept = sum(attempt.kept for attempt in self.tries)
        lines = [
            f"{self.table}: predicting {self.target}; {self.n_open:,} rows for tries, {self.n_locked:,} locked until the claim",
            f"Start: {self.start}. Current: {self.current}. A try is kept if {LIKELY:.0%} likely to be better.",
        ]
        if self.unit == "points":
            lines.append("Score: 0 is always predicting the same, 100 is perfect.")
        for attempt in self.tries:
            lines.append(
                f"{attempt.number:>4}  {'kept' if attempt.kept else 'no  '}  {attempt.name}: {attempt.words}"
            )
            if attempt.by_chance is not None:
                lines.append(
                    f"{'':12}false discovery rate at most {max(attempt.by_chance, 0.01):.0%} among {n} tries"
                )
        if n:
            lines += [
                f"{n_kept} of {n} kept. If none helped, chance would keep {self.by_chance:.1f} on average, or fewer.",
                f"A try's 95% range is typically ±{signed(self.noise, 1)[1:]} {self.unit}: much smaller gains are rarely kept.",
            ]
        if self.exhausted:
            lines.append(
                "Chance could have kept as many: on so few rows, more tries say nothing."
            )
        end = (
            _warnings(self.clusters)
            if self.confirmation is None
            else [str(self.confirmation)]
        )
        return "\n".join([*(one_line(line, "") for line in lines), *end])


class Gate(_Shown):
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
        self,
        folder: str | Path,
        *,
        table: Table | None = None,
        compute: Compute = Compute(),
    ) -> None:
        self.folder = Path(folder)
        self._table = table
        self._compute = compute
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
        read = table if isinstance(table, Table) else read_table(table, target=target)
        rows = lock_and_split(read, metric)
        folder = Path(folder)
        with lock_folder(folder):
            shown = {
                path.name for path in folder.iterdir() if not path.name.startswith(".")
            }
            if others := shown - {_SPLITS, _FITS}:
                raise OptionError(
                    f"{folder} isn't empty: it holds {min(others)}",
                    "Name a new folder.",
                )
            remove_parts(folder)
            looks = rows.predict(read, candidate, (), compute, folder / _FITS / "0")
            predictions = next(
                look
                for look in looks
                if len(look) == min(_LOOKS[0], rows.design.repeats)
            )
            with writing(folder):
                write_whole(
                    folder / _SPLITS,
                    lambda path: path.write_text(rows.text(), encoding="utf-8"),
                )
            start = dataclasses.asdict(Attempt(name="start", candidate=candidate))
            append_entry(folder, {**_facts(rows, metric, predictions), "result": start})
        return cls(folder, table=read, compute=compute)

    def __str__(self) -> str:
        return str(self.status())

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

        if (predictions is not None) == any(part for part in (candidate, drop, table)):
            raise OptionError(
                "a try is of a change, or of predictions",
                "Give a candidate, drop or table; or these.",
            )
        with lock_folder(self.folder):
            entries = read_ledger(self.folder)
            if entries[-1]["kind"] == "confirm":
                raise OptionError(
                    "the locked rows have been opened",
                    "Make another gate, of new rows.",
                )
            current = _current(entries)
            folder = self.folder / _FITS / str(len(entries))
            if predictions is not None:
                attempt = self._store_predictions(predictions, folder)
            else:
                attempt = self._apply_change(
                    current,
                    candidate,
                    [drop] if isinstance(drop, str) else drop,
                    table,
                    key,
                )
            name = " ".join(name.split()) or attempt.name
            attempt = dataclasses.replace(
                attempt, number=len(entries), name=name, against=current.name
            )
            attempt, estimate = self._compare(current, attempt)
            if not attempt.kept:
                shutil.rmtree(folder, ignore_errors=True)
            return self._append("try", attempt, estimate)

    def status(self) -> GateStatus:
        """Return what was tried and kept, and how much of it chance alone would give."""
        first, *entries = read_ledger(self.folder)
        results = convert([entry["result"] for entry in entries], list[Attempt])
        tries = [attempt for attempt in results if attempt.confirmed is None]
        by_chance = len(tries) * (1 - LIKELY)
        # The false discovery rate of Benjamini and Hochberg.
        ranked = sorted(tries, key=lambda attempt: attempt.certainty, reverse=True)
        rate = 1.0
        for rank, attempt in reversed([*enumerate(ranked, 1)]):
            rate = min(rate, len(tries) * (1 - attempt.certainty) / rank)
            tries[attempt.number - 1] = dataclasses.replace(
                attempt, by_chance=rate if attempt.kept else None
            )
        return GateStatus(
            **{
                name: first[name]
                for name in ("table", "target", "n_open", "n_locked", "unit")
            },
            clusters=tuple(first["clusters"]),
            start=first["result"]["candidate"],
            current=_current([first, *entries]).name,
            by_chance=by_chance,
            exhausted=by_chance >= max(1, sum(attempt.kept for attempt in tries)),
            noise=float(np.median([(one.high - one.low) / 2 for one in tries] or [0])),
            tries=tuple(tries),
            confirmation=next(
                (one for one in results if one.confirmed is not None), None
            ),
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
            current = _current(entries)
            if current.number == 0:
                raise OptionError(
                    "nothing was kept, so there is nothing to confirm",
                    "The locked rows stay locked.",
                )
            if (predictions is None) == (current.candidate is None):
                raise OptionError(
                    f"{current.name} is {'trained here' if current.candidate else 'of another library'}",
                    "Leave predictions out."
                    if current.candidate
                    else "Give its predictions for the locked rows.",
                )
            start = convert(entries[0]["result"], Attempt)
            claim = self._rows.claim
            fit = (
                next(self._predict(current, claim))
                if predictions is None
                else claim.read(predictions)
            )
            gain = claim.gain(next(self._predict(start, claim)), fit)
            estimate = self._rows.with_error_of_open_rows(
                gain, next(self._predict(start)), next(self._predict(current))
            )
            attempt = dataclasses.replace(
                current,
                against=start.name,
                confirmed=estimate.low > 0 and probability_of_gain(estimate) > 0,
                clusters=tuple(self._first["clusters"]),
            )
            return self._append("confirm", attempt, estimate)

    def _append(self, kind: str, attempt: Attempt, estimate: Estimate) -> Attempt:
        """Append a line to the ledger, and return it."""
        scale = self._first["scale"]
        attempt = dataclasses.replace(
            attempt,
            gain=scale * estimate.mean,
            low=scale * estimate.low,
            high=scale * estimate.high,
            certainty=probability_of_gain(estimate),
            unit=self._first["unit"],
        )
        entry = {"rows": self._rows.specification["splits_sha256"], "kind": kind}
        append_entry(self.folder, {**entry, "result": dataclasses.asdict(attempt)})
        return attempt

    @functools.cached_property
    def _rows(self) -> GateRows:
        """The rows, as they were when the gate was made; DataError if they, their splits or the
        target have changed."""
        if self._table is None and not self._first["reading"]:
            raise OptionError(
                "the table of this gate isn't a file",
                "Give it: sb.Gate(folder, table=...).",
            )
        table = (
            read_table(**self._first["reading"]) if self._table is None else self._table
        )
        rows = lock_and_split(table, self._first["metric"])
        path = self.folder / _SPLITS
        text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
        differing = differences(self._first["specification"], rows.specification)
        if text != rows.text():
            differing = [*differing, f"{path} has changed"]
        if differing:
            raise DataError(
                f"{table.name} isn't the table of this gate any more: {differing[0]}",
                "Restore it, or make another gate.",
            )
        return rows

    def _store_predictions(self, predictions: Any, folder: Path) -> Attempt:
        """Write predictions of another library into the folder of a try, and return the try."""
        from safetensors.numpy import save

        values = self._rows.read(predictions)
        with writing(folder, "Free some space."):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(
                folder / _STORED,
                lambda path: path.write_bytes(save({"predictions": values})),
            )
        return Attempt(name="predictions", candidate=None, sha256=hash_of(values))

    def _compare(self, current: Attempt, attempt: Attempt) -> tuple[Attempt, Estimate]:
        """Return a try with whether it is kept, and its gain after as many repeats as that
        takes."""
        for fits in zip(self._predict(current), self._predict(attempt), strict=False):
            repeats = min(map(len, fits))
            estimate = self._rows.gain(*(fit[:repeats] for fit in fits))
            probability = probability_of_gain(estimate)
            is_open = _DROPPED_BELOW <= probability < _KEPT_EARLY_FROM
            if repeats in _LOOKS and not is_open:
                break
        kept = probability >= LIKELY
        return dataclasses.replace(attempt, kept=kept, repeats=repeats), estimate

    def _apply_change(
        self,
        current: Attempt,
        candidate: str | None,
        drop: Sequence[str],
        table: str | Path | None,
        key: str | None,
    ) -> Attempt:
        """Return what the current version is after a change; OptionError or ColumnError if it can't
        be made."""
        if candidate is None and current.candidate is None:
            raise OptionError(
                f"the current version, {current.name}, is of another library, so it can't be changed here",
                f"Change it there and give its {spell('predictions')}, or replace it with a {spell('candidate')}.",
            )
        if key is not None and (table is None or not self._first["reading"]):
            raise OptionError(
                "a key matches the rows of two files",
                "Leave it out: rows then match by their order.",
            )
        words = [
            candidate,
            f"on {Path(table).stem}" if table else "",
            f"without {label_of(drop)}" if drop else "",
        ]
        attempt = Attempt(
            name=" ".join(" ".join(filter(None, words)).split()),
            candidate=candidate or current.candidate,
            drop=current.drop,
            table=current.table if table is None else _absolute_source(table),
            key=current.key if table is None else key,
        )
        other, sha256 = self._table_of(attempt)
        left = [column for column in other.feature_names if column not in current.drop]
        for column in drop:
            if column not in left:
                raise ColumnError(
                    f"no column '{column}' among the features",
                    did_you_mean(column, left),
                )
        return dataclasses.replace(attempt, drop=(*current.drop, *drop), sha256=sha256)

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
            if version.key is not None:
                wanted = open_table(reading["source"], options)[0]
                frame = _matched(frame, wanted, version.key, base.name)
            table, _ = build_table(frame, roles)
            if any(
                not np.array_equal(getattr(table, part), getattr(base, part))
                for part in _TRUTH
            ):
                raise DataError(
                    f"the target of {table.name} differs from that of {base.name}",
                    "Keep the rows and their order, or name a column that both tables have as key.",
                )
        sha256 = table_specification(table, 0)["sha256"]
        if version.sha256 not in (None, sha256):
            raise DataError(
                f"{version.table} has changed since it was tried", "Restore it."
            )
        return table, sha256

    def _predict(
        self, version: Attempt, claim: GateRows | None = None
    ) -> Iterator[npt.NDArray[Any]]:
        """Yield the predictions of a version, look by look; those of another library are stored."""
        folder = self.folder / _FITS / str(version.number)
        if version.candidate is not None:
            yield from (claim or self._rows).predict(
                self._table_of(version)[0],
                version.candidate,
                version.drop,
                self._compute,
                None if claim else folder,
            )
            return
        stored = read_arrays(folder / _STORED).get("predictions")
        if stored is None or hash_of(stored) != version.sha256:
            raise DataError(
                f"{folder / _STORED} is missing or has changed",
                "Restore it from a copy.",
            )
        for repeats in (*(stop for stop in STOPS if stop < len(stored)), len(stored)):
            yield stored[:repeats]


def _matched(frame: Frame, wanted: Frame, key: str, name: str) -> Frame:
    """Return the rows of a frame in the order of those wanted, by a column of both. DataError if it
    doesn't name each row once; ColumnError if there is no such column."""
    keys = wanted.cells(wanted.position_of(key))
    cells = frame.cells(frame.position_of(key))
    row_of = {cell: row for row, cell in enumerate(cells)}
    if (
        len({*keys}) < len(keys)
        or len(row_of) < len(cells)
        or not {*keys} <= row_of.keys()
    ):
        raise DataError(
            f"{frame.where}: column '{key}' doesn't name each row of {name} once",
            "Name a column of keys, and give all rows.",
        )
    ordered = frame.rows(np.array([row_of[cell] for cell in keys]), frame.where)
    return dataclasses.replace(frame, columns=ordered.columns, places=ordered.places)


def _facts(
    rows: GateRows, metric: str | None, predictions: npt.NDArray[Any]
) -> dict[str, Any]:
    """Return what the first line of a ledger says of a gate: its table, its rows, and the score
    that decides, by predictions of the start."""
    table = rows.table
    zero = rows.result("", predictions).tested.loss_of_prior(rows.metric)
    score = DecidingScore.of(
        METRICS[rows.metric], Margin(1.0, "default"), zero, named=metric is not None
    ).shown
    source = (
        {"source": _absolute_source(table.reading["source"])} if table.reading else {}
    )
    unit = "points" if score.in_points else f"in {score.words}"
    if score.percent:
        unit = f"points of {score.words}"
    return {
        "kind": "new",
        "table": table.name,
        "target": table.target_name,
        "reading": table.reading and {**table.reading, **source},
        "metric": metric,
        "n_open": len(rows.open),
        "n_locked": len(rows.locked),
        "scale": score.scale,
        "unit": unit,
        "clusters": [note.column for note in table.notes if note.code == "SB210"],
        "specification": rows.specification,
    }


def _warnings(clusters: Sequence[str]) -> list[str]:
    """Return a warning if rows may be in clusters that the gate doesn't know."""
    return [
        f"Warning: rows of one {column} are open and locked. If they are alike, a gain of chance is "
        f"often confirmed: make the gate again with {spell('group', column)}."
        for column in clusters[:1]
    ]


def _absolute_source(source: str | Path) -> str:
    """Return a source so that it is found from any folder."""
    return str(Path(source).resolve()) if Path(source).is_file() else str(source)


def _current(entries: Sequence[Mapping[str, Any]]) -> Attempt:
    """Return the version that was kept last, or the start."""
    kept = [entry["result"] for entry in entries if entry["result"]["kept"]]
    return convert(kept[-1], Attempt)


def probability_of_gain(estimate: Estimate) -> float:
    """Return the probability of a gain, by one comparison alone; 0 if its error isn't known."""
    if estimate.error_unknown:
        return 0.0
    return certainty(estimate) if estimate.mean > 0 else 1 - certainty(estimate)
