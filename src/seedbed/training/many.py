"""`train_many`: one architecture, one split, many seeds; and the `History` that it returns."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seedbed.arguments import checked, shown
from seedbed.data.sources.memory import native_frame
from seedbed.errors import OptionError, TrainingError, counted, warn
from seedbed.evaluation.single_runs import CURVES, Curves, summarize_curves
from seedbed.networks.candidate import Candidate, candidate_from
from seedbed.networks.layers import Arrays
from seedbed.networks.mlp import MLP
from seedbed.networks.network import Network, Source, predictor_of
from seedbed.settings.design import Compute, EngineName
from seedbed.settings.fields import taking
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import source_of
from seedbed.training.data import TrainingData, finite_array, one_split
from seedbed.training.loop import train_chunks
from seedbed.training.losses import Loss, pick_loss
from seedbed.training.parallel import pick_jobs
from seedbed.training.planning import pick_device, pick_engine, plan_chunks
from seedbed.training.stack import Chunk, traits_of
from seedbed.training.torch import has_torch, require_torch

_MOST_SEEDS = 1_000_000
_MOST_ABSENT = 1000  # classes of which most have no row: each takes memory


@checked()
@taking(Recipe.tutorial())
def train_many(
    build: Callable[..., Any] | Candidate | MLP | str,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    seeds: Sequence[int] | int = 100,
    sample_weight: Any = None,
    engine: EngineName = "auto",
    device: Any = "auto",
    n_jobs: int | None = None,
    dtype: Any = "float32",
    **recipe: Any,
) -> History:
    """Train one network per seed, all at once, by default with the recipe of the tutorial.

    A network with seed `s` equals, up to rounding, the result of a plain loop under
    `torch.manual_seed(s)`. That ends where random numbers are drawn later: the order of minibatches
    and the masks of `nn.Dropout` depend on the seed, and other draws in `forward` also on the
    networks that train at once. Start values are always those of the loop.

    >>> X, y = [[0.0], [1.0], [0.0], [1.0]], [0, 1, 0, 1]
    >>> train_many("relu:2", X, y, X, y, seeds=3, epochs=2).test_loss.shape
    (2, 3)

    Args:
        build: returns a new `nn.Module`. `n_features` and `n_outputs` are passed by name if the
            signature has them, and `numbers`, the positions of all features; no other parameter may
            be required. Or a candidate's words such as `"relu:5"`, whose recipe overrides the
            arguments. The module returns [row, output] or [row].
        X_train: features of the training rows [row, feature], array or tensor. They aren't
            standardised.
        y_train: targets of the training rows, [row] or [row, output]: zeros and ones, class codes
            from 0, or numbers.
        X_test: features of the test rows [row, feature].
        y_test: targets of the test rows.
        seeds: one seed per network; a number means `range(number)`.
        sample_weight: weight of each training row in loss and training figures [row].
        engine: `"native"` is the kernel, for networks that it covers; `"torch"` takes all, by
            `torch.func.vmap` or else one after the other; `"auto"` uses the kernel if possible.
        device: `"cpu"`, `"cuda"` or `"auto"`, which is CUDA if available.
        n_jobs: chunks of networks to train at a time; None means one per core.
        dtype: `"float32"`, or `"float64"` to study rounding.
        recipe: the settings of `Recipe`. If `loss` is left out, the values of `y_train` and
            `y_test` decide whether they are labels, class codes or numbers, and `History.note`
            says how.

    Raises:
        SeedbedError: the arrays don't fit together or contain NaN, or an option is out of range.

    Warns:
        UserWarning: the module seems to end with a sigmoid or softmax instead of returning logits.
    """
    common = Recipe.tutorial(**recipe)
    dtype = _name_of_dtype(dtype)
    data = one_split((X_train, y_train), (X_test, y_test), sample_weight, dtype)
    make, settings = _builder(candidate_from(build), data, common)
    numbers = _seeds(seeds)
    n_workers = pick_jobs(n_jobs)
    where = pick_device(Compute(device=device).device)
    traits = traits_of(make, 0, data)
    pick_engine(engine, traits, where, dtype)
    smoothing = settings.label_smoothing
    loss = pick_loss(settings.loss, data.y, traits.n_outputs, label_smoothing=smoothing)
    if not isinstance(make, Network) and loss.of_classes:
        from seedbed.training.torch.own_modules import probabilities_warning

        if warning := probabilities_warning(make, data.X.shape[1]):
            warn(warning)
    # The digits of a single network are exactly those of the tutorial's loop.
    plain = len(numbers) == 1 and sample_weight is None and has_torch()
    chunks = plan_chunks(
        Chunk(
            make,
            data,
            settings,
            numbers,
            [0] * len(numbers),
            dtype=dtype,
            device=where,
            engine="plain" if plain else engine,
        )
    )
    results = [result for _, result in sorted(train_chunks(chunks, n_workers))]
    order = np.argsort([network for chunk in chunks for network in chunk.networks])
    curves = np.concatenate([result.curves for result in results], axis=2)
    states = [state for result in results for state in result.states]
    note = chunks[0].note
    if settings.loss == "auto":
        note = "; ".join(filter(None, (note, _reading(loss, traits.n_outputs))))
    return History(
        np.take(curves, order, axis=2),
        seeds=numbers,
        recipe=settings,
        build=make,
        states=tuple(states[place] for place in order),
        loss=loss,
        n_outputs=traits.n_outputs,
        n_parameters=traits.n_parameters,
        note=note,
    )


def _name_of_dtype(dtype: Any) -> str:
    """Return the name of a type of numbers, also of torch's."""
    if type(dtype).__name__ == "dtype":
        return str(dtype).removeprefix("torch.")
    if not isinstance(dtype, str):
        raise OptionError(
            f"dtype is {shown(dtype)}", "It must be a text: float32 or float64."
        )
    return dtype


def _reading(loss: Loss, n_outputs: int) -> str:
    """Return how a target was read, of which only its values are known."""
    kinds = {
        "bce": "labels 0 and 1",
        "cross_entropy": f"codes of {n_outputs} classes",
        "mse": "numbers",
    }
    about = "judging by its values; set loss='bce', 'cross_entropy' or 'mse' to choose"
    return f"y was read as {kinds[loss.name]}, {about}"


def _builder(
    candidate: Candidate, data: TrainingData, common: Recipe
) -> tuple[Source, Recipe]:
    """Return the network for this table, or what builds it, and the candidate's recipe."""
    recipe = candidate.recipe(common).for_rows(len(data.y))
    if recipe.patience:
        raise OptionError(
            "patience needs rows that are left out, and train_many leaves out none",
            "Remove it.",
        )
    codes = data.y.ndim == 1 and bool((data.y == np.floor(data.y)).all())
    n_classes = int(data.y.max()) + 1 if codes and data.y.min() >= 0 else 0
    n_outputs = 1 if data.y.ndim == 1 else data.y.shape[1]
    if n_classes and (
        recipe.loss == "cross_entropy"
        or (recipe.loss == "auto" and 2 < n_classes <= 50)
    ):
        n_outputs = n_classes
        n_codes = len(np.unique(data.y))
        if n_classes > max(_MOST_ABSENT, 2 * n_codes):
            raise TrainingError(
                f"the target has {n_codes} class codes, and the largest is {n_classes - 1:,}",
                "Code it as 0, 1, 2, ...: np.unique(y, return_inverse=True)[1] of training and test rows together.",
            )
    return source_of(candidate.architecture, data.X.shape[1], n_outputs), recipe


def _seeds(seeds: Sequence[int] | int) -> tuple[int, ...]:
    if not isinstance(seeds, Iterable):
        if seeds > _MOST_SEEDS:
            raise OptionError(
                f"seeds is {shown(seeds)}", f"Give {_MOST_SEEDS:,} at most."
            )
        seeds = range(seeds)
    try:
        numbers = tuple(operator.index(seed) for seed in seeds)
    except TypeError:
        raise OptionError(
            f"seeds is {shown(seeds)}",
            "Give their number, or a whole number per network.",
        ) from None
    if any(not -(2**63) <= seed < 2**64 for seed in numbers):
        raise OptionError(
            "a seed is too large for torch", "Seeds have at most 64 bits."
        )
    if not numbers:
        raise OptionError("no seeds are given", "Give at least one.")
    return numbers


if TYPE_CHECKING:
    from seedbed.figures.drawing import Chart


Curve = npt.NDArray[np.floating]


class History:
    """Curves and networks of `train_many`.

    Attributes:
        train_loss, test_loss: in the dtype of the training [epoch, network]. Training figures are
            from before an epoch's step, test figures from after it.
        train_score, test_score: accuracy as a share for classes, R2 for numbers [epoch, network].
        score_name: `accuracy` or `R2`.
        seeds: one per network.
        recipe: how the networks were trained.
        diverged: whether a network's curves contain a value that isn't finite [network].
        n_parameters: parameters of one network.
        note: what was assumed, and warnings about the training; may be empty.
    """

    def __init__(
        self,
        curves: Curve,
        *,
        seeds: tuple[int, ...],
        recipe: Recipe,
        build: Source,
        states: tuple[Arrays, ...],
        loss: Loss,
        n_outputs: int,
        n_parameters: int,
        note: str,
    ) -> None:
        self.train_loss, self.train_score, self.test_loss, self.test_score = curves
        self.seeds = seeds
        self.recipe = recipe
        self.n_parameters = n_parameters
        self.note = note
        self.score_name = loss.score_name
        self.diverged = ~(
            np.isfinite(self.train_loss).all(0) & np.isfinite(self.test_loss).all(0)
        )
        if self.diverged.all():
            subject = f"all {len(seeds)} networks" if len(seeds) > 1 else "the network"
            self.note = "; ".join(
                filter(
                    None, (note, f"{subject} diverged: try a lower learning rate, lr")
                )
            )
        self._build = build
        self._states = states
        self._loss = loss
        self._n_outputs = n_outputs

    def __len__(self) -> int:
        return len(self.seeds)

    def __repr__(self) -> str:
        last = self.test_score[-1, ~self.diverged]
        score = f"{np.mean(last):.4f}" if len(last) else "none"
        diverged = (
            f", {int(self.diverged.sum())} diverged" if self.diverged.any() else ""
        )
        size = f"{counted(len(self), 'network')} x {counted(len(self.train_loss), 'epoch')}"
        return f"<History: {size}, mean test {self.score_name} {score}{diverged}>"

    def _repr_html_(self) -> str:
        from seedbed.figures.drawing import svg_of

        return svg_of(self.plot())

    @property
    def train_accuracy(self) -> Curve:
        """The share of correctly predicted training rows [epoch, network]. TrainingError if the
        target is a number."""
        return self._accuracy(self.train_score)

    @property
    def test_accuracy(self) -> Curve:
        """The share of correctly predicted test rows [epoch, network]. TrainingError if the target
        is a number."""
        return self._accuracy(self.test_score)

    def _accuracy(self, score: Curve) -> Curve:
        if self.score_name != "accuracy":
            raise TrainingError(
                f"the score is {self.score_name}, not accuracy",
                "See train_score and test_score.",
            )
        return score

    def networks(self) -> list[Any]:
        """Return the trained networks as plain `nn.Module`s in evaluation mode. Each call builds
        new modules.

        Raises:
            OptionError: PyTorch isn't installed.
        """
        require_torch("a network as a module")
        from seedbed.training.torch.own_modules import trained_module

        return [
            trained_module(self._build, *pair)
            for pair in zip(self.seeds, self._states, strict=True)
        ]

    @np.errstate(
        over="ignore", invalid="ignore"
    )  # of large logits, and networks that diverged
    def predict(self, X: Any) -> Curve:
        """Return each network's prediction for each row.

        Args:
            X: features [row, feature], prepared like those of the training rows.

        Returns:
            Probabilities of class 1 [row, network], of several classes [row, class, network], or
            for regression numbers [row, network] or [row, output, network].

        Raises:
            TrainingError: the networks can't take X.
        """
        inputs = finite_array("X", X)
        try:
            if isinstance(self._build, Network):
                states = {
                    name: np.stack([state[name] for state in self._states])
                    for name in self._states[0]
                }
                dtype = next(
                    value.dtype for value in states.values() if value.dtype.kind == "f"
                )
                if inputs.ndim != 2:
                    raise ValueError("they take [row, feature]")
                z = np.moveaxis(
                    predictor_of(self._build, states)(inputs.astype(dtype)), 0, -1
                )
            else:
                from seedbed.training.torch.own_modules import outputs_of_modules

                z = np.stack(outputs_of_modules(self.networks(), inputs), axis=-1)
        except (RuntimeError, ValueError, IndexError) as error:
            message = f"the networks can't take X of shape {list(inputs.shape)}: {str(error).splitlines()[0]}"
            raise TrainingError(message) from error
        if self._loss.name == "bce":
            z = 1 / (1 + np.exp(-z))
        elif self._loss.name == "cross_entropy":
            z = np.exp(z - z.max(axis=1, keepdims=True))
            z /= z.sum(axis=1, keepdims=True)
        array: Curve = z.astype(self.train_loss.dtype)
        return array[:, 0] if self._n_outputs == 1 else array

    def curves(self, *, title: str = "", name: str = "networks") -> Curves:
        """Return means, bands and single networks along the epochs, from which charts are drawn."""
        curves = dict(
            zip(
                CURVES,
                (self.train_loss, self.train_score, self.test_loss, self.test_score),
                strict=True,
            )
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            summarized = summarize_curves(name, curves)
        title = title or counted(len(self), "network")
        return Curves(
            score_name=self.score_name,
            title=title,
            subtitle=self.recipe.describe(),
            candidates=(summarized,),
        )

    def scores(self, name: str = "networks") -> Any:
        """Return a data frame with each network's score on the test rows after the last epoch.

        Its columns are candidate, seed, and accuracy or r2. `sb.judge` accepts concatenated frames
        of several candidates.

        Args:
            name: the candidate's name.

        Raises:
            DataError: neither pandas nor Polars nor PyArrow is installed.
        """
        score = self.test_score[-1].astype(np.float64).tolist()
        columns = {
            "candidate": [name] * len(self),
            "seed": list(self.seeds),
            self.score_name.lower(): score,
        }
        return native_frame(columns)

    def plot(self, path: str | Path | None = None, *, title: str = "") -> Chart:
        """Return a chart of training and test curves: the mean, the middle half, and thin lines per
        network.

        Args:
            path: also save the chart there; it ends in `.png`, `.svg`, `.pdf`, `.html` or `.json`.
            title: the title of the chart.
        """
        from seedbed.figures.curves import learning_curves
        from seedbed.figures.drawing import save_chart

        chart = learning_curves(self.curves(title=title))
        if path is not None:
            save_chart(chart, path)
        return chart
