"""What the browser trains is what PyTorch trains on the same rows."""

import re

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from seedbed.data.preprocessing import Preprocessor, target_moments
from seedbed.data.splits import holdout
from seedbed.networks.mlp import MLP
from seedbed.play.document import table_document
from seedbed.play.page import STATIC
from seedbed.training.torch.modules import started_module

ACTIVATIONS = ("linear", "relu", "tanh", "elu", "sigmoid", "gelu", "silu", "leaky_relu")
TASKS = ("binary", "multiclass", "regression")
LOSSES = dict(
    binary=nn.BCEWithLogitsLoss(),
    multiclass=nn.CrossEntropyLoss(),
    regression=nn.MSELoss(),
)


def torch_run(table, asked, initial, split):
    """Train one network by PyTorch from its initial parameters; return losses before each step, and
    the network."""
    rows = holdout(table.target, random_state=split)
    X = (
        Preprocessor.fit(table, rows.train)
        .inputs_of_values(table.features)
        .astype(np.float64)
    )
    y = table.target
    if table.task == "regression":
        mean, deviation = target_moments(y[rows.train])
        y = (y - mean) / deviation
    X = torch.tensor(X)
    Y = torch.tensor(
        y.copy() if table.task == "multiclass" else y[:, None].astype(float)
    )
    layers = asked["hidden"]
    mlp = MLP(
        tuple(one["units"] for one in layers),
        tuple(one["activation"] for one in layers),
    )
    net, place = started_module(mlp.network(X.shape[1], table.n_outputs), 0).double(), 0
    for layer in (one for one in net if isinstance(one, nn.Linear)):
        n = layer.weight.numel()
        layer.weight.data = (
            torch.tensor(initial[place : place + n])
            .double()
            .reshape(layer.in_features, -1)
            .T.clone()
        )
        layer.bias.data = torch.tensor(
            initial[place + n : place + n + layer.out_features]
        ).double()
        place += n + layer.out_features
    kind = torch.optim.SGD if asked["optimizer"] == "sgd" else torch.optim.AdamW
    optimizer = kind(
        net.parameters(), lr=asked["lr"], weight_decay=asked["weightDecay"]
    )
    losses = []
    train = torch.tensor(rows.train.copy())
    test = torch.tensor(rows.test.copy())
    for _ in range(asked["epochs"]):
        with torch.no_grad():
            tested = LOSSES[table.task](net(X[test]), Y[test])
        loss = LOSSES[table.task](net(X[train]), Y[train])
        losses.append((loss.item(), tested.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.array(losses), net, X


RUN = """async (document, request) => {
  const table = decodeTable(document), run = await finish(table, request), sizes = widths(table, request.hidden);
  const initial = request.networks.map(({ seed }) => Array.from(initialParameters(sizes, seed)));
  const predicted = await run.predict([0, 1, 2], table.x);
  return { ...plainRun(run), initial, predicted: Array.from(predicted) };
}"""


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("task", TASKS)
def test_parameters_curves_and_predictions_equal_pytorch(
    lab, mixed, document, request_of, task, optimizer
):
    asked = request_of(
        "tanh:6,4",
        optimizer=optimizer,
        lr=0.05,
        weightDecay=0.02,
        networks=[{"split": split, "seed": split + 5} for split in range(3)],
    )
    check_parity(lab(RUN, document(task), asked), mixed(task), asked)


@pytest.mark.few(2)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_equals_pytorch(lab, mixed, document, request_of, activation):
    asked = request_of(f"{activation}:5")
    check_parity(lab(RUN, document("binary"), asked), mixed("binary"), asked)


def check_parity(found, table, asked):
    assert found["status"] == "done"
    predicted = np.array(found["predicted"]).reshape(3, table.n_rows, -1)
    for net, place in enumerate(asked["networks"]):
        losses, own, X = torch_run(table, asked, found["initial"][net], place["split"])
        parameters = [value.numpy().ravel() for value in own.state_dict().values()]
        for mine, theirs in zip(found["weights"][net], parameters, strict=True):
            assert_allclose(mine, theirs, atol=1e-4)
        curve = {
            name: np.reshape(found["curves"][name], (3, -1))[net]
            for name in ("trainLoss", "testLoss")
        }
        assert_allclose(curve["trainLoss"], losses[:, 0], atol=1e-4)
        assert_allclose(curve["testLoss"][:-1], losses[1:, 1], atol=1e-4)
        with torch.no_grad():
            outputs = own(X)
        if table.task == "regression":
            rows = holdout(table.target, random_state=place["split"])
            mean, deviation = target_moments(table.target[rows.train])
            outputs = outputs * deviation + mean
        else:
            outputs = (
                outputs.sigmoid() if table.task == "binary" else outputs.softmax(1)
            )
        assert_allclose(
            predicted[net],
            np.asarray(outputs),
            atol=1e-4 * max(1, np.abs(table.target).max()),
        )


SPLIT = """(document, split) => {
  const table = decodeTable(document), { train, test } = splitRows(table, split);
  return [Array.from(train), Array.from(test), testSize(table, split)];
}"""


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", [*TASKS, "groups"])
def test_splits_of_a_table_in_the_page_are_those_of_seedbed(lab, mixed, grouped, kind):
    table = grouped if kind == "groups" else mixed(kind)
    for split in (0, 1, 99):
        expected = holdout(table.target, random_state=split, groups=table.groups)
        train, test, size = lab(SPLIT, table_document(table), split)
        assert train == sorted(expected.train.tolist())
        assert test == sorted(expected.test.tolist())
        assert size == len(test)


@pytest.mark.few(1)
@pytest.mark.parametrize("task", TASKS)
def test_splits_of_other_tables_test_a_fifth_of_each_class(lab, document, task):
    table = document(task) | {"splits": None}
    splits = [lab(SPLIT, table, split) for split in range(200)]
    y, tested = np.array(table["y"]), np.zeros(len(table["y"]))
    for train, test, size in splits:
        assert sorted(train + test) == list(range(90))
        assert size == len(test) == 18
        tested[test] += 1
        if task != "regression":
            assert np.abs(np.bincount(y[test]) - 0.2 * np.bincount(y)).max() < 1
    # Of 200 draws with a share of 0.2, the number has a standard deviation of 5.7.
    assert np.abs(tested - 40).max() < 4 * 5.7
    assert tested.std() == pytest.approx(5.7, abs=1.2)


def test_every_split_that_the_page_offers_is_written_into_the_page(grouped):
    most = int(
        re.search(r"MOST_SPLITS = (\d+)", (STATIC / "settings.js").read_text())[1]
    )
    assert len(table_document(grouped)["splits"]["sizes"]) == most


@pytest.mark.slow
def test_scores_are_accuracy_and_r2_of_the_test_rows(lab, mixed, document, request_of):
    for task in ("multiclass", "regression"):
        table, asked = mixed(task), request_of()
        found = lab(RUN, document(task), asked)
        rows = holdout(table.target, random_state=0).test
        predicted = np.reshape(found["predicted"], (3, table.n_rows, -1))[:, rows]
        y = table.target[rows]
        scores = np.reshape(found["curves"]["testScore"], (3, -1))[:, -1]
        if task == "multiclass":
            expected = (predicted.argmax(-1) == y).mean(1)
        else:
            expected = 1 - ((predicted[:, :, 0] - y) ** 2).mean(1) / y.var()
        assert_allclose(scores, expected, atol=1e-4)


def test_initial_parameters_are_uniform_as_torch_draws_them(lab):
    values = np.array(lab("() => Array.from(initialParameters([16, 400, 1], 7))"))
    weights, last = values[: 17 * 400] * 4, values[17 * 400 :] * 20
    for one in (weights, last):
        assert np.abs(one).max() <= 1
        assert abs(one.mean()) < 4 / np.sqrt(3 * len(one))
        assert abs((one**2).mean() - 1 / 3) < 4 * np.sqrt(4 / 45 / len(one))
    assert (
        lab("() => Array.from(initialParameters([16, 400, 1], 8))") != values.tolist()
    )


@pytest.mark.slow
def test_a_network_depends_on_its_split_and_seed_alone(lab, document, request_of):
    wanted = {"split": 3, "seed": 9}
    many = [{"split": i % 4, "seed": i} for i in range(40)]
    alone = lab(
        RUN.replace("[0, 1, 2]", "[0]"),
        document("binary"),
        request_of(networks=[wanted]),
    )
    among = lab(RUN, document("binary"), request_of(networks=[*many, wanted]))
    assert alone["weights"][0] == among["weights"][40]


def test_a_cancelled_run_stops_and_the_next_one_trains(lab, document, request_of):
    networks = [{"split": 0, "seed": seed} for seed in range(100)]
    cancelled, epochs, trained, status = lab(
        """async (document, slow, quick) => {
          const table = decodeTable(document), run = await new Promise((resolve) => {
            engine.train(table, slow, (one) => { one.cancel(); resolve(one); });
          });
          const next = await finish(table, quick);
          return [run.status, run.epochs.length, run.trained, next.status];
        }""",
        document("binary"),
        request_of(networks=networks, epochs=50_000),
        request_of(),
    )
    assert (cancelled, epochs, status) == ("cancelled", 200, "done")
    assert trained < 100


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            {"hidden": [{"units": 0, "activation": "relu"}]},
            "A layer has 1 to 256 units.",
        ),
        (
            {"hidden": [{"units": 3, "activation": "no"}]},
            "This activation isn't known.",
        ),
        ({"networks": []}, "A run trains 1 to 20,000 networks."),
    ],
)
def test_a_request_that_cannot_be_trained_fails_with_a_reason(
    lab, document, request_of, words, problem
):
    found = lab(
        "async (document, request) => plainRun(await finish(decodeTable(document), request))",
        document("binary"),
        request_of(**words),
    )
    assert (found["status"], found["message"]) == ("failed", problem)


def test_thousands_of_networks_train_in_waves(lab, document, request_of):
    networks = [{"split": i // 20, "seed": i % 20} for i in range(2000)]
    found = lab(
        """async (document, request) => {
      const run = await finish(decodeTable(document), request), { trainLoss, testScore } = run.curves;
      return [run.status, run.trained, [...trainLoss, ...testScore].every(Number.isFinite)];
    }""",
        document("binary"),
        request_of(networks=networks, epochs=3),
    )
    assert found == ["done", 2000, True]


def test_a_network_that_diverges_has_no_verdict(lab, document, request_of):
    networks = [{"split": split, "seed": 0} for split in range(4)]
    found = lab(
        """async (document, wild, tame) => {
      const table = decodeTable(document), a = await finish(table, wild), b = await finish(table, tame);
      return [a.status, b.status, judge(a, b).splits];
    }""",
        document("regression"),
        request_of(networks=networks, lr=1e6),
        request_of(networks=networks),
    )
    assert found == ["done", "done", 0]
