"""Modules as engineers write them, in 32 shapes: those of tables, and what is taken over from
images and language."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Parts = dict[str, Any]
Build = Callable[[int, int], nn.Module]
Forward = Callable[[Any, Tensor], Tensor]


def own(
    parts: Callable[[int, int], Parts], forward: Forward, *, persistent: bool = True
) -> Build:
    """Return a class of modules.

    Args:
        parts: returns layers, parameters, buffers (plain tensors) and others, for so many features
            and outputs.
        forward: the method forward() of the class.
        persistent: whether buffers are in the `state_dict`.
    """

    class Own(nn.Module):
        def __init__(self, n_features: int, n_outputs: int) -> None:
            super().__init__()
            for name, part in parts(n_features, n_outputs).items():
                if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                    self.register_buffer(name, part, persistent=persistent)
                else:
                    setattr(self, name, part)

    Own.forward = forward
    return Own


def chain(
    *middle: Callable[[], nn.Module],
    wrap: Callable[[nn.Linear], nn.Module] = lambda layer: layer,
) -> Build:
    """Return what builds a sequence of a linear layer, which may be wrapped, others, and a linear
    layer."""

    def build(n_features: int, n_outputs: int) -> nn.Module:
        layers = [
            wrap(nn.Linear(n_features, 16)),
            *(make() for make in middle),
            nn.Linear(16, n_outputs),
        ]
        return nn.Sequential(*layers)

    return build


def mlp(n: int, k: int, width: int = 16) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n, width), nn.ReLU(), nn.Linear(width, k))


def two(n: int, k: int, inner: int = 16, outer: int = 16) -> Parts:
    return {"first": nn.Linear(n, inner), "last": nn.Linear(outer, k)}


def randn(*size: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(size) * 0.3)


def hooked(n_features: int, n_outputs: int) -> nn.Module:
    network = mlp(n_features, n_outputs)
    network[0].register_forward_hook(lambda module, args, output: output * 2)
    return network


def swiglu(m, x):
    gate, value = m.first(x).chunk(2, -1)
    return m.last(F.silu(gate) * value)


def residual(m, x):
    x = m.first(x)
    for block in m.blocks:
        x = x + block(x)
    return m.last(torch.relu(x))


def embeddings(m, x):
    colour, size = x[:, -2].long().clamp(0, 6), x[:, -1].long().clamp(0, 4)
    return m.body(torch.cat([x[:, :-2], m.colour(colour), m.size(size)], 1))


def transformer_parts(n: int, k: int, dropout: float = 0.0) -> Parts:
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=dropout, batch_first=True, norm_first=True
    )
    encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
    return columns(n, k, shift=randn(n, 8), start=randn(1, 1, 8), encoder=encoder)


def transformer(m, x):
    tokens = torch.cat(
        [m.start.expand(len(x), -1, -1), x[:, :, None] * m.tokens + m.shift], 1
    )
    return m.last(m.encoder(tokens)[:, 0])


def experts(n: int, k: int) -> Parts:
    return dict(
        gate=nn.Linear(n, 4), experts=nn.ModuleList(mlp(n, k, 8) for _ in range(4))
    )


def one_expert(m, x):
    weights, chosen = m.gate(x).softmax(-1).max(-1)
    z = x.new_zeros(len(x), m.experts[0][-1].out_features)
    for number, expert in enumerate(m.experts):
        rows = chosen == number
        if rows.any():
            z[rows] = expert(x[rows]) * weights[rows, None]
    return z


def two_experts(m, x):
    scores = m.gate(x)
    best = torch.zeros_like(scores).scatter(1, scores.topk(2).indices, 1.0)
    weights = scores.masked_fill(best == 0, -torch.inf).softmax(-1)
    return (
        torch.stack([expert(x) for expert in m.experts], -1) * weights[:, None]
    ).sum(-1)


def average_in_place(m, x):
    if m.training:
        m.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        m.steps += 1
    return m.body(x - m.mean)


def average_replaced(m, x):
    if m.training:
        m.mean = 0.9 * m.mean + 0.1 * x.detach().mean(0)
    return m.body(x - m.mean)


def tied(n: int, k: int) -> Parts:
    parts = two(n, k) | {"back": nn.Linear(16, n), "again": nn.Linear(n, 16)}
    parts["again"].weight = parts["first"].weight
    return parts


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def counting(m, x):
    m.calls += 1
    return m.last(torch.relu(m.first(x)))


def auxiliary(m, x):
    z = m.last(torch.relu(m.first(x)))
    m.penalty = z.pow(2).mean()
    return z


def columns(n: int, k: int, **parts: Any) -> Parts:
    return {"tokens": randn(n, 8), "last": nn.Linear(8, k), **parts}


def maps(n: int, k: int, **parts: nn.Module) -> Parts:
    return {
        "convolution": nn.Conv1d(1, 8, 3, padding=1),
        "last": nn.Linear(8, k),
        **parts,
    }


def excitation(m, x):
    x = torch.relu(m.norm(m.convolution(x[:, None])))
    return m.last((x * torch.sigmoid(m.excite(x.mean(2)))[:, :, None]).amax(2))


def soft_trees(m, x):
    right, reached = torch.sigmoid(m.splits(x)).view(-1, 4, 3), x.new_ones(len(x), 4, 1)
    for share in right.split(1, -1):
        reached = torch.cat([reached * share, reached * (1 - share)], -1)
    return torch.einsum("rtl,tlk->rk", reached, m.leaves)


def depth_by_values(m, x):
    x = m.first(x)
    for layer in m.layers:
        if x.abs().mean() > 0.5:
            break
        x = x + torch.tanh(layer(x))
    return m.last(x)


def linears(*sizes: tuple[int, int]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(*pair) for pair in sizes)


SHAPES: dict[str, Build] = dict(
    plain=own(two, lambda m, x: m.last(torch.relu(m.first(x)))),
    squeezed=own(two, lambda m, x: m.last(torch.relu(m.first(x))).squeeze(-1)),
    hooked=hooked,
    dropout=chain(nn.ReLU, lambda: nn.Dropout(0.2)),
    batchnorm=chain(lambda: nn.BatchNorm1d(16), nn.ReLU),
    layernorm=chain(lambda: nn.LayerNorm(16), nn.GELU),
    prelu=chain(nn.PReLU),
    weight_norm=chain(nn.ReLU, wrap=parametrizations.weight_norm),
    spectral_norm=chain(nn.ReLU, wrap=parametrizations.spectral_norm),
    swiglu=own(lambda n, k: two(n, k, 32), swiglu),
    residual=own(
        lambda n, k: (
            two(n, k) | {"blocks": nn.ModuleList(mlp(16, 16) for _ in range(2))}
        ),
        residual,
    ),
    embeddings=own(
        lambda n, k: dict(
            colour=nn.Embedding(7, 4), size=nn.Embedding(5, 3), body=mlp(n + 5, k)
        ),
        embeddings,
    ),
    transformer=own(transformer_parts, transformer),
    transformer_dropout=own(lambda n, k: transformer_parts(n, k, 0.1), transformer),
    one_expert=own(experts, one_expert),
    two_experts=own(experts, two_experts),
    lstm=own(
        lambda n, k: dict(
            recurrent=nn.LSTM(1, 6, num_layers=2, batch_first=True),
            last=nn.Linear(6, k),
        ),
        lambda m, x: m.last(m.recurrent(x[:, :, None])[0][:, -1]),
    ),
    average_in_place=own(
        lambda n, k: dict(mean=torch.zeros(n), steps=torch.tensor(0), body=mlp(n, k)),
        average_in_place,
    ),
    average_replaced=own(
        lambda n, k: {"mean": torch.zeros(n), "body": mlp(n, k)}, average_replaced
    ),
    tied=own(
        tied, lambda m, x: m.last(torch.relu(m.again(m.back(torch.relu(m.first(x))))))
    ),
    scaled=own(
        lambda n, k: dict(
            scale=nn.Parameter(torch.ones(n)),
            heat=nn.Parameter(torch.tensor(1.0)),
            body=mlp(n, k),
        ),
        lambda m, x: m.body(x * m.scale) * m.heat,
    ),
    noise=own(
        lambda n, k: {"body": mlp(n, k)},
        lambda m, x: m.body(x + 0.1 * torch.randn_like(x) if m.training else x),
    ),
    step=own(two, lambda m, x: m.last(Step.apply(m.first(x)))),
    counting=own(lambda n, k: two(n, k) | {"calls": 0}, counting),
    auxiliary=own(two, auxiliary),
    shifted=own(
        lambda n, k: two(n, k) | {"shift": torch.randn(n)},
        lambda m, x: m.last(torch.relu(m.first(x + m.shift))),
        persistent=False,
    ),
    hypernetwork=own(
        lambda n, k: dict(
            code=randn(4), hyper=nn.Linear(4, 16 * n), last=nn.Linear(16, k)
        ),
        lambda m, x: m.last(torch.relu(F.linear(x, m.hyper(m.code).reshape(16, -1)))),
    ),
    excitation=own(
        lambda n, k: maps(n, k, norm=nn.BatchNorm1d(8), excite=mlp(8, 8, 4)), excitation
    ),
    soft_trees=own(
        lambda n, k: {"splits": nn.Linear(n, 12), "leaves": randn(4, 8, k)}, soft_trees
    ),
    functional_dropout=own(
        two, lambda m, x: m.last(F.dropout(torch.relu(m.first(x)), 0.3, m.training))
    ),
    residual_dropout=own(
        lambda n, k: (
            two(n, k, n, n) | {"norm": nn.LayerNorm(n), "drop": nn.Dropout(0.3)}
        ),
        lambda m, x: m.last(x + m.drop(torch.relu(m.first(m.norm(x))))),
    ),
    depth_by_values=own(
        lambda n, k: two(n, k) | {"layers": linears(*[(16, 16)] * 3)}, depth_by_values
    ),
)
"""All shapes by name. A module takes at least four features; the last two are codes of levels to
`embeddings`."""

DRAWING = (
    "dropout transformer_dropout noise functional_dropout residual_dropout".split()
)
"""Shapes whose forward() draws random numbers in training."""
