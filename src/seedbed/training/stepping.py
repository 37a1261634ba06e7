"""Train one chunk of a stack by torch, from the first epoch to the last, on one thread."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.errors import CandidateError, TrainingError
from seedbed.evaluation import CURVES, Waiting
from seedbed.settings import Tensors
from seedbed.training.chunk import Chunk, ChunkResult, Savepoint
from seedbed.training.data import TrainingData
from seedbed.training.forward import Chain, Forward, dead_share, shared_forward
from seedbed.training.inputs import Inputs, Placing, look_at_splits, looking
from seedbed.training.losses import Loss, check_smoothing, encode_target, r2
from seedbed.training.optimizers import clock, pick_optimizer, rate_factors
from seedbed.training.randomness import network_keys, reseed, seeded
from seedbed.training.reference import outputs_of
from seedbed.training.rows import Ensembles, WholeTable, WindowedTable
from seedbed.training.stack import Pass, build_network, draw_states, stack_networks, stack_states, unstack
from seedbed.training.step import Hyper, StackState, Steps, make_steps

__all__ = ["Best", "Training"]

_CHECKED = 16  # epochs between two checks whether networks may end, or an eighth of the epochs done


class Best:
    """The epoch with the lowest loss of each group of networks; the first one if several are equal.

    The networks of a group share an epoch. The epoch of a single network's lowest loss on its few test rows depends
    mostly on chance, so its predictions for these rows would look better than they are. If one network diverges, no
    later epoch is better.

    Args:
        chunk: the networks.

    Attributes:
        size: number of networks of a group; its networks are consecutive.
        epochs: the best epoch, counted from 1; 0 before the first [group].
        ends: the epoch after which training ended; 0 before [group].
    """

    def __init__(self, chunk: Chunk) -> None:
        self._patience, self._started, self._seconds = chunk.patience or (0, 0), time.monotonic(), chunk.seconds
        self.size = chunk.together or len(chunk.seeds)
        n_groups = len(chunk.seeds) // self.size
        self.epochs, self.ends = np.zeros(n_groups, dtype=np.int64), np.zeros(n_groups, dtype=np.int64)
        self._losses = np.full(n_groups, math.inf)

    def see(self, epoch: int, losses: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which networks [network] are better than before, given the losses [group] after an epoch."""
        better = (self.ends == 0) & ((losses < self._losses) | (self.epochs == 0))
        self.epochs[better], self._losses[better] = epoch, np.where(np.isfinite(losses), losses, math.inf)[better]
        late = self._seconds is not None and time.monotonic() - self._started > self._seconds
        patience = np.clip((self.epochs + 1) // 2, *self._patience)
        self.ends[(self.ends == 0) & (late | (epoch - self.epochs >= patience))] = epoch
        return np.repeat(better, self.size)

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Which networks have ended [network]."""
        return np.repeat(self.ends > 0, self.size)

    def curves(self, figures: list[Tensor]) -> Tensor:
        """Return figures [figure, network] of epochs as curves, with NaN after each network's end."""
        curves = torch.stack(figures, 1)
        for group, end in enumerate(self.ends.tolist()):
            if end:
                curves[:, end:, group * self.size : (group + 1) * self.size] = torch.nan
        return curves


class Training:
    """The training of a chunk's networks.

    Args:
        chunk: the networks.
        data: the table.

    Raises:
        SeedbedError: the networks can't be stacked, or the recipe doesn't suit them.
    """

    def __init__(self, chunk: Chunk, data: TrainingData) -> None:
        self.chunk, self.data = chunk, data
        self.device, self.dtype = torch.device(chunk.device), getattr(torch, chunk.dtype)
        network = build_network(chunk.build, chunk.seeds[0])
        # Networks of several splits may share a seed: they begin alike, unless they look at the rows of their splits.
        seeds = chunk.seeds if looking(network) else tuple(dict.fromkeys(chunk.seeds))
        states = draw_states(chunk.build, network, seeds)
        networks = [network]
        if states is None:
            networks += [build_network(chunk.build, seed) for seed in seeds[1:]]
            look_at_splits(networks, chunk.splits, data, self.dtype)
        n_outputs = data.n_outputs(network)
        self.loss: Loss = data.loss(chunk.recipe.loss, n_outputs)
        check_smoothing(self.loss, chunk.recipe.label_smoothing)
        self.forward: Forward = shared_forward(chunk.build, network, data.X.shape[1])
        if states is None:
            params, buffers = stack_networks(networks, self.forward.layout)
            _check_alike(networks, self.forward, {**params, **buffers}, data.X.shape[1])
        else:
            params, buffers = stack_states(network, states, self.forward.layout)
        if len(seeds) < len(chunk.seeds):
            places = [seeds.index(seed) for seed in chunk.seeds]
            params, buffers = ({name: value[..., places] for name, value in part.items()} for part in (params, buffers))
        placing = Placing(
            data, chunk.splits, chunk.seeds, chunk.recipe.batch_size, isinstance(self.forward, Chain),
            chunk.engine == "torch" and self.forward.placement == "network_first", self.device, self.dtype,
        )  # fmt: skip
        params = {name: placing.placed(value) for name, value in params.items()}
        buffers = {name: placing.placed(value) for name, value in buffers.items()}
        self.state = StackState(params, buffers, pick_optimizer(chunk.recipe).init(params))
        self.rows: WholeTable | WindowedTable
        if data.order is None:
            self.rows = WholeTable(placing, encode_target(self.loss, data.y, n_outputs, self.dtype))
        else:
            width = max(size for value in params.values() for size in value.shape[:-1])
            self.rows = WindowedTable(placing, self.loss, n_outputs, width)
        self.guarded = self.forward.explodes or data.is_huge(chunk.splits)
        self.one_pass = chunk.recipe.batch_size is None and self.forward.same_in_training and not self.guarded
        self.steps: Steps = make_steps(self.forward, self.loss, chunk.recipe, guarded=self.guarded)
        self.hyper = Hyper(
            lr=torch.tensor(chunk.lr, dtype=self.dtype, device=self.device),
            decay=torch.tensor(chunk.decay, dtype=self.dtype, device=self.device),
            keys=network_keys(chunk.seeds, "draws", self.device),
            now=torch.empty(0),
            step=torch.empty(0),
            smoothing=self._number(chunk.recipe.label_smoothing or None),
            clip=self._number(chunk.recipe.clip_norm),
        )
        if self.forward.normalises_batches and self.rows.has_single:
            message = "a minibatch holds a single row, and batch normalisation needs two"
            raise TrainingError(message, "Choose another batch size.")
        n_steps = chunk.recipe.epochs * self.rows.n_steps
        self.stops = torch.tensor(chunk.stops or (chunk.recipe.epochs,), device=self.device)
        self.taken: Tensor | None = None
        self.clock = clock(n_steps, self.dtype).to(self.device)
        factors = rate_factors(chunk.recipe, self.rows.n_steps)
        self.factors = None if factors is None else factors.to(self.device)
        self.rates = torch.tensor(chunk.lr, dtype=torch.float64, device=self.device)
        self.numbers = torch.arange(n_steps, dtype=torch.int32, device=self.device)

    def _number(self, value: float | None) -> Tensor | None:
        return None if value is None else torch.tensor(value, dtype=self.dtype, device=self.device)

    def run(self, tell: Callable[[int], None], savepoint: Savepoint | None) -> ChunkResult:
        epochs, n = self.chunk.recipe.epochs, len(self.chunk.seeds)
        one_pass = self.one_pass
        train_epoch = self._full_batch if self.chunk.recipe.batch_size is None else self._minibatches
        # The first pass of an epoch also gives the test figures of the epoch before, as the parameters are the same.
        figures = torch.zeros(epochs + 1, len(CURVES), n, dtype=self.dtype, device=self.device)
        done = self._go_on(savepoint.load() if savepoint else None, figures)
        waiting = self._waiting()
        with torch.no_grad():
            for epoch in range(done, epochs):
                if waiting is not None and epoch >= self._next_check(waiting):
                    self._see(waiting, figures[waiting.n_epochs + 1 : epoch, 2].numpy(force=True))
                    if waiting.ends.all():
                        tell(epochs)  # no further epoch is needed
                        break
                if not one_pass:
                    figures[epoch, 2:], _ = self._evaluate()
                opened = train_epoch(epoch, one_pass)
                figures[epoch, : len(opened)] = opened
                self._take_outputs(epoch + 1)
                tell(epoch + 1)
                if savepoint is not None and savepoint.due:
                    savepoint.save(epoch + 1, self._standing(figures))
            figures[epochs, 2:], outputs = self._evaluate(outputs=self.chunk.keep_outputs)
            dead = self._dead_share()
        curves = torch.stack([figures[:-1, 0], figures[:-1, 1], figures[1:, 2], figures[1:, 3]])
        taken = outputs if self.taken is None else torch.where(self.stops == epochs, outputs, self.taken)
        return self._result(self._ended(curves, waiting), taken, dead)

    def _waiting(self) -> Waiting | None:
        """Return the rule that ends networks which choose an epoch together, or None."""
        n_runs = len(self.chunk.seeds) // self.chunk.together if self.chunk.together else 0
        return Waiting(n_runs, self.chunk.recipe.waits) if n_runs else None

    def _next_check(self, waiting: Waiting) -> int:
        """Return the epoch before which to check whether networks may end. It affects the time, not the results."""
        done = waiting.n_epochs + 1  # losses after the last epoch aren't known yet
        return done + max(_CHECKED, done // 8)

    def _see(self, waiting: Waiting, losses: npt.NDArray[np.floating]) -> None:
        """Give validation losses [epoch, network] of the next epochs to the rule."""
        waiting.see(losses.T.reshape(len(waiting.ends), self.chunk.together, len(losses)))

    def _ended(self, curves: Tensor, waiting: Waiting | None) -> Tensor:
        """Return the curves with NaN after each network's end."""
        if waiting is not None:
            for network, end in enumerate(waiting.ends.repeat(self.chunk.together).tolist()):
                if end:
                    curves[:, end:, network] = torch.nan
        return curves

    def epoch_seconds(self, seconds: float) -> float:
        """Measure the seconds of an epoch, by at least two of its steps and as many as there is time for."""
        in_batches = self.chunk.recipe.batch_size is not None

        def steps() -> Iterator[None]:
            while True:
                batches = self.rows.batches(0) if in_batches else ()
                for batch, picked, _ in batches:
                    self.state, _ = self.steps.update(self.state, batch, picked, None, self._hyper(0))
                    yield
                if not in_batches:
                    self._full_batch(0, self.one_pass)
                    yield

        walk = steps()
        next(walk)
        begun, done = time.perf_counter(), 0
        while not done or time.perf_counter() - begun < seconds:
            next(walk)
            done += 1
        taken = (time.perf_counter() - begun) / done * (self.rows.n_steps if in_batches else 1)
        if isinstance(self.rows, WindowedTable):  # a pass over all test rows of a large table would take too long
            return taken * 1.1
        if not self.one_pass:
            self._evaluate()
            begun = time.perf_counter()
            self._evaluate()
            taken += time.perf_counter() - begun
        return taken

    def run_patiently(self, tell: Callable[[int], None]) -> ChunkResult:
        """Train until each group has waited long enough for a better epoch; return the result of the best epochs."""
        chunk, best = self.chunk, Best(self.chunk)
        train_epoch = self._full_batch if chunk.recipe.batch_size is None else self._minibatches
        # Only each network's own test rows, which may be few.
        whole = self.rows if isinstance(self.forward, Chain) and isinstance(self.rows, WholeTable) else None
        ensembles = Ensembles(whole, best.size) if whole else None
        evaluate = whole.evaluate_own if whole else functools.partial(self.rows.evaluate, outputs=True)
        figures: list[Tensor] = []
        kept: Tensors = {}
        with torch.no_grad():
            for epoch in range(chunk.recipe.epochs):
                opened = train_epoch(epoch, False)
                tested, outputs = evaluate(self.steps, self.state, self.hyper.keys)
                figures.append(torch.cat([opened[:2], tested]))
                if ensembles:
                    losses = ensembles.losses(self.loss, outputs)
                else:
                    losses = tested[0].double().reshape(-1, best.size).mean(1).numpy(force=True)
                better = torch.from_numpy(best.see(epoch + 1, losses)).to(self.device)
                values = {**self.state.params, **self.state.buffers, "": outputs}
                if better.any():
                    kept = {name: torch.where(better, value, kept.get(name, value)) for name, value in values.items()}
                tell(epoch + 1)
                if best.ends.all():
                    tell(chunk.recipe.epochs)  # no further epoch is needed
                    break
            outputs = whole.spread(kept.pop("")) if whole else kept.pop("")
            params, buffers = ({name: kept[name] for name in part} for part in self.state[:2])
            self.state = self.state._replace(params=params, buffers=buffers)
            unknown = torch.full((len(chunk.seeds),), torch.nan)
            return replace(self._result(best.curves(figures), outputs, unknown), best=tuple(best.epochs.tolist()))

    def _standing(self, figures: Tensor) -> Tensors:
        """Return everything that the epochs so far have changed."""
        parts = {"params": self.state.params, "buffers": self.state.buffers}
        parts |= {f"optimizer {number}": part for number, part in enumerate(self.state.optimizer)}
        tensors = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
        taken = {} if self.taken is None else {"taken": self.taken}
        return {**tensors, "figures": figures, **taken}

    def _go_on(self, saved: tuple[int, Tensors] | None, figures: Tensor) -> int:
        """Restore what `_standing` returned, and return the number of epochs done."""
        if saved is None:
            return 0
        done, tensors = saved
        tensors = {name: value.to(self.device) for name, value in tensors.items()}

        def part(name: str, like: Tensors) -> Tensors:
            return {key: tensors[f"{name}/{key}"] for key in like}

        optimizer = tuple(part(f"optimizer {number}", like) for number, like in enumerate(self.state.optimizer))
        self.state = StackState(part("params", self.state.params), part("buffers", self.state.buffers), optimizer)
        self.taken = tensors.get("taken")
        figures.copy_(tensors["figures"])
        return done

    def _take_outputs(self, n_epochs: int) -> None:
        """Compute the outputs of networks whose outputs are taken after this many epochs."""
        here = self.stops == n_epochs
        if n_epochs < self.chunk.recipe.epochs and n_epochs in (self.chunk.stops or ()):
            _, outputs = self._evaluate(outputs=True)
            self.taken = outputs.clone() if self.taken is None else torch.where(here, outputs, self.taken)

    def _dead_share(self) -> Tensor:
        if not isinstance(self.forward, Chain):
            return torch.full((len(self.chunk.seeds),), torch.nan)
        empty = torch.empty(0)
        now = Pass(False, empty, self.hyper.keys, self.numbers[0], empty, self.forward.placement, self.guarded)
        return dead_share(*self.rows.alive(self.forward, self.state, now), now.keys)

    def _full_batch(self, epoch: int, one_pass: bool) -> Tensor:
        assert isinstance(self.rows, WholeTable)
        test_weights = self.rows.test.weights if one_pass else None
        self.state, figures = self.steps.update(self.state, self.rows.fit, None, test_weights, self._hyper(epoch))
        return figures

    def _minibatches(self, epoch: int, one_pass: bool) -> Tensor:
        shares = []
        total = torch.zeros(2, len(self.chunk.seeds), dtype=self.dtype, device=self.device)
        for number, (batch, picked, share) in enumerate(self.rows.batches(epoch)):
            hyper = self._hyper(epoch * self.rows.n_steps + number)
            self.state, figures = self.steps.update(self.state, batch, picked, None, hyper)
            total += figures * share
            shares.append(share)
        return total / torch.stack(shares).sum(0)

    def _evaluate(self, *, outputs: bool = False) -> tuple[Tensor, Tensor]:
        return self.rows.evaluate(self.steps, self.state, self.hyper.keys, outputs=outputs)

    def _hyper(self, step: int) -> Hyper:
        hyper = self.hyper._replace(now=self.clock[step], step=self.numbers[step])
        if self.factors is None:
            return hyper
        # Multiplied in double precision, like torch's schedulers.
        return hyper._replace(lr=(self.rates * self.factors[step]).to(self.dtype))

    def _result(self, curves: Tensor, outputs: Tensor, dead: Tensor) -> ChunkResult:
        n, splits = len(self.chunk.members), list(self.chunk.splits)
        curves = curves[:, :, :n]
        scattered = np.full((len(self.data.X) if self.chunk.keep_outputs else 0, outputs.shape[1], n), np.nan,
                            dtype=np.float32)  # fmt: skip
        if self.chunk.keep_outputs:
            scattered[self.rows.test_rows] = outputs[:, :, :n].numpy(force=True)
            for column, split in enumerate(splits[:n]):
                scattered[~self.data.tested(split), :, column] = np.nan
        array = curves.numpy(force=True)
        if self.loss.hits is None:
            for row, weights in ((1, self.data.train), (3, self.data.test)):
                array[row] = _r2_by_split(array[row - 1], self.data, weights, splits[:n])
        values = {**self.state.params, **self.state.buffers}
        stacked = unstack(values, self.forward.layout, n) if self.chunk.keep_networks else None
        return ChunkResult(array, scattered, dead[:n].float().numpy(force=True), stacked)


def _check_alike(networks: list[nn.Module], forward: Forward, values: Tensors, n_features: int) -> None:
    """Raise CandidateError if networks differ by seed in more than parameters and buffers. The stack would silently use
    the first network's values."""
    dtype = next(p.dtype for p in networks[0].parameters())
    X = torch.randn(3, n_features, generator=torch.Generator().manual_seed(0)).to(dtype)
    keys, step = network_keys([0] * len(networks), "draws"), torch.tensor(0, dtype=torch.int32)
    weights, rows = torch.ones(3, len(networks), dtype=dtype), torch.arange(3, dtype=torch.int32)
    now = Pass(False, weights, keys, step, rows, "network_last")
    with torch.no_grad(), seeded(0):
        stacked, _ = forward(values, Inputs(X), now)
        outputs = []
        for network, key in zip(networks, keys, strict=True):
            reseed(key, step, training=False)
            outputs.append(outputs_of(network.eval(), X))
    alone = torch.stack(outputs, -1)
    off = (stacked - alone).abs() > 1e-3 * (1 + alone.abs().amax((0, 1)))
    if (off & stacked.isfinite() & alone.isfinite()).any():
        raise CandidateError(
            "the networks of one candidate differ by seed in more than their parameters and buffers",
            "Register a tensor that differs by seed with register_buffer().",
        )


def _r2_by_split(
    mse: npt.NDArray[np.floating], data: TrainingData, weights: npt.NDArray[np.number], splits: list[int]
) -> npt.NDArray[np.floating]:
    """Return R2 [epoch, network] of the target in the units that each split's networks learn."""
    y = data.y.reshape(len(data.y), -1).astype(np.float64)
    scores = np.empty_like(mse)
    for split in set(splits):
        here = np.array(splits) == split
        scale = 1.0 if data.target_scale is None else float(data.target_scale[split])
        scores[:, here] = r2(mse[:, here], scale * y, weights[:, split])
    return scores
