"""A gate with memory: many tries on fixed splits, and one claim on locked rows that no try has
seen."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import convert

from seedbed.arguments import checked, spelled
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
from seedbed.evaluation.metrics import signed
from seedbed.evaluation.verdicts import LIKELY
from seedbed.experiment.gate_rows import (
    GateRows,
    absolute_source,
    facts_of,
    lock_and_split,
    matched_rows,
    name_of,
    written_table,
)
from seedbed.experiment.plan import STOPS
from seedbed.experiment.run_folder import lock_folder
from seedbed.experiment.specification_file import (
    differences,
    hash_of,
    read_arrays,
    table_specification,
)
from seedbed.files import remove_parts, write_whole
from seedbed.model.ledger import append_entry, read_ledger
from seedbed.report.analyses_text import label_of
from seedbed.report.stored import text_fragment
from seedbed.settings.design import Compute

_LOOKS = (2, 5, 10)
"""The repeats after which a try may be decided."""

_KEPT_EARLY_FROM, _DROPPED_BELOW = 0.99, 0.8
"""The probability of a gain from which a try is kept before the last look, and below which it is
dropped."""

_TRUTH = ("labels", "target", "durations")
_SPLITS = "splits.csv"
_FITS = "versions"
_STORED = "predictions.safetensors"
_LOCKED = "locked"  # the array of predictions for the locked rows


class _Shown:  # as text, at a prompt and in a notebook
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self).splitlines()[0]}>"

    def _repr_html_(self) -> str:
        return text_fragment(str(self))


@dataclass(frozen=True, kw_only=True, repr=False)
class Attempt(_Shown):
    """What was tried, or the start; and its gain over another version, with its 95% range, of a
    claim its 90% range.

    `candidate` is in words, `code` describes a model in code, and neither is known of predictions
    of another library. `table`, `key` and `sha256` are of a file in place of the gate's table;
    without a candidate, `sha256` is of the predictions. `certainty` is the probability of a gain by
    this try alone, and `by_chance` the false discovery rate of kept tries that look at least as
    good, with all tries counted. `confirmed` is whether locked rows show a gain. Of a claim,
    `clusters` are columns whose values repeat in open and locked rows, so that it may be chance."""

    number: int = 0
    name: str
    candidate: str | None
    code: str | None = None
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
        self._code = dict[int, Any]()  # kept models in code, by the number of the try

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
            append_entry(
                folder, {**facts_of(rows, metric, predictions), "result": start}
            )
        return cls(folder, table=read, compute=compute)

    def __str__(self) -> str:
        return str(self.status())

    @checked()
    def try_(
        self,
        candidate: Any = None,
        *,
        name: str = "",
        drop: Sequence[str] = (),
        table: Any = None,
        key: str | None = None,
        predictions: Any = None,
    ) -> Attempt:
        """Compare a change with the current version on the fixed splits; it is kept if it is likely
        better.

        What isn't given is that of the last version that has it: of one in words, or of one in code
        that this object has tried.

        Args:
            candidate: in place of the current one: words; a scikit-learn estimator, pipeline or
                class; or a callable that builds a module, as `compare` takes them. A model in code
                is fitted on each split, and, if it is kept, on all open rows for the claim.
            name: of the try.
            drop: columns to leave out, beside those that are left out already.
            table: a file or a data frame with other columns of the same rows.
            key: a column of both files by which rows are matched; by their order if left out.
            predictions: of any library, a file or data frame: `row` and, of several, `repeat` as in
                `splits.csv`, and `prediction`, `probability` or `probability_LABEL`.

        Raises:
            OptionError: nothing is tried, the candidate isn't one of these, the locked rows have
                been opened, or another process is working.
            DataError: the table has changed, its rows aren't those of the gate, or predictions are
                missing or double.
            TrainingError: the candidate can't be fitted on a split, or some predictions aren't
                finite.

        Examples:
            >>> from sklearn.naive_bayes import GaussianNB
            >>> gate.try_(GaussianNB(), drop=["smoking"])  # doctest: +SKIP
        """
        is_change = candidate is not None or table is not None or len(drop) > 0
        if (predictions is not None) == is_change:
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
            model = None
            if predictions is not None:
                values = self._rows.read(predictions)
                sha256 = _store(folder, {"predictions": values})
                attempt = Attempt(name="predictions", candidate=None, sha256=sha256)
            else:
                if not isinstance(table, str | Path | None):
                    table = written_table(table, folder)
                attempt, model = self._apply_change(
                    entries,
                    candidate,
                    [drop] if isinstance(drop, str) else drop,
                    table,
                    key,
                )
            name = " ".join(name.split()) or attempt.name
            attempt = dataclasses.replace(
                attempt, number=len(entries), name=name, against=current.name
            )
            looks, compared_looks = itertools.tee(self._predict(attempt, model=model))
            attempt, estimate = self._compare(current, attempt, compared_looks)
            if not attempt.kept:
                shutil.rmtree(folder, ignore_errors=True)
            elif attempt.code is not None:
                attempt = self._store_fits(attempt, model, looks)
                self._code[attempt.number] = model
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
            predictions: for the locked rows, of a model of the open rows, if the kept version was
                tried by its predictions.
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
            is_fitted_here = current.candidate is not None or _LOCKED in self._stored(
                current
            )
            if (predictions is None) != is_fitted_here:
                raise OptionError(
                    f"{current.name} is {'trained here' if is_fitted_here else 'of another library'}",
                    "Leave predictions out."
                    if is_fitted_here
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

    def _store_fits(
        self, attempt: Attempt, model: Any, looks: Iterator[npt.NDArray[Any]]
    ) -> Attempt:
        """Write what a model in code predicts in all repeats, and by a fit to all open rows for the
        locked ones; return the try with the SHA-256 of both."""
        *_, predictions = looks
        locked = next(self._predict(attempt, self._rows.claim, model))
        arrays = {"predictions": predictions, _LOCKED: locked}
        sha256 = _store(self.folder / _FITS / str(attempt.number), arrays)
        return dataclasses.replace(attempt, sha256=sha256)

    def _compare(
        self, current: Attempt, attempt: Attempt, looks: Iterator[npt.NDArray[Any]]
    ) -> tuple[Attempt, Estimate]:
        """Return a try with whether it is kept, and its gain after as many repeats as that takes,
        by its predictions look by look."""
        for fits in zip(self._predict(current), looks, strict=False):
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
        entries: Sequence[Mapping[str, Any]],
        candidate: Any,
        drop: Sequence[str],
        table: str | Path | None,
        key: str | None,
    ) -> tuple[Attempt, Any]:
        """Return what the last version that can be changed is after a change, and its model in
        words or in code; OptionError or ColumnError if it can't be made."""
        base = self._changeable(entries, has_model=candidate is not None)
        if key is not None and (table is None or not self._first["reading"]):
            raise OptionError(
                "a key matches the rows of two files",
                "Leave it out: rows then match by their order.",
            )
        words = [
            "" if candidate is None else name_of(candidate),
            f"on {Path(table).stem}" if table else "",
            f"without {label_of(drop)}" if drop else "",
        ]
        name = " ".join(" ".join(filter(None, words)).split())
        if candidate is None and base != _current(entries):
            name += f", of {base.name}"
        model = candidate
        if model is None:
            model = base.candidate or self._code[base.number]
        is_words = isinstance(model, str)
        attempt = Attempt(
            name=name,
            candidate=model if is_words else None,
            code=None if is_words else _description(model),
            drop=base.drop,
            table=base.table if table is None else self._stored_source(table),
            key=base.key if table is None else key,
        )
        other, sha256 = self._table_of(attempt)
        left = [column for column in other.feature_names if column not in base.drop]
        for column in drop:
            if column not in left:
                raise ColumnError(
                    f"no column '{column}' among the features",
                    did_you_mean(column, left),
                )
        attempt = dataclasses.replace(attempt, drop=(*base.drop, *drop), sha256=sha256)
        return attempt, model

    def _stored_source(self, table: str | Path) -> str:
        """Return a table as the ledger has it: a file in the folder without it, so that the folder
        can be moved."""
        if Path(table).is_relative_to(self.folder):
            return str(Path(table).relative_to(self.folder))
        return absolute_source(table)

    def _changeable(
        self, entries: Sequence[Mapping[str, Any]], has_model: bool
    ) -> Attempt:
        """Return the last kept version that isn't known by its predictions alone. Its model in code
        must be at hand, unless the change has a model."""
        for entry in reversed(entries):
            version = convert(entry["result"], Attempt)
            has_code = version.code is not None
            is_at_hand = has_model or version.number in self._code
            if version.kept and (version.candidate or (has_code and is_at_hand)):
                break
        return version

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
            own_file = self.folder / version.table
            source = own_file if own_file.is_file() else version.table
            frame, roles = open_table(source, options)
            if version.key is not None:
                wanted = open_table(reading["source"], options)[0]
                frame = matched_rows(frame, wanted, version.key, base.name)
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
        self, version: Attempt, claim: GateRows | None = None, model: Any = None
    ) -> Iterator[npt.NDArray[Any]]:
        """Yield the predictions of a version, look by look, or those of a claim. Those of a model
        in code are stored, unless it is given."""
        model = version.candidate if model is None else model
        if model is not None:
            yield from (claim or self._rows).predict(
                self._table_of(version)[0],
                model,
                version.drop,
                self._compute,
                None if claim else self.folder / _FITS / str(version.number),
            )
            return
        stored = self._stored(version)
        if claim is not None:
            yield stored[_LOCKED]
            return
        predictions = stored["predictions"]
        n_repeats = len(predictions)
        for repeats in (*(stop for stop in STOPS if stop < n_repeats), n_repeats):
            yield predictions[:repeats]

    def _stored(self, version: Attempt) -> dict[str, npt.NDArray[Any]]:
        """Return the stored predictions of a version. DataError if they have changed."""
        path = self.folder / _FITS / str(version.number) / _STORED
        arrays = read_arrays(path)
        if not arrays or _hash_of_arrays(arrays) != version.sha256:
            raise DataError(
                f"{path} is missing or has changed", "Restore it from a copy."
            )
        return arrays


def _store(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Write predictions into the folder of a try, and return their SHA-256."""
    from safetensors.numpy import save

    content = save({**arrays})
    with writing(folder, "Free some space."):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _STORED, lambda path: path.write_bytes(content))
    return _hash_of_arrays(arrays)


def _hash_of_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    return hash_of(*(arrays[name] for name in sorted(arrays)))


def _warnings(clusters: Sequence[str]) -> list[str]:
    """Return a warning if rows may be in clusters that the gate doesn't know."""
    return [
        f"Warning: rows of one {column} are open and locked. If they are alike, a gain of chance is "
        f"often confirmed: make the gate again with {spell('group', column)}."
        for column in clusters[:1]
    ]


def _description(model: Any) -> str:
    """Return the name of a model in code, with the parameters of an estimator."""
    is_class = isinstance(model, type)
    has_parameters = hasattr(model, "get_params") and not is_class
    return spelled(model) if has_parameters else name_of(model)


def _current(entries: Sequence[Mapping[str, Any]]) -> Attempt:
    """Return the version that was kept last, or the start."""
    kept = [entry["result"] for entry in entries if entry["result"]["kept"]]
    return convert(kept[-1], Attempt)


def probability_of_gain(estimate: Estimate) -> float:
    """Return the probability of a gain, by one comparison alone; 0 if its error isn't known."""
    if estimate.error_unknown:
        return 0.0
    return certainty(estimate) if estimate.mean > 0 else 1 - certainty(estimate)
