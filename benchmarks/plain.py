"""The two ends of the scale: the tutorial's loop, and what the arithmetic alone would take."""

from __future__ import annotations

from itertools import pairwise

import torch
from rounds import Contender, Task, threads, timed
from torch import nn
from workload import EPOCHS, LR, Rows, has_relu, hidden_widths


def plain_network(candidate: str, n_features: int) -> nn.Module:
    """The network as the tutorial writes it."""
    widths = [n_features, *hidden_widths(candidate), 1]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        if layers and has_relu(candidate):
            layers.append(nn.ReLU())
        layers.append(nn.Linear(n_in, n_out))
    return nn.Sequential(*layers)


def tensors(rows: Rows) -> tuple[torch.Tensor, ...]:
    """X_train, y_train, X_test, y_test; targets [row, 1]."""
    X_train, y_train, X_test, y_test = map(
        torch.from_numpy, (rows.X_train, rows.y_train, rows.X_test, rows.y_test)
    )
    return X_train, y_train[:, None], X_test, y_test[:, None]


def tutorial_loop(
    network: nn.Module, data: tuple[torch.Tensor, ...], epochs: int
) -> list[list[float]]:
    """The baseline: the tutorial's loop, with the four figures kept at every epoch."""
    X_train, y_train, X_test, y_test = data
    loss_fn = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=LR)
    kept: list[list[float]] = []
    for _ in range(epochs):
        network.train()
        z = network(X_train)
        loss = loss_fn(z, y_train)
        accuracy = _accuracy(z, y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        network.eval()
        with torch.inference_mode():
            test_z = network(X_test)
            test_loss = loss_fn(test_z, y_test)
            test_accuracy = _accuracy(test_z, y_test)
        kept.append([loss.item(), accuracy, test_loss.item(), test_accuracy])
    return kept


def _accuracy(z: torch.Tensor, y: torch.Tensor) -> float:
    return torch.eq(torch.round(torch.sigmoid(z)), y).sum().item() / len(y) * 100


def loop(task: Task, *, n_threads: int, epochs: int) -> Contender:
    data = tensors(task.rows)

    def run() -> float:
        network = plain_network(task.candidate, task.rows.n_features)
        with threads(n_threads):
            return timed(lambda: tutorial_loop(network, data, epochs), epochs=epochs)

    run()
    return Contender(run, f"{epochs} epochs, scaled up")


def floor(task: Task) -> Contender:
    """Multiplications and additions of all layers, at the rate of a large matmul on one thread, in
    the library that is quicker at it: torch's own choice, or oneDNN."""
    side = 2048
    a, b = torch.randn(2, side, side)
    operations = operations_a_network(task.candidate, task.rows)
    n_parameters = sum(
        p.numel()
        for p in plain_network(task.candidate, task.rows.n_features).parameters()
    )
    rough = 6 * n_parameters * len(task.rows.target) * EPOCHS

    def run() -> float:
        with threads(1):
            seconds_of_matmul = (
                min(timed(lambda: a @ b), timed(lambda: _onednn(a, b))) / 1000
            )
        return operations / (2 * side**3 / seconds_of_matmul) * 1000

    run()
    return Contender(
        run,
        f"{operations / 1e9:.2f} GFLOP; 6 x parameters x rows would be {rough / 1e9:.2f}",
    )


def _onednn(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The product by oneDNN, which only an operator meant for torch's own use reaches; on AMD it is
    twice as fast."""
    if not torch.backends.mkldnn.is_available():
        return a @ b
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise.default(
        a, b.t(), None, "none", [], ""
    )
    return product


def operations_a_network(candidate: str, rows: Rows) -> float:
    """Two for each weight and row in a product. Training rows need three products a layer (forward,
    gradient of the weights, gradient of the inputs; the last not for the first layer), test rows
    one."""
    layers = list(pairwise([rows.n_features, *hidden_widths(candidate), 1]))
    weights = [n_in * n_out for n_in, n_out in layers]
    a_training_row = 6 * sum(weights) - 2 * weights[0]
    return EPOCHS * (
        a_training_row * len(rows.y_train) + 2 * sum(weights) * len(rows.y_test)
    )
