"""What came of training many networks: curves, and the networks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.data import frame_from
from seedbed.errors import TrainingError
from seedbed.evaluation import CURVES, MOST_GHOSTS, summarize_curves
from seedbed.networks import Recipe
from seedbed.training.losses import Loss
from seedbed.training.randomness import seeded
from seedbed.training.reference import outputs_of

if TYPE_CHECKING:
    from altair import ConcatChart

__all__ = ["History"]

Curve = npt.NDArray[np.float32]


class History:
    """Curves and networks of `train_many`.

    Attributes:
        train_loss, test_loss: [epoch, network], float32. Training figures are before an epoch's step, test figures
            after it.
        train_score, test_score: [epoch, network]; accuracy as a share for classes, R2 for numbers.
        score_name: `accuracy` or `R2`.
        seeds: one a network.
        recipe: how they were trained.
        diverged: [network], whether a figure of its curves isn't finite.
        note: what the user should know of how they were trained; empty otherwise.
    """

    def __init__(
        self,
        train_loss: Curve,
        train_score: Curve,
        test_loss: Curve,
        test_score: Curve,
        *,
        seeds: tuple[int, ...],
        recipe: Recipe,
        build: Callable[[], nn.Module],
        states: tuple[dict[str, Tensor], ...],
        loss: Loss,
        n_outputs: int,
        note: str = "",
    ) -> None:
        self.train_loss, self.train_score = train_loss, train_score
        self.test_loss, self.test_score = test_loss, test_score
        self.seeds, self.recipe, self.note = seeds, recipe, note
        self.score_name = loss.score_name
        self.diverged = ~(np.isfinite(train_loss).all(0) & np.isfinite(test_loss).all(0))
        self._build, self._states, self._loss, self._n_outputs = build, states, loss, n_outputs

    def __len__(self) -> int:
        return len(self.seeds)

    def __repr__(self) -> str:
        last = self.test_score[-1, ~self.diverged]
        shown = f"{np.mean(last):.4f}" if len(last) else "none"
        diverged = f", {int(self.diverged.sum())} diverged" if self.diverged.any() else ""
        size = f"{len(self)} networks x {len(self.train_loss)} epochs"
        return f"<History: {size}, mean test {self.score_name} {shown}{diverged}>"

    def _repr_html_(self) -> str:
        from seedbed.figures import svg_of

        return svg_of(self.plot())

    @property
    def train_accuracy(self) -> Curve:
        """The share of training rows predicted right [epoch, network].

        Raises:
            TrainingError: the target is a number, which has no accuracy.
        """
        return self._accuracy(self.train_score)

    @property
    def test_accuracy(self) -> Curve:
        """The share of test rows predicted right [epoch, network].

        Raises:
            TrainingError: the target is a number, which has no accuracy.
        """
        return self._accuracy(self.test_score)

    def _accuracy(self, score: Curve) -> Curve:
        if self.score_name != "accuracy":
            raise TrainingError(f"there is no accuracy, but {self.score_name}", "See train_score and test_score.")
        return score

    @property
    def n_parameters(self) -> int:
        """Of one network."""
        return sum(parameter.numel() for parameter in self._network(0).parameters())

    def networks(self) -> list[nn.Module]:
        """The trained networks as plain modules, in evaluation mode; each is built anew and given its parameters."""
        return [self._network(index) for index in range(len(self))]

    def _network(self, index: int) -> nn.Module:
        with seeded(self.seeds[index]):
            network = self._build()
        state = self._states[index]
        dtype = next((value.dtype for value in state.values() if value.is_floating_point()), torch.float32)
        network.to(dtype).load_state_dict(state, strict=False)  # tied weights stand in the state once
        return network.eval()

    def predict(self, X: Any) -> npt.NDArray[np.float32]:
        """Each network's prediction for each row.

        Returns:
            The probability of class 1 [row, network]; the probabilities [row, class, network] of several classes; the
            numbers [row, network] or [row, output, network] of a regression.

        Raises:
            TrainingError: the networks can't take X.
        """
        X = X if isinstance(X, Tensor) else torch.from_numpy(np.asarray(X))
        outputs = []
        with torch.inference_mode():
            for index in range(len(self)):
                network = self._network(index)
                dtype = next((p.dtype for p in network.parameters()), torch.float32)
                try:
                    outputs.append(outputs_of(network, X.cpu().to(dtype)))
                except (RuntimeError, ValueError, IndexError) as error:
                    message = f"the networks can't take X of shape {list(X.shape)}: {str(error).splitlines()[0]}"
                    raise TrainingError(message) from error
        z = torch.stack(outputs, -1)
        if self._loss.name == "bce":
            z = torch.sigmoid(z)
        elif self._loss.name == "cross_entropy":
            z = torch.softmax(z, 1)
        array: npt.NDArray[np.float32] = z.float().numpy()
        return array[:, 0] if self._n_outputs == 1 else array

    def curves(self, *, title: str = "", name: str = "networks") -> dict[str, Any]:
        """Means, bands and single networks along the epochs as a plain dict: what pictures are drawn from. The interval
        of the mean says what other seeds would do on these very rows."""
        curves = dict(zip(CURVES, (self.train_loss, self.train_score, self.test_loss, self.test_score), strict=True))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            summarized = summarize_curves(curves, max_ghosts=MOST_GHOSTS)
        return {
            "score_name": self.score_name,
            "title": title or f"{len(self)} networks",
            "subtitle": self.recipe.describe(),
            "candidates": [{"name": name, **summarized}],
        }

    def scores(self, name: str = "networks") -> Any:
        """Return a data frame with each network's score on the test rows after the last epoch.

        Its columns are candidate, seed, and accuracy or r2. `sb.judge` takes frames of several candidates, put
        together.

        Args:
            name: of the candidate.

        Raises:
            DataError: neither pandas nor Polars nor PyArrow is installed.
        """
        score = self.test_score[-1].astype(np.float64).tolist()
        columns = {"candidate": [name] * len(self), "seed": list(self.seeds), self.score_name.lower(): score}
        return frame_from(columns)

    def plot(self, path: str | Path | None = None, *, title: str = "") -> ConcatChart:
        """Train and test curves per epoch: the mean, the middle half, every network thin (an Altair chart).

        With a `path` ending in `.png`, `.svg`, `.pdf`, `.html` or `.json` the chart is saved, too.
        """
        from seedbed.figures import learning_curves, save_chart

        chart = learning_curves({"curves": self.curves(title=title)})
        if path is not None:
            save_chart(chart, path)
        return chart
