"""JAX, `vmap` of a `lax.scan` over epochs, jitted, on one core, for `speed_peers.py`: a line in,
milliseconds out.

Its argument is a candidate, or `own:` and the name of a module in `own_modules.py`, whose processor
time counts."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise


def keep_to_one_core() -> None:
    """XLA sizes its pool of threads by the cores it may run on, whatever its flags say; so before
    JAX is imported."""
    os.environ["XLA_FLAGS"] = (
        "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    )
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


keep_to_one_core()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from workload import (  # noqa: E402
    EPOCHS,
    LR,
    OWN_LR,
    OWN_NETWORKS,
    has_relu,
    hidden_widths,
    load_own_rows,
    load_rows,
    networks_of_a_peer,
)

Params = list[tuple[jax.Array, jax.Array]]
Outputs = Callable[[Params, jax.Array], jax.Array]


def initial(sizes: Sequence[tuple[int, int]], n_networks: int) -> Params:
    """Weights and biases [network, ...] of layers with so many inputs and outputs, drawn as torch
    draws them."""
    rng = np.random.default_rng(0)
    params = []
    for n_in, n_out in sizes:
        weights, biases = (
            rng.uniform(-(n_in**-0.5), n_in**-0.5, (n_networks, *shape))
            for shape in ((n_in, n_out), (n_out,))
        )
        params.append(
            (jnp.asarray(weights, jnp.float32), jnp.asarray(biases, jnp.float32))
        )
    return params


def linear(layer: tuple[jax.Array, jax.Array], x: jax.Array) -> jax.Array:
    return x @ layer[0] + layer[1]


def chain(relu: bool, params: Params, x: jax.Array) -> jax.Array:
    for number, layer in enumerate(params):
        x = linear(layer, jax.nn.relu(x) if relu and number else x)
    return x


def residual(params: Params, x: jax.Array) -> jax.Array:
    first, *inner, last = params
    x = linear(first, x)
    for block in (inner[:2], inner[2:]):
        x = x + chain(True, block, x)
    return linear(last, jax.nn.relu(x))


def swiglu(params: Params, x: jax.Array) -> jax.Array:
    gate, value = jnp.split(linear(params[0], x), 2, -1)
    return linear(params[1], jax.nn.silu(gate) * value)


def cross(params: Params, x: jax.Array) -> jax.Array:
    *layers, last = params
    crossed = x
    for layer in layers:
        crossed = 0.1 * x * linear(layer, crossed) + crossed
    return linear(last, crossed)


def experts(params: Params, x: jax.Array) -> jax.Array:
    gate, *layers = params
    outputs = [
        chain(True, layers[i : i + 2], x)[:, 0] for i in range(0, len(layers), 2)
    ]
    return (jnp.stack(outputs, -1) * jax.nn.softmax(linear(gate, x))).sum(
        -1, keepdims=True
    )


# Inputs and outputs of the layers for 12 features, and the outputs [row, 1].
OWN: dict[str, tuple[list[tuple[int, int]], Outputs]] = {
    "squeeze": ([(12, 5), (5, 1)], partial(chain, True)),
    "residual": ([(12, 16), *[(16, 16)] * 4, (16, 1)], residual),
    "swiglu": ([(12, 32), (16, 1)], swiglu),
    "cross": ([(12, 12), (12, 12), (12, 1)], cross),
    "experts": ([(12, 4), *[(12, 8), (8, 1)] * 4], experts),
}


def make_train(outputs: Outputs, epochs: int, lr: float, data: tuple[np.ndarray, ...]):
    """A jitted function from stacked parameters to them trained and their curves, 4 x [network,
    epoch]."""
    X_train, y_train, X_test, y_test = map(jnp.asarray, data)

    def loss_of(params, X, y):
        z = outputs(params, X)[:, 0]
        return jnp.mean(jax.nn.softplus(z) - y * z), jnp.mean((z > 0) == (y > 0.5))

    def epoch(params, _):
        (loss, accuracy), grads = jax.value_and_grad(loss_of, has_aux=True)(
            params, X_train, y_train
        )
        params = jax.tree.map(lambda p, g: p - lr * g, params, grads)
        return params, (loss, accuracy, *loss_of(params, X_test, y_test))

    return jax.jit(jax.vmap(lambda params: jax.lax.scan(epoch, params, length=epochs)))


def main(candidate: str, epochs: int) -> None:
    own = candidate.partition("own:")[2]
    if own:
        rows, n_networks, lr, clock = (
            load_own_rows(),
            OWN_NETWORKS,
            OWN_LR,
            time.process_time,
        )
        sizes, outputs = OWN[own]
    else:
        rows, n_networks, lr, clock = (
            load_rows(),
            networks_of_a_peer(candidate),
            LR,
            time.perf_counter,
        )
        sizes = list(pairwise([rows.n_features, *hidden_widths(candidate), 1]))
        outputs = partial(chain, has_relu(candidate))
    params = initial(sizes, n_networks)
    train = make_train(
        outputs, epochs, lr, (rows.X_train, rows.y_train, rows.X_test, rows.y_test)
    )
    jax.block_until_ready(train(params))
    print(
        f"{n_networks} networks, {epochs} epochs, scaled up; a process of its own",
        flush=True,
    )
    for _ in sys.stdin:
        start = clock()
        jax.block_until_ready(train(params))
        print((clock() - start) * 1000 / n_networks * EPOCHS / epochs, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
