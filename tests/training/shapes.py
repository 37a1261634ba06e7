"""Modules as engineers write them, in 52 shapes: those of tables, and what is taken over from images and language."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Parts = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A module of a user's.

    Attributes:
        build: returns a new one for so many features and outputs; the last two features are codes of levels.
        draws: whether forward() draws random numbers in training.
    """

    build: Callable[[int, int], nn.Module]
    draws: bool = False


SHAPES: dict[str, Shape] = {}
"""All shapes by name: of functions that build one, of a class, and of functions that are a class's forward()."""


def shape(
    parts: Callable[[int, int], Parts], name: str = "", *, draws: bool = False, persistent: bool = True
) -> Callable[[Callable[[Any, Tensor], Tensor]], Callable[[Any, Tensor], Tensor]]:
    """Enrol a class of modules with the decorated function as its forward().

    Args:
        parts: returns a module's layers, parameters, buffers (plain tensors) and other attributes.
        name: the shape's name; the function's if left out.
        draws: see `Shape`.
        persistent: whether buffers are in the `state_dict`.
    """

    def enrol(forward: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
        class Own(nn.Module):
            def __init__(self, n_features: int, n_outputs: int) -> None:
                super().__init__()
                for key, part in parts(n_features, n_outputs).items():
                    if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                        self.register_buffer(key, part, persistent=persistent)
                    else:
                        setattr(self, key, part)

        Own.__name__, Own.forward = name or forward.__name__, forward
        SHAPES[Own.__name__] = Shape(Own, draws)
        return forward

    return enrol


def two(n: int, k: int, inner: int = 16, outer: int = 16) -> Parts:
    return {"first": nn.Linear(n, inner), "last": nn.Linear(outer, k)}


def mlp(n: int, k: int, width: int = 16) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n, width), nn.ReLU(), nn.Linear(width, k))


def chain(middle: Callable[[], list[nn.Module]], wrap: Callable[[nn.Linear], nn.Module] = lambda layer: layer) -> Any:
    """Return what builds a sequence of a linear layer, which may be wrapped, others, and a linear layer."""

    def build(n_features: int, n_outputs: int) -> nn.Module:
        return nn.Sequential(wrap(nn.Linear(n_features, 16)), *middle(), nn.Linear(16, n_outputs))

    return build


def hooked(n_features: int, n_outputs: int) -> nn.Module:
    network = mlp(n_features, n_outputs)
    network[0].register_forward_hook(lambda module, args, output: output * 2)
    return network


SHAPES |= {
    "dropout": Shape(chain(lambda: [nn.ReLU(), nn.Dropout(0.2)]), draws=True),
    "batchnorm": Shape(chain(lambda: [nn.BatchNorm1d(16), nn.ReLU()])),
    "layernorm": Shape(chain(lambda: [nn.LayerNorm(16), nn.GELU()])),
    "rmsnorm": Shape(chain(lambda: [nn.RMSNorm(16), nn.SiLU()])),
    "prelu": Shape(chain(lambda: [nn.PReLU()])),
    "weight_norm": Shape(chain(lambda: [nn.ReLU()], parametrizations.weight_norm)),
    "spectral_norm": Shape(chain(lambda: [nn.ReLU()], parametrizations.spectral_norm)),
    "frozen": Shape(chain(lambda: [nn.ReLU()], lambda layer: layer.requires_grad_(False))),
    "hooked": Shape(hooked),
}


@dataclass
class Config:
    width: int = 16
    depth: int = 2


class Configured(nn.Module):
    """Its sizes are those of a dataclass."""

    def __init__(self, n_features: int, n_outputs: int, config: Config = Config()) -> None:  # noqa: B008
        super().__init__()
        widths = [n_features, *[config.width] * config.depth]
        layers = [part for n, k in itertools.pairwise(widths) for part in (nn.Linear(n, k), nn.GELU())]
        self.body = nn.Sequential(*layers, nn.Linear(config.width, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


SHAPES["configured"] = Shape(Configured)


@shape(two)
def plain(m, x):
    return m.last(torch.relu(m.first(x)))


@shape(two)
def squeezed(m, x):
    return m.last(torch.relu(m.first(x))).squeeze(-1)


@shape(lambda n, k: two(n, k, 32))
def glu(m, x):
    return m.last(F.glu(m.first(x), dim=-1))


@shape(lambda n, k: two(n, k, 32))
def swiglu(m, x):
    gate, value = m.first(x).chunk(2, -1)
    return m.last(F.silu(gate) * value)


@shape(lambda n, k: two(n, k) | {"blocks": nn.ModuleList(mlp(16, 16) for _ in range(2))})
def residual_mlp(m, x):
    x = m.first(x)
    for block in m.blocks:
        x = x + block(x)
    return m.last(torch.relu(x))


@shape(lambda n, k: {"colour": nn.Embedding(7, 4), "size": nn.Embedding(5, 3), "body": mlp(n + 5, k)})
def embeddings(m, x):
    colour, size = x[:, -2].long().clamp(0, 6), x[:, -1].long().clamp(0, 4)
    return m.body(torch.cat([x[:, :-2], m.colour(colour), m.size(size)], 1))


def transformer(dropout: float) -> Callable[[int, int], Parts]:
    def parts(n: int, k: int) -> Parts:
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=dropout, batch_first=True, norm_first=True)
        return {
            "scale": nn.Parameter(torch.randn(n, 8) * 0.1),
            "shift": nn.Parameter(torch.zeros(n, 8)),
            "first": nn.Parameter(torch.randn(1, 1, 8) * 0.1),
            "encoder": nn.TransformerEncoder(layer, 1, enable_nested_tensor=False),
            "last": nn.Linear(8, k),
        }

    return parts


@shape(transformer(0.1), "ft_transformer_dropout", draws=True)
@shape(transformer(0.0))
def ft_transformer(m, x):
    tokens = torch.cat([m.first.expand(len(x), -1, -1), x[:, :, None] * m.scale + m.shift], 1)
    return m.last(m.encoder(tokens)[:, 0])


def experts(n: int, k: int) -> Parts:
    return {"gate": nn.Linear(n, 4), "experts": nn.ModuleList(mlp(n, k, 8) for _ in range(4))}


@shape(experts)
def soft_experts(m, x):
    return (torch.stack([expert(x) for expert in m.experts], -1) * m.gate(x).softmax(-1)[:, None]).sum(-1)


@shape(experts)
def one_expert_a_row(m, x):
    weights, chosen = m.gate(x).softmax(-1).max(-1)
    z = x.new_zeros(len(x), m.experts[0][-1].out_features)
    for number, expert in enumerate(m.experts):
        rows = chosen == number
        if rows.any():
            z[rows] = expert(x[rows]) * weights[rows, None]
    return z


@shape(experts)
def two_experts_a_row(m, x):
    scores = m.gate(x)
    best = torch.zeros_like(scores).scatter(1, scores.topk(2).indices, 1.0)
    weights = scores.masked_fill(best == 0, -torch.inf).softmax(-1)
    return (torch.stack([expert(x) for expert in m.experts], -1) * weights[:, None]).sum(-1)


@shape(lambda n, k: {"recurrent": nn.GRU(1, 8, batch_first=True), "last": nn.Linear(8, k)})
def gru_over_columns(m, x):
    return m.last(m.recurrent(x[:, :, None])[1][-1])


@shape(lambda n, k: {"recurrent": nn.LSTM(1, 6, num_layers=2, batch_first=True), "last": nn.Linear(6, k)})
def lstm_over_columns(m, x):
    return m.last(m.recurrent(x[:, :, None])[0][:, -1])


@shape(lambda n, k: {"mean": torch.zeros(n), "steps": torch.tensor(0), "body": mlp(n, k)})
def average_in_place(m, x):
    if m.training:
        m.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        m.steps += 1
    return m.body(x - m.mean)


@shape(lambda n, k: {"mean": torch.zeros(n), "body": mlp(n, k)})
def average_replaced(m, x):
    if m.training:
        m.mean = 0.9 * m.mean + 0.1 * x.detach().mean(0)
    return m.body(x - m.mean)


def tied_parts(n: int, k: int) -> Parts:
    parts = {"first": nn.Linear(n, 16), "back": nn.Linear(16, n), "again": nn.Linear(n, 16), "last": nn.Linear(16, k)}
    parts["again"].weight = parts["first"].weight
    return parts


@shape(tied_parts)
def tied(m, x):
    return m.last(torch.relu(m.again(m.back(torch.relu(m.first(x))))))


@shape(lambda n, k: {"weight": nn.Parameter(torch.randn(16, n) * 0.1), "last": nn.Linear(n, k)})
def tied_transposed(m, x):
    return m.last(F.linear(torch.relu(F.linear(x, m.weight)), m.weight.t()))


@shape(lambda n, k: {"scale": nn.Parameter(torch.ones(n)), "heat": nn.Parameter(torch.tensor(1.0)), "body": mlp(n, k)})
def scaled(m, x):
    return m.body(x * m.scale) * m.heat


@shape(lambda n, k: {"layers": nn.ModuleList(nn.Linear(n, n) for _ in range(2)), "last": nn.Linear(n, k)})
def cross_network(m, x):
    crossed = x
    for layer in m.layers:
        crossed = 0.1 * x * layer(crossed) + crossed
    return m.last(crossed)


@shape(lambda n, k: {"convolution": nn.Conv1d(1, 4, 3, padding=1), "last": nn.Linear(4 * n, k)})
def convolution(m, x):
    return m.last(torch.relu(m.convolution(x[:, None])).flatten(1))


@shape(lambda n, k: {"body": mlp(n, k)}, draws=True)
def noisy(m, x):
    return m.body(x + 0.1 * torch.randn_like(x) if m.training else x)


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


@shape(two)
def straight_through(m, x):
    return m.last(Step.apply(m.first(x)))


@shape(two)
def straight_through_detached(m, x):
    soft = torch.sigmoid(m.first(x))
    return m.last(soft + ((soft > 0.5).to(soft.dtype) - soft).detach())


@shape(lambda n, k: two(n, k) | {"calls": 0})
def counting(m, x):
    m.calls += 1
    return m.last(torch.relu(m.first(x)))


@shape(two)
def auxiliary(m, x):
    z = m.last(torch.relu(m.first(x)))
    m.penalty = z.pow(2).mean()
    return z


@shape(lambda n, k: two(n, k) | {"shift": torch.randn(n)}, persistent=False)
def shifted(m, x):
    return m.last(torch.relu(m.first(x + m.shift)))


def columns(n: int, **parts: nn.Module) -> Parts:
    return {"tokens": nn.Parameter(torch.randn(n, 8) * 0.3), **parts}


@shape(lambda n, k: columns(n, qkv=nn.Linear(8, 24, bias=False), last=nn.Linear(8, k)))
def attention(m, x):
    query, key, value = m.qkv(x[:, :, None] * m.tokens).chunk(3, -1)
    return m.last(((query @ key.transpose(1, 2) / 8**0.5).softmax(-1) @ value).mean(1))


@shape(lambda n, k: columns(n, attend=nn.MultiheadAttention(8, 2, batch_first=True), last=nn.Linear(8, k)))
def multihead_attention(m, x):
    tokens = x[:, :, None] * m.tokens
    return m.last((tokens + m.attend(tokens, tokens, tokens, need_weights=False)[0]).mean(1))


@shape(lambda n, k: {"code": nn.Parameter(torch.randn(4)), "hyper": nn.Linear(4, 16 * n), "last": nn.Linear(16, k)})
def hypernetwork(m, x):
    return m.last(torch.relu(F.linear(x, m.hyper(m.code).reshape(16, -1))))


@shape(lambda n, k: {"layers": nn.ModuleList(nn.Linear(n + 8 * i, 8) for i in range(3)), "last": nn.Linear(n + 24, k)})
def dense_connections(m, x):
    for layer in m.layers:
        x = torch.cat([x, torch.relu(layer(x))], 1)
    return m.last(x)


@shape(lambda n, k: two(n, k) | {"gate": nn.Linear(16, 16), "inner": nn.Linear(16, 16)})
def highway(m, x):
    x = torch.tanh(m.first(x))
    return m.last(torch.lerp(x, torch.relu(m.inner(x)), torch.sigmoid(m.gate(x))))


@shape(lambda n, k: two(n, k) | {"condition": nn.Linear(4, 32)})
def film(m, x):
    scale, shift = m.condition(x[:, :4]).chunk(2, 1)
    return m.last(torch.relu(m.first(x) * (1 + scale) + shift))


def convolved(n: int, k: int, **parts: nn.Module) -> Parts:
    return {"convolution": nn.Conv1d(1, 8, 3, padding=1), "last": nn.Linear(8, k), **parts}


@shape(lambda n, k: convolved(n, k, norm=nn.BatchNorm1d(8), excite=mlp(8, 8, 4)))
def squeeze_and_excitation(m, x):
    maps = torch.relu(m.norm(m.convolution(x[:, None])))
    return m.last((maps * torch.sigmoid(m.excite(maps.mean(2)))[:, :, None]).amax(2))


@shape(lambda n, k: convolved(n, k, norm=nn.GroupNorm(2, 8)))
def weight_standardised(m, x):
    weight = m.convolution.weight
    weight = (weight - weight.mean((1, 2), keepdim=True)) / (weight.std((1, 2), keepdim=True) + 1e-5)
    return m.last(torch.relu(m.norm(F.conv1d(x[:, None], weight, m.convolution.bias, padding=1))).mean(2))


@shape(lambda n, k: two(n, k, 48))
def maxout(m, x):
    return m.last(m.first(x).view(len(x), 16, 3).amax(-1))


@shape(lambda n, k: {"first": nn.Linear(n, 6), "last": nn.Bilinear(6, 4, k), "scale": nn.Parameter(torch.tensor(0.5))})
def bilinear(m, x):
    return m.scale.exp().clamp(max=100) * m.last(torch.tanh(m.first(x)), x[:, :4])


@shape(lambda n, k: {"factors": nn.Parameter(torch.randn(n, 4) * 0.1), "linear": nn.Linear(n, 1)})
def factorization_machine(m, x):
    return m.linear(x)[:, 0] + ((x @ m.factors).square() - x.square() @ m.factors.square()).sum(1) / 2


@shape(lambda n, k: {"splits": nn.Linear(n, 12), "leaves": nn.Parameter(torch.randn(4, 8, k) * 0.1)})
def soft_trees(m, x):
    right, reached = torch.sigmoid(m.splits(x)).view(-1, 4, 3), x.new_ones(len(x), 4, 1)
    for share in right.split(1, -1):
        reached = torch.cat([reached * share, reached * (1 - share)], -1)
    return torch.einsum("rtl,tlk->rk", reached, m.leaves)


@shape(two, draws=True)
def functional_dropout(m, x):
    return m.last(F.dropout(torch.relu(m.first(x)), 0.3, m.training))


@shape(lambda n, k: two(n, k, n, n) | {"norm": nn.LayerNorm(n), "drop": nn.Dropout(0.3)}, draws=True)
def residual_dropout(m, x):
    return m.last(x + m.drop(torch.relu(m.first(m.norm(x)))))


@shape(lambda n, k: {"directions": torch.randn(n, 8), "last": nn.Linear(16, k)})
def fourier_features(m, x):
    angles = x @ m.directions
    return m.last(torch.cat([angles.sin(), angles.cos()], 1))


@shape(lambda n, k: two(n, k) | {"layers": nn.ModuleList(nn.Linear(16, 16) for _ in range(3))})
def depth_by_values(m, x):
    x = m.first(x)
    for layer in m.layers:
        if x.abs().mean() > 0.5:
            break
        x = x + torch.tanh(layer(x))
    return m.last(x)
