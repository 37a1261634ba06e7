"""Layers that make many numbers of each input, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seedbed.networks.draws import Draws
from seedbed.networks.kernel_program import KernelLayer, LayerKind, Program
from seedbed.networks.layers import Array, Arrays, Layer, Shapes

_MOST_WAVES = (
    1 << 18
)  # numbers of networks x rows x inputs x waves at a time: 2 MB, about what a cache holds


@dataclass(frozen=True)
class Periodic(Layer):
    """Add periodic features to the inputs: all inputs x, then for each of them
    `relu(weight @ [sin(2 pi c x), cos(2 pi c x)] + bias)`.

    Each input has its own frequencies c, weight and bias; all are trained.

    Attributes:
        name: its name in states, with a dot, or nothing.
        n_inputs: inputs of a row.
        units: features added per input.
        n_frequencies: frequencies per input.
        sigma: standard deviation of the frequencies at the start.
    """

    embeds = True

    name: str
    n_inputs: int
    units: int
    n_frequencies: int
    sigma: float

    @property
    def parameters(self) -> Shapes:
        n = self.n_inputs
        return {
            self.name + "frequencies": (n, self.n_frequencies),
            self.name + "weight": (n, self.units, 2 * self.n_frequencies),
            self.name + "bias": (n, self.units),
        }

    def n_outputs(self, n_inputs: int) -> int:
        return n_inputs * (1 + self.units)

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        (frequencies, shape), *others = self.parameters.items()
        bound = (2 * self.n_frequencies) ** -0.5  # that of a linear layer
        return {
            frequencies: draws.normal(shape, self.sigma),
            **{name: draws.uniform(shape, bound) for name, shape in others},
        }

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        tensors = [states[name] for name in self.parameters]
        inputs = np.broadcast_to(x, (len(tensors[0]), *x.shape[-2:]))
        size = max(
            1, _MOST_WAVES // max(1, inputs[..., 0].size * 2 * self.n_frequencies)
        )
        pieces = [slice(at, at + size) for at in range(0, self.n_inputs, size)]
        parts = [
            self._embedded(inputs[..., some], *(tensor[:, some] for tensor in tensors))
            for some in pieces
        ]
        return np.concatenate([inputs, *parts], axis=2)

    def _embedded(
        self, inputs: Array, frequencies: Array, weight: Array, bias: Array
    ) -> Array:
        """Return the features of some of the inputs [network, row, feature]."""
        # Both sine and cosine follow from the tangent of half the angle, which NumPy computes five
        # times as fast.
        half = (np.pi * frequencies)[:, :, None] * inputs.swapaxes(1, 2)[
            ..., None
        ]  # [network, input, row, wave]
        tangent = np.tan(half, out=half)
        waves = np.empty((*half.shape[:3], 2 * self.n_frequencies), dtype=half.dtype)
        sines, cosines = (
            waves[..., : self.n_frequencies],
            waves[..., self.n_frequencies :],
        )
        np.multiply(tangent, tangent, out=cosines)
        cosines += 1
        np.divide(2, cosines, out=cosines)
        np.multiply(tangent, cosines, out=sines)
        cosines -= 1
        embedded = waves @ weight.swapaxes(2, 3)
        embedded += bias[:, :, None]
        np.maximum(embedded, 0, out=embedded)
        return embedded.transpose(0, 2, 1, 3).reshape(
            *inputs.shape[:2], inputs.shape[2] * self.units
        )

    def add_to(self, program: Program) -> None:
        Embeddings((tuple(range(self.n_inputs)),), (), (self,)).add_to(program)

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        n_units = self.units
        n_waves = 2 * self.n_frequencies
        frequencies, weight, bias = (
            program.parameter(name, is_weight=True) for name in self.parameters
        )
        waves = program.values(like.n_in * n_waves)
        scratch = program.gradients(n_waves + n_units)
        return like._replace(
            kind=LayerKind.PERIODIC,
            weight=weight,
            bias=bias,
            frequencies=frequencies,
            spare=waves,
            d_in=scratch,
            waves=n_waves // 2,
            each=n_units,
        )


@dataclass(frozen=True)
class Piecewise(Layer):
    """Replace each input by its position in each bin: 0 below the bin, 1 above it.

    The first and the last bin continue beyond their edges. A bin without width gives 0.

    Attributes:
        name: its name in states, with a dot, or nothing.
        n_inputs: inputs of a row.
        bins: bins per input.
    """

    embeds = True
    is_looking = True

    name: str
    n_inputs: int
    bins: int

    @property
    def buffers(self) -> Shapes:
        return {self.name + "edges": (self.n_inputs, self.bins + 1)}

    def n_outputs(self, n_inputs: int) -> int:
        return n_inputs * self.bins

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        edges = np.tile(
            np.linspace(-2, 2, self.bins + 1, dtype=np.float32), (self.n_inputs, 1)
        )
        return {
            self.name + "edges": edges
            if rows is None
            else quantile_edges(rows, self.bins)
        }

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        edges = states[self.name + "edges"][:, None]
        left, _, least, most = bins_between(edges)
        come = x[..., None] - left  # [network, row, input, bin]
        come /= np.where(edges[..., 1:] > left, edges[..., 1:] - left, np.inf)
        np.clip(come, least, most, out=come)
        return come.reshape(*come.shape[:2], self.n_inputs * self.bins)

    def add_to(self, program: Program) -> None:
        Embeddings((tuple(range(self.n_inputs)),), (), (self,)).add_to(program)

    def embed_in(self, program: Program, like: KernelLayer) -> KernelLayer:
        offset = program.n_constants
        program.edges.append(self.name + "edges")
        program.n_constants += 4 * like.n_in * self.bins
        return like._replace(kind=LayerKind.PIECEWISE, weight=offset, each=self.bins)


@dataclass(frozen=True)
class Embeddings(Layer):
    """Layers that each take some of the inputs. The other inputs come first, as they are.

    Attributes:
        inputs: indices of the inputs that each layer takes; none is taken twice.
        others: the inputs that none takes.
        layers: one per entry of `inputs`.
    """

    embeds = True

    inputs: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]
    layers: tuple[Layer, ...]

    def n_outputs(self, n_inputs: int) -> int:
        pairs = zip(self.layers, self.inputs, strict=True)
        return len(self.others) + sum(
            layer.n_outputs(len(places)) for layer, places in pairs
        )

    def draw(self, draws: Draws, rows: Array | None) -> Arrays:
        states = Arrays()
        for layer, places in zip(self.layers, self.inputs, strict=True):
            states |= layer.draw(draws, None if rows is None else rows[:, places])
        return states

    def __call__(self, x: Array, states: Mapping[str, Array]) -> Array:
        pairs = zip(self.layers, self.inputs, strict=True)
        embedded = [layer(x[..., places], states) for layer, places in pairs]
        others = np.broadcast_to(
            x[..., self.others], (*embedded[0].shape[:2], len(self.others))
        )
        return np.concatenate([others, *embedded], axis=2)

    def add_to(self, program: Program) -> None:
        """Begin the kernel's program with the inputs as networks see them, and with the layers that
        embed them."""
        order = program.order = [
            *self.others,
            *(index for group in self.inputs for index in group),
        ]
        first = program.add(
            LayerKind.SEE,
            n_in=len(order),
            n_out=len(order),
            target=program.values(len(order)),
        )
        n_units = self.n_outputs(len(order))
        trained = not all(isinstance(layer, Piecewise) for layer in self.layers)
        first_input = first_unit = n_others = len(self.others)
        common = KernelLayer(
            LayerKind.KEEP,
            n_others,
            n_units,
            source=first.target,
            target=program.values(n_units),
            d_in=-1,
            d_out=program.gradients(n_units) if trained else -1,
        )
        program.layers += [common] if self.others else []
        for layer, places in zip(self.layers, self.inputs, strict=True):
            embedding = common._replace(
                n_in=len(places), first_input=first_input, first_unit=first_unit
            )
            program.layers.append(layer.embed_in(program, embedding))
            first_input, first_unit = (
                first_input + len(places),
                first_unit + layer.n_outputs(len(places)),
            )


def bins_between(edges: Array) -> tuple[Array, Array, Array, Array]:
    """Return the bins between edges [..., input, edge], as four arrays [..., input, bin]: the left
    edge, 1 / width (0 if a bin has no width), and the least and the greatest output."""
    left, right = edges[..., :-1], edges[..., 1:]
    with np.errstate(divide="ignore"):
        factor = np.where(right > left, 1 / (right - left), 0).astype(edges.dtype)
    least = np.where(left > edges[..., :1], 0.0, -np.inf).astype(edges.dtype)
    most = np.where(right < edges[..., -1:], 1.0, np.inf).astype(edges.dtype)
    return left, factor, least, most


@np.errstate(over="ignore")  # the variance of huge numbers
def quantile_edges(X: Array, n_bins: int) -> Array:
    """Return edges of bins at quantiles of training rows X [row, input]: [input, edge].

    A value with more rows than one bin's share counts as one share, so that the edges spread over
    the other values. An edge very close to the one before it is dropped, because it would split
    numbers that are equal up to rounding. So a flag has one bin.
    """
    values = np.sort(X, axis=0)
    rows = np.arange(len(X))[:, None]
    starts = np.ones(values.shape, dtype=np.bool_)
    starts[1:] = values[1:] != values[:-1]
    first = np.maximum.accumulate(
        np.where(starts, rows, 0), axis=0
    )  # of the equal values
    counts = np.zeros_like(first)
    np.add.at(counts, (first, np.arange(X.shape[1])), 1)
    heavy = np.take_along_axis(counts, first, axis=0) * n_bins > len(X)
    share = (~heavy).sum(axis=0) // (n_bins - (heavy & starts).sum(axis=0))
    # How many of the rows up to each count [row, input].
    counted = (~heavy | (rows - first < np.maximum(share, 1))).cumsum(axis=0)
    places = np.linspace(0, 1, n_bins + 1, dtype=np.float32)
    wanted = (
        np.rint(places * (counted[-1:].T - 1).astype(np.float32)).astype(np.int64) + 1
    )
    quantiles = np.stack(
        [
            column[np.searchsorted(count, want)]
            for column, count, want in zip(values.T, counted.T, wanted, strict=True)
        ]
    )
    differ = np.diff(quantiles, axis=1) > 1e-4 * X.std(axis=0)[:, None]
    least = quantiles[:, :1]
    later = np.where(differ, quantiles[:, 1:], least)
    return np.sort(np.concatenate([least, later], axis=1), axis=1).astype(
        X.dtype, copy=False
    )
