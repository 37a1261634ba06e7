"""JAX, `vmap` of a `lax.scan` over epochs, jitted, on one core, for `speed_peers.py`: a line in, milliseconds out."""

from __future__ import annotations

import os
import sys
import time
from itertools import pairwise


def keep_to_one_core() -> None:
    """XLA sizes its pool of threads by the cores it may run on, whatever its flags say; so before JAX is imported."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


keep_to_one_core()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from workload import EPOCHS, LR, has_relu, hidden_widths, load_rows, networks_of_a_peer  # noqa: E402


def initial(widths: list[int], n_networks: int) -> list[tuple[jax.Array, jax.Array]]:
    """Weights and biases [network, ...], drawn as torch draws them."""
    rng = np.random.default_rng(0)
    params = []
    for n_in, n_out in pairwise(widths):
        weights, biases = (
            rng.uniform(-(n_in**-0.5), n_in**-0.5, (n_networks, *shape)) for shape in ((n_in, n_out), (n_out,))
        )
        params.append((jnp.asarray(weights, jnp.float32), jnp.asarray(biases, jnp.float32)))
    return params


def make_train(relu: bool, epochs: int, data: tuple[np.ndarray, ...]):
    """A jitted function from stacked parameters to them trained and their curves, 4 x [network, epoch]."""
    X_train, y_train, X_test, y_test = map(jnp.asarray, data)

    def loss_of(params, X, y):
        h = X
        for number, (weights, biases) in enumerate(params):
            h = jax.nn.relu(h) if relu and number else h
            h = h @ weights + biases
        z = h[:, 0]
        return jnp.mean(jax.nn.softplus(z) - y * z), jnp.mean((z > 0) == (y > 0.5))

    def epoch(params, _):
        (loss, accuracy), grads = jax.value_and_grad(loss_of, has_aux=True)(params, X_train, y_train)
        params = jax.tree.map(lambda p, g: p - LR * g, params, grads)
        return params, (loss, accuracy, *loss_of(params, X_test, y_test))

    return jax.jit(jax.vmap(lambda params: jax.lax.scan(epoch, params, length=epochs)))


def main(candidate: str, epochs: int) -> None:
    rows = load_rows()
    n_networks = networks_of_a_peer(candidate)
    params = initial([rows.n_features, *hidden_widths(candidate), 1], n_networks)
    train = make_train(has_relu(candidate), epochs, (rows.X_train, rows.y_train, rows.X_test, rows.y_test))
    jax.block_until_ready(train(params))
    print(f"{n_networks} networks, {epochs} epochs, scaled up; a process of its own", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        jax.block_until_ready(train(params))
        seconds = time.perf_counter() - start
        print(seconds * 1000 / n_networks * EPOCHS / epochs, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
