"""A model: fitted networks that predict, and that can be saved, described and exported."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.arguments import check_arguments
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.typed import as_text
from seedbed.errors import CandidateError, OptionError, counted, visible
from seedbed.evaluation.summaries import Note
from seedbed.model.ensemble import Ensemble
from seedbed.model.model_file import (
    check_target,
    check_writable,
    read_model,
    to_bytes,
    write_checked,
)
from seedbed.model.predicting import Predictions, predict_frame
from seedbed.model.sets import COVERAGE
from seedbed.networks.mlp import MLP, BlendedMembers
from seedbed.report.card import card_text
from seedbed.report.evaluation_text import Evaluation
from seedbed.report.stored import text_fragment
from seedbed.typing import Floats


@dataclass(frozen=True)
class Exported:
    """The files that were written, and notes on where they differ from the model."""

    files: tuple[Path, ...]
    notes: tuple[Note, ...] = ()


class Model(Ensemble):
    """Networks, one per seed, whose predictions are averaged; from `fit_model`, `Comparison.model`
    or `load`.

    `Ensemble` documents the attributes.

    Examples:
        >>> model = sb.fit_model("example:iris", "relu:5", n_networks=2)
        >>> model
        <Model relu:5 of 2 networks, predicts species (multiclass)>
        >>> model.predict_proba("example:iris").shape
        (150, 3)
    """

    def predict(self, rows: Any, *, threshold: float | None = None) -> NDArray[Any]:
        """Return the predicted label, number, or median survival, of each row [row]. A median later
        than the horizon is NaN.

        Args:
            rows: a data frame of any library, records (dicts), an array in the order of
                `feature_names_in_`, a path, or any other source that `read_table` takes.
            threshold: for two labels, replaces the model's own threshold.

        Raises:
            DataError: the rows can't be read, lack a column, or mostly hold values that training
                never saw.
            OptionError: the threshold isn't a probability, or the model doesn't have two labels.
        """
        self.outcome.check_threshold(threshold)
        return self.labelled(self.predictions(rows), threshold)

    def predict_proba(self, rows: Any) -> Floats:
        """Return the probability of each class [row, class], in the order of `classes_`, averaged
        over the networks.

        Raises:
            DataError: as `predict`.
            AttributeError: the model predicts numbers.
        """
        self.outcome.check_method("predict_proba")
        return self.predictions(rows).probabilities

    def predict_survival(
        self, rows: Any, *, at: Sequence[float] | float | None = None
    ) -> Floats:
        """Return the probability that the event hasn't come until some times [row, time].

        Args:
            rows: as in `predict`.
            at: the times, up to the horizon; by default those of `follow_up.cuts`.

        Raises:
            DataError: as `predict`.
            OptionError: a time is negative or after the horizon.
            AttributeError: the model isn't of survival.

        Examples:
            >>> import pandas as pd
            >>> rows = pd.DataFrame({"dose": [1, 2, 3] * 20, "days": range(60), "died": [0, 1, 1, 0] * 15})
            >>> model = sb.fit_model(sb.read_table(rows, event="died", time="days"), "logistic")
            >>> model.predict_survival(rows[:5], at=[10, 30]).shape
            (5, 2)
        """
        self.outcome.check_method("predict_survival")
        return self.survival(self.predictions(rows), at)

    def survival(
        self, predictions: Predictions, at: Sequence[float] | float | None = None
    ) -> Floats:
        """Return what `predict_survival` does, of the result of `predictions`."""
        times = (
            ()
            if at is None
            else np.atleast_1d(np.asarray(at, dtype=np.float64)).tolist()
        )
        self.outcome.check_times(times, self)
        return self.outcome.parts_of(predictions.values, self, times)

    def predict_set(
        self, rows: Any, *, coverage: float = COVERAGE, per_class: bool = False
    ) -> NDArray[np.bool_]:
        """Return for each row whether each label is in its prediction set [row, class], in the
        order of `classes_`.

        Args:
            rows: as in `predict`.
            coverage: share of new rows whose label is to be in their set.
            per_class: whether the share is to hold in each class, instead of over all rows. Sets
                are larger then.

        Raises:
            DataError: as `predict`.
            OptionError: the coverage isn't between 0 and 1, there were too few rows for it, or the
                model has no sets.
            AttributeError: the model predicts numbers.
        """
        self.outcome.check_method("predict_set")
        return self.covering(self.predictions(rows), coverage, per_class=per_class)

    def predict_interval(self, rows: Any, *, coverage: float = COVERAGE) -> Floats:
        """Return the ends of the interval around each predicted number [row, 2].

        Args:
            rows: as in `predict`.
            coverage: share of new rows whose number is to be in their interval.

        Raises:
            DataError: as `predict`.
            OptionError: as `predict_set`.
            AttributeError: the model predicts labels.
        """
        self.outcome.check_method("predict_interval")
        return self.covering(self.predictions(rows), coverage)

    def predict_range(self, rows: Any) -> Floats:
        """Return the ends of the range of what a model predicts that is trained on as many other
        rows [row, 2]. It holds 95 % of such predictions.

        Of two labels it is about the probability of the second, of several about that of the most
        probable one; in survival about the probability of no event until the horizon. It says how
        sure the model is; `predict_set` and `predict_interval` say where the truth lies.

        Args:
            rows: as in `predict`.

        Raises:
            DataError: as `predict`.
            OptionError: the model has no ranges: it is one network, its networks leave out no rows
                or the same ones, or an earlier version saved it.
        """
        self.check_ranges()
        return self.predictions(rows).ranges

    def covering(
        self,
        predictions: Predictions,
        coverage: float = COVERAGE,
        *,
        per_class: bool = False,
    ) -> NDArray[Any]:
        """Return what `predict_set` or `predict_interval` does, of the result of `predictions`.

        Raises:
            OptionError: as `predict_set`, or `per_class` is given for numbers.
        """
        return self.outcome.covering(
            predictions.probabilities,
            self.thresholds_of_sets(coverage, per_class=per_class),
        )

    def predictions(self, rows: Any) -> Predictions:
        """Return the predictions, their spread over the networks, and the unusual cells of each
        row.

        Raises:
            DataError: as `predict`.
        """
        return predict_frame(
            self,
            read_new_rows(rows, self.feature_names_in_, as_text=as_text(self.schemas)),
        )

    def evaluate(
        self,
        rows: Any,
        *,
        by: str | None = None,
        group: str | None = None,
        against: Model | None = None,
        threshold: float | None = None,
        new_site: bool = False,
        watch: str | os.PathLike[str] | None = None,
        **source: Any,
    ) -> Evaluation:
        """Return whether the model holds on rows with known outcome what its comparison promised.

        Args:
            rows: as in `predict`, with the target. Rows that a model was trained on are left out.
                Rows with an unknown label count as wrong.
            by: a column; each of its values, or of four ranges of its numbers, gets a verdict of
                its own.
            group: a column; rows with the same value, such as those of one patient, may be alike.
            against: another model of the same target, for the paired verdict on these rows.
            threshold: for two labels, the probability at which net benefit is computed, in place of
                the model's own.
            new_site: whether the rows are of a site that the comparison didn't have, by whose
                range they are judged. Rows of its sites are left out.
            watch: a file, the ledger of all looks at this model. These rows are added to it, and
                the verdict is on all rows in it, by a test that holds at all looks together: at
                most 5 % of unchanged models ever get a false one. A row counts once.
            source: options of the source, such as `table`.

        Raises:
            DataError: as `predict`, or the rows lack a column.
            TooFewRowsError: there are fewer than two new rows with an outcome.
            OptionError: the other model predicts something else, the column has too many values,
                there is no promise for a new site or to watch, the ledger is that of another model,
                or as `predict`.
            UnreadableError: the ledger is damaged.
        """
        from seedbed.model.evaluating import evaluate

        check_arguments(
            Model.evaluate,
            {
                "by": by,
                "group": group,
                "against": against,
                "threshold": threshold,
                "watch": watch,
            },
        )
        return evaluate(
            self, rows, by, group, against, threshold, new_site, watch, source
        )

    def recalibrated(self, rows: Any) -> Model:
        """Return the model with its log-odds or numbers corrected on rows with known outcome: by an
        intercept, by an intercept and a slope, or not at all if these rows don't show that it is off.

        A closed test of likelihood ratios decides (Vergouwe et al. 2017,
        https://doi.org/10.1002/sim.7179). The new promise is measured on these rows, each corrected by
        the other ones. Prediction sets are lost.

        Args:
            rows: as in `evaluate`. Rows that the model was trained on are left out.

        Raises:
            OptionError: the model has several labels, or is of survival.
            TooFewRowsError: there are fewer than 30 new rows, or 10 of each label.
            DataError: as `evaluate`, or the predictions are the wrong way round.

        Examples:
            >>> import numpy as np
            >>> import pandas as pd
            >>> rng = np.random.default_rng(0)
            >>> x = rng.normal(size=400)
            >>> rows = pd.DataFrame({"x": x, "y": 2 * x + rng.normal(size=400)})
            >>> model = sb.fit_model(sb.read_table(rows[:200], target="y"), "linear")
            >>> later = rows[200:].assign(y=rows["y"] + 5)
            >>> moved = model.recalibrated(later)
            >>> round((moved.predict(later) - model.predict(later)).mean())
            5
        """
        from seedbed.model.recalibrating import recalibrated

        return dataclasses.replace(self, **recalibrated(self, rows))

    def labelled(
        self, predictions: Predictions, threshold: float | None = None
    ) -> NDArray[Any]:
        """Return what `predict` does, of the result of `predictions`, without a check of the
        threshold."""
        return self.outcome.labelled(predictions.values, self, threshold)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one `.safetensors` file, completely or not at all; return its path.

        Raises:
            OptionError: the path can't be written to, or doesn't end in `.safetensors`.
            ModelFileError: the description of its columns is too long for a model file.
        """
        path = check_target(path)
        content = to_bytes(self)
        write_checked(path, "the model", lambda where: where.write_bytes(content))
        return path

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        coverage: float | None = None,
        per_class: bool = False,
    ) -> Exported:
        """Write preprocessing and all networks as one ONNX file, completely or not at all.

        This needs the extra `seedbed[onnx]`; the file needs ONNX Runtime alone. docs/export.md
        describes its inputs and outputs.

        Args:
            path: the file, which ends in `.onnx`.
            coverage, per_class: as in `predict_set`. With a coverage, the file also returns sets or
                intervals.

        Returns:
            The file, and notes on where it differs from the model.

        Raises:
            OptionError: the path can't be written to or has another ending, a package is missing,
                or as `predict_set`.
            CandidateError: the networks are your own module, not built from a candidate's words.
        """
        path = Path(path)
        if (
            self.n_levels
        ):  # the file has the column of the expanded rows as one more input
            if coverage is not None or per_class:
                self.thresholds_of_sets(coverage, per_class=per_class)
            learnt = dataclasses.replace(
                self, task=self.outcome.learns, follow_up=None
            ).export(path)
            name = self.preprocessor.feature_names_in_[-1]
            return Exported(
                (path,),
                (*learnt.notes, Note(self.outcome.about_levels(name, self), name)),
            )
        if path.suffix != ".onnx":
            raise OptionError(
                f"can't write an ONNX file to {path}", "Name a file that ends in .onnx."
            )
        if type(self.architecture) not in (MLP, BlendedMembers):
            message = f"'{self.candidate}' is a network of your own; an ONNX file can be made of candidates in words only"
            raise CandidateError(
                message,
                "Export it yourself: model.networks() are plain modules, and torch.onnx.export takes each of them.",
            )
        sets: dict[str, Any] = {}
        if coverage is not None or per_class:
            limits = self.thresholds_of_sets(coverage, per_class=per_class)
            assert coverage is not None
            sets = {
                "coverage": float(coverage),
                "per_class": per_class,
                "thresholds": limits.tolist(),
            }
        try:
            import onnx  # noqa: F401 - the module that needs it is imported only if it is installed
        except ImportError:
            message = "an ONNX file needs the package onnx"
            raise OptionError(
                message, "Install it: pip install 'seedbed[onnx]'."
            ) from None
        from seedbed.model.onnx_file import onnx_of

        check_writable(path, "the model")
        content = onnx_of(self, sets).SerializeToString()
        write_checked(path, "the model", lambda where: where.write_bytes(content))
        return Exported((path,), _unlike_seedbed(self.preprocessor))

    def __repr__(self) -> str:
        networks = counted(self.n_networks, "network")
        return visible(
            f"<Model {self.candidate} of {networks}, predicts {self.target_name} ({self.task})>"
        )

    def __str__(self) -> str:
        return card_text(self.card())

    def _repr_html_(self) -> str:
        return text_fragment(str(self))


def load(
    path: str | os.PathLike[str], *, architecture: Callable[..., Any] | None = None
) -> Model:
    """Load the model that `Model.save` has written to a file.

    This is safe for files of strangers: a file contains numbers and no code. Loading takes memory
    for the file and for two networks.

    Args:
        path: the file.
        architecture: for a model of your own module, the class or function that builds it, because
            nothing that a file names is imported.

    Raises:
        ModelFileError: not a model file, a file of another version, or a damaged file.
        CandidateError: the model is of your own module, and `architecture` is missing or doesn't
            fit.

    Examples:
        >>> path = sb.fit_model("example:iris", "relu:5", n_networks=2).save("iris.safetensors")
        >>> sb.load(path)
        <Model relu:5 of 2 networks, predicts species (multiclass)>
    """
    return Model(**read_model(path, architecture))


def _unlike_seedbed(preprocessor: Preprocessor) -> tuple[Note, ...]:
    """Return a note for each column of which the file reads some texts differently from the
    model."""
    layout = preprocessor.layout
    notes = []
    for column, buckets in zip(
        layout.categories, layout.places.buckets_of_categories, strict=True
    ):
        schema = layout.schemas[column]
        if len(buckets) > 1:
            message = (
                f"'{schema.name}': predictions differ from seedbed's for a level that the table didn't have: it is "
                "in the first of the column's 32 groups of rare levels; in seedbed, its text decides on the group"
            )
            notes.append(Note(message, schema.name))
        if all(map(_is_number, schema.levels)):
            message = f"'{schema.name}': its levels are numbers; write them exactly as the table does, such as "
            notes.append(
                Note(
                    f"{message}{schema.levels[0]!r}",
                    schema.name,
                    finding="levels are numbers",
                )
            )
    return tuple(notes)


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        return math.isfinite(float(text))
    return False
