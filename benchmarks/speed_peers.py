"""Other ways to train the same networks, on one core each. A function a peer; it imports what it
needs by itself."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from plain import plain_network, tensors
from rounds import Contender, Task, UnavailableError, threads, timed
from torch import Tensor, nn
from torch.nn import functional as F
from workload import LR, has_relu, hidden_widths, networks_of_a_peer

Params = dict[str, Tensor]


def vmap(task: Task, *, compiled: bool, epochs: int) -> Contender:
    """`torch.func.vmap` over stacked modules, as torch's own tutorial on model ensembling has
    it."""
    if compiled and not shutil.which("g++"):
        raise UnavailableError("no C++ compiler")
    n_networks = networks_of_a_peer(task.candidate)
    networks = [
        plain_network(task.candidate, task.rows.n_features) for _ in range(n_networks)
    ]
    params, _ = torch.func.stack_module_state(networks)
    params = {name: value.detach() for name, value in params.items()}
    step = vmap_step(networks[0], tensors(task.rows))
    if compiled:
        step = torch.compile(step, dynamic=False)

    def run() -> float:
        with threads(1), torch.no_grad():
            return timed(
                lambda: run_steps(step, params, epochs),
                networks=n_networks,
                epochs=epochs,
            )

    run()
    return Contender(run, f"{n_networks} networks, {epochs} epochs, scaled up")


def vmap_step(
    network: nn.Module, data: tuple[Tensor, ...], lr: float = LR
) -> Callable[[Params], tuple[Params, Tensor]]:
    """One epoch of all networks: the new parameters, and loss and accuracy on both parts [4,
    network]."""
    X_train, y_train, X_test, y_test = data

    def loss_of(params: Params, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.func.functional_call(network, params, (X,)).reshape(
            len(X), -1
        )  # a module may return [row]
        return F.binary_cross_entropy_with_logits(z, y), (
            (z > 0) == (y > 0.5)
        ).float().mean()

    train = torch.vmap(
        torch.func.grad_and_value(loss_of, has_aux=True), in_dims=(0, None, None)
    )
    test = torch.vmap(loss_of, in_dims=(0, None, None))

    def step(params: Params) -> tuple[Params, Tensor]:
        grads, (loss, accuracy) = train(params, X_train, y_train)
        params = {name: value - lr * grads[name] for name, value in params.items()}
        return params, torch.stack([loss, accuracy, *test(params, X_test, y_test)])

    return step


def run_steps(
    step: Callable[[Params], tuple[Params, Tensor]], params: Params, epochs: int
) -> Tensor:
    """The curves [epoch, 4, network]."""
    figures = []
    for _ in range(epochs):
        params, shown = step(params)
        figures.append(shown)
    return torch.stack(figures)


def sklearn_mlp(task: Task, *, epochs: int) -> Contender:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    rows = task.rows
    network = MLPClassifier(
        hidden_layer_sizes=hidden_widths(task.candidate),
        activation="relu" if has_relu(task.candidate) else "identity",
        solver="sgd",
        learning_rate_init=LR,
        momentum=0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=len(rows.X_train),
        shuffle=False,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
    )

    def run() -> float:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return timed(lambda: network.fit(rows.X_train, rows.y_train), epochs=epochs)

    run()
    return Contender(run, f"{epochs} epochs, scaled up; keeps the training loss only")


def skorch_net(task: Task, *, epochs: int) -> Contender:
    from skorch import NeuralNetBinaryClassifier
    from skorch.callbacks import EpochScoring
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    rows = task.rows
    network = NeuralNetBinaryClassifier(
        plain_network(task.candidate, rows.n_features),
        optimizer=torch.optim.SGD,
        lr=LR,
        max_epochs=epochs,
        batch_size=-1,
        train_split=predefined_split(Dataset(rows.X_test, rows.y_test)),
        callbacks=[
            (
                "train_acc",
                EpochScoring(
                    "accuracy", lower_is_better=False, on_train=True, name="train_acc"
                ),
            )
        ],
        verbose=0,
    )

    def run() -> float:
        with threads(1):
            return timed(lambda: network.fit(rows.X_train, rows.y_train), epochs=epochs)

    run()
    return Contender(run, f"{epochs} epochs, scaled up; its own four figures an epoch")


def jax_scan(task: Task, *, epochs: int) -> Contender:
    """In a process of its own, which stays: JAX takes its thread limits at start only."""
    for name in ("jax", "jaxlib"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
    script = Path(__file__).with_name("jax_peer.py")
    child = subprocess.Popen(
        [sys.executable, str(script), task.candidate, str(epochs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask() -> str:
        answer = child.stdout.readline()
        if not answer:
            raise UnavailableError(f"JAX's process ended with exit code {child.wait()}")
        return answer

    def run() -> float:
        child.stdin.write("run\n")
        child.stdin.flush()
        return float(ask())

    def close() -> None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.wait()
        child.stdout.close()

    return Contender(run, ask().strip(), close)
