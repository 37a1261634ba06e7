"""How near each family of networks comes to the machine's rate of multiplying, beside the best peer of the same run.

    python benchmarks/families.py                    all, about a quarter of an hour on one core
    python benchmarks/families.py narrow deep --markdown

Peers are `torch.func.vmap` over the same modules, compiled as a whole, and JAX where the family is a plain one: linear
or ReLU layers, full batches. Prints, never asserts. One thread; ratios are of best rounds.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import ours
import plain
import speed_peers
import torch
from rounds import Contender, Measured, Task, UnavailableError, measure, threads, timed
from tables import Table, machine, number
from torch import Tensor, nn
from torch.nn import functional as F
from workload import LR, Rows, load_rows

from seedbed.networks import parse_candidate
from seedbed.settings import Recipe
from seedbed.training import plan_stack, train_chunk


@dataclass(frozen=True)
class Family:
    """Networks that have a shape in common.

    Attributes:
        candidate: as in the grammar.
        epochs: that seedbed trains; peers train a twentieth, as their time doesn't hang on it.
        batch_size: rows of a step; none is all.
        copies: how often the table's features stand side by side: a table of many one-hot columns is a wide one.
        n_of_vmap: networks that vmap trains at a time.
    """

    candidate: str
    epochs: int = 200
    batch_size: int | None = None
    copies: int = 1
    n_of_vmap: int = 64


FAMILIES = {
    "narrow": Family("relu:5", epochs=1000, n_of_vmap=128),
    "linear": Family("linear:20,20"),
    "middle": Family("relu:20,20"),
    "wide": Family("relu:64,64", epochs=100, n_of_vmap=16),
    "wider": Family("relu:256,256", epochs=20, n_of_vmap=16),
    "deep": Family("relu:10,10,10,10,10,10"),
    "dropout": Family("relu:20@dropout=0.2"),
    "layer norm": Family("relu:20,20@layernorm"),
    "batch norm": Family("relu:20,20@batchnorm"),
    "minibatches": Family("relu:20,20", epochs=50, batch_size=32),
    "one-hot": Family("relu:20,20", copies=5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], help=", ".join(FAMILIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true", help="tables for benchmarks/LOG.md")
    options = parser.parse_args()
    rows = load_rows()
    header = ("family", "networks", "ms a network", "GFLOP/s", "of the rate", "best peer", "its ms", "times faster")
    lines = [_line(name, FAMILIES[name], rows, options.rounds) for name in options.families or FAMILIES]
    table = Table("One network, 1000 epochs, by family", header, lines)
    facts = Table("Machine", ("fact", "value"), list(machine().items()))
    print("\n\n".join(part.markdown() if options.markdown else part.text() for part in (facts, table)))


def _line(name: str, family: Family, rows: Rows, rounds: int) -> tuple[str, ...]:
    rows = dataclasses.replace(
        rows,
        features=np.tile(rows.features, family.copies),
        X_train=np.tile(rows.X_train, family.copies),
        X_test=np.tile(rows.X_test, family.copies),
    )
    ways: dict[str, Callable[[Task], Contender]] = {
        "seedbed": partial(_stacked, family),
        "vmap, compiled": partial(_vmapped, family),
        "floor": plain.floor,
    }
    if "@" not in family.candidate and family.batch_size is None and family.copies == 1:
        ways["JAX"] = partial(speed_peers.jax_scan, epochs=max(family.epochs // 4, 20))
    task = Task(family.candidate.partition("@")[0], rows)
    found = measure(task, ways, rounds)
    one, floor = found.pop("seedbed"), found.pop("floor")
    peer, best = min(found.items(), key=lambda item: item[1].best if item[1].ms else np.inf)
    rate = plain.operations_a_network(task.candidate, rows) / one.best / 1e6
    words = f"`{family.candidate}`" + (f", batches of {family.batch_size}" if family.batch_size else "")
    words += f", {rows.n_features} inputs" if family.copies > 1 else ""
    shown = [number(one.best), number(rate), f"{floor.best / one.best:.0%}", peer, *_against(one, best)]
    return (name, words, *shown)


def _against(one: Measured, peer: Measured) -> tuple[str, str]:
    return (number(peer.best), number(peer.best / one.best)) if peer.ms else ("-", peer.note)


def _stacked(family: Family, task: Task) -> Contender:
    data = ours._one_split(task.rows)
    candidate = parse_candidate(family.candidate)
    recipe = candidate.recipe(Recipe(epochs=family.epochs, batch_size=family.batch_size))
    build = partial(candidate.architecture, data.X.shape[1], 1)
    plan = plan_stack(build, data, recipe, seeds=range(5000), splits=[0] * 5000)
    chunk = plan.chunks[0]
    n = len(chunk.members)

    def run() -> float:
        return timed(lambda: train_chunk(chunk, data), networks=n, epochs=family.epochs)

    run()
    return Contender(run, f"one chunk of {n} networks")


def _vmapped(family: Family, task: Task) -> Contender:
    """As torch's tutorial on model ensembling has it, for any module, rows of a step drawn for each network."""
    data, n = plain.tensors(task.rows), family.n_of_vmap
    build = parse_candidate(family.candidate).architecture
    networks = [build(task.rows.n_features, 1) for _ in range(n)]
    params, buffers = torch.func.stack_module_state(networks)
    step = torch.compile(_vmap_step(networks[0], data, family.batch_size), dynamic=False)
    params = {name: value.detach() for name, value in params.items()}
    epochs = max(family.epochs // 20, 2)

    def train() -> None:
        now = params
        for _ in range(epochs):
            for rows in _orders(len(data[0]), n, family.batch_size):
                now, _ = step(now, buffers, rows)

    def run() -> float:
        with threads(1), torch.no_grad():
            return timed(train, networks=n, epochs=epochs)

    try:
        run()
    except RuntimeError as error:  # it has no way for layers that keep count of batches
        raise UnavailableError(f"vmap: {str(error).splitlines()[0]}") from None
    return Contender(run, f"{n} networks, {epochs} epochs, scaled up")


def _orders(n_rows: int, n_networks: int, batch_size: int | None) -> list[Tensor]:
    """Rows of each step [network, row], dropping what is left of an epoch; one step with none where it is all rows."""
    if batch_size is None:
        return [torch.zeros(n_networks, 0, dtype=torch.int64)]
    order = torch.rand(n_networks, n_rows).argsort(1)
    return [part for part in order.split(batch_size, 1) if part.shape[1] == batch_size]


def _vmap_step(network: nn.Module, data: tuple[Tensor, ...], batch_size: int | None) -> Callable[..., object]:
    X_train, y_train, X_test, y_test = data

    def loss_of(params: object, buffers: object, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.func.functional_call(network, (params, buffers), (X,))
        return F.binary_cross_entropy_with_logits(z, y), ((z > 0) == (y > 0.5)).float().mean()

    def of_rows(params: object, buffers: object, rows: Tensor) -> tuple[Tensor, Tensor]:
        X, y = (X_train, y_train) if batch_size is None else (X_train[rows], y_train[rows])
        return loss_of(params, buffers, X, y)

    train = torch.vmap(torch.func.grad_and_value(of_rows, has_aux=True), randomness="different")
    test = torch.vmap(loss_of, in_dims=(0, 0, None, None), randomness="different")

    def step(params: dict[str, Tensor], buffers: dict[str, Tensor], rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        grads, (loss, accuracy) = train(params, buffers, rows)
        params = {name: value - LR * grads[name] for name, value in params.items()}
        if batch_size is not None:
            return params, torch.stack([loss, accuracy])
        return params, torch.stack([loss, accuracy, *test(params, buffers, X_test, y_test)])

    return step


if __name__ == "__main__":
    main()
