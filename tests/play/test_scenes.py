"""The scenes of the lesson: their folds, their tables, and their numbers, which are those of Python."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, recall_score
from torch import nn

import seedbed as sb
from seedbed.evaluation.calibration import of_two_classes
from seedbed.play.document import table_document

TRAIN = """async (name, request, k, groups) => {
  const table = { patients: patientsTable, rare: rareTable }[name](), sizes = widths(table, request.hidden);
  const folds = foldsOf(table, k, 0, groups ? table.row_groups : null), run = await finish(withFolds(table, folds, k), request);
  return {
    x: Array.from(table.x), y: Array.from(table.y), folds: Array.from(folds),
    scores: request.networks.map((_, net) => run.curves.testScore[(net + 1) * run.epochs.length - 1]),
    initial: request.networks.map(({ seed }) => Array.from(initialParameters(sizes, seed))),
    predicted: Array.from(await run.predict(request.networks.keys(), null)),
  };
}"""


def logistic(**words):
    """A request of logistic regression, which PyTorch can repeat to the last digits."""
    return dict(
        hidden=[],
        optimizer="adamw",
        lr=0.1,
        weightDecay=0.01,
        epochs=200,
        networks=[{"split": fold, "seed": fold} for fold in range(5)],
        **words,
    )


def torch_logistic(X, y, train, initial, asked):
    """Return the probabilities of all rows by a logistic regression of some of them."""
    X = torch.tensor((X - X[train].mean(0)) / X[train].std(0))
    Y = torch.tensor(y[:, None]).double()
    layer = nn.Linear(X.shape[1], 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([initial[:-1]]))
        layer.bias.copy_(torch.tensor(initial[-1:]))
    optimizer = torch.optim.AdamW(
        layer.parameters(), lr=asked["lr"], weight_decay=asked["weightDecay"]
    )
    for _ in range(asked["epochs"]):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(
            layer(X[train]), Y[train]
        ).backward()
        optimizer.step()
    return torch.sigmoid(layer(X)).detach().numpy()[:, 0]


@pytest.mark.parametrize("name", ["rare", "patients"])
def test_the_numbers_of_a_scene_are_those_of_python(lab, name):
    asked = logistic()
    found = lab(TRAIN, name, asked, 5, name == "patients")
    y, folds = np.array(found["y"]), np.array(found["folds"])
    X = np.reshape(found["x"], (len(y), -1))
    page = np.reshape(found["predicted"], (5, -1))
    expected = np.zeros(len(y))
    for fold in range(5):
        (train,) = np.nonzero(folds != fold)
        own = torch_logistic(X, y, train, found["initial"][fold], asked)
        assert_allclose(page[fold], own, atol=1e-5)
        tested = folds == fold
        expected[tested] = own[tested]
        right = (own[tested] > 0.5) == y[tested]
        assert found["scores"][fold] == pytest.approx(right.mean(), abs=1e-5)
    shown = page[folds, np.arange(len(y))]
    for threshold in (0.02, 0.05, 0.2, 0.5):
        rates = lab("ratesOf", y.tolist(), shown.tolist(), threshold)
        python = of_two_classes(y.astype(int), expected, threshold)
        called = expected > threshold
        prior = log_loss(y, np.full(len(y), y.mean()))
        numbers = {
            "rare": y.sum(),
            "found": recall_score(y, called) * y.sum(),
            "alarms": (called & (y == 0)).sum(),
            "accuracy": (called == y).mean(),
            "benefit": python.net_benefit,
            "score": 100 * (1 - log_loss(y, expected) / prior),
        }
        assert rates == pytest.approx(numbers, rel=1e-5, abs=1e-5)


FOLDS = """(table, k, mix, groups) => Array.from(foldsOf({ ...table, y: Float64Array.from(table.y) }, k, mix, groups))"""


@pytest.mark.parametrize("k", [5, 10])
def test_folds_hold_as_many_rows_of_each_class_as_possible(lab, k):
    y = [0] * 117 + [1] * 43 + [2] * 7
    table = {"rows": len(y), "y": y, "classes": ["a", "b", "c"]}
    mixes = [np.array(lab(FOLDS, table, k, mix, None)) for mix in range(5)]
    for folds in mixes:
        sizes = pd.crosstab(folds, np.array(y))
        assert ((sizes.max() - sizes.min()) <= 1).all()
        assert np.ptp(np.bincount(folds, minlength=k)) <= 1
    assert not (mixes[0] == mixes[1]).all()


def test_rows_of_one_group_are_in_one_fold(lab):
    random = np.random.default_rng(4)
    groups = np.sort(random.integers(0, 40, 230))
    table = {"rows": 230, "y": random.integers(0, 2, 230).tolist(), "classes": [0, 1]}
    folds = lab(FOLDS, table, 5, 0, groups.tolist())
    assert pd.Series(folds).groupby(groups).nunique().max() == 1
    sizes = np.bincount(folds)
    assert np.ptp(sizes) <= np.bincount(groups).max()


def test_the_verdict_on_ten_folds_is_that_of_judge(lab, tmp_path, mixed):
    networks = [{"split": i // 3, "seed": i} for i in range(30)]
    requests = [
        logistic() | {"networks": networks, "hidden": hidden}
        for hidden in ([], [{"units": 9, "activation": "relu"}])
    ]
    page, scores = lab(
        """async (document, ...requests) => {
          const table = decodeTable(document), own = withFolds(table, foldsOf(table, 10, 0), 10), runs = [];
          for (const request of requests) runs.push(await finish(own, request));
          return [judge(...runs), exports(own, runs).scores];
        }""",
        table_document(mixed("binary")),
        *requests,
    )
    (tmp_path / "scores.csv").write_text(scores)
    (verdict,) = sb.judge(tmp_path / "scores.csv").to_dict()["verdicts"]
    assert page["rule"] == verdict["rule"]
    assert page["splits"] == 10
    for name in ("difference", "low", "high"):
        assert page[name] == pytest.approx(verdict[name], abs=1e-5)


def test_the_tables_are_those_of_the_formulas(lab):
    patients = lab(
        "() => { const { y, row_groups } = patientsTable(); return [Array.from(y), row_groups]; }"
    )
    y, groups = map(pd.Series, patients)
    assert groups.value_counts().tolist() == [5] * 100
    assert (y.groupby(groups).nunique() == 1).all()
    assert 30 < y[::5].sum() < 70
    x, y = lab(
        "() => { const { x, y } = rareTable(); return [Array.from(x), Array.from(y)]; }"
    )
    first, second, *others = np.reshape(x, (2000, 4)).T
    known = first + 1.5 * np.abs(second)
    y = np.array(y)
    assert y.sum() == 40
    assert known[y == 1].min() > np.quantile(known, 0.8)
    assert [abs(np.corrcoef(one, y)[0, 1]) < 0.06 for one in others] == [True, True]


GROUPS = """(text) => {
  const { table, error } = readCsv(text, "sick", "visits");
  if (error) throw new Error(error);
  return Object.fromEntries(table.columns.map(({ name }, place) => [name, Array.from(groupsOf(table, place))]));
}"""


def test_a_column_of_names_or_numbers_tells_the_patients_apart(lab):
    random = np.random.default_rng(6)
    patient = random.permutation(np.repeat(np.arange(90), 3))
    frame = pd.DataFrame(
        {
            "name": [f"P{one:03}" for one in patient],
            "number": 1000 + 7 * patient,
            "ward": np.where(patient % 5 < 2, "east", "west"),
            "dose": random.normal(size=270).round(4),
            "sick": patient % 2,
        }
    )
    frame.loc[[3, 8], "ward"] = None
    found = lab(GROUPS, frame.to_csv(index=False))
    expected = pd.factorize(patient)[0].tolist()
    assert found["name"] == expected
    assert found["number"] == expected
    wards = pd.Series(found["ward"]).groupby(frame["ward"].fillna("none")).nunique()
    assert wards.to_dict() == {"east": 1, "none": 2, "west": 1}


def test_a_table_of_python_has_its_groups_and_its_rare_levels(lab, grouped):
    document = table_document(grouped)
    assert document["row_groups"] == grouped.groups.tolist()
    levels = [f"level {i // 2}" for i in range(600)]
    frame = pd.DataFrame({"level": levels, "x": np.arange(600) % 7, "y": [0, 1] * 300})
    table = table_document(sb.read_table(frame, target="y"))
    place = [one["name"] for one in table["columns"]].index("level")
    call = "(document, place) => groupsOf(decodeTable(document), place)"
    groups = lab(call, table, place)
    assert groups == [i // 2 for i in range(600)]


def test_networks_learn_nothing_from_the_column_of_the_patient(lab):
    asked = logistic()
    found = lab(
        """async (request) => {
          const table = patientsTable(), folds = foldsOf(table, 5, 0), own = withFolds(table, folds, 5, 2);
          const run = await finish(own, request), x = table.x.map((cell, at) => (at % 6 === 2 ? 99 : cell));
          const [one, other] = [await run.predict([0], null), await run.predict([0], x)];
          return [run.status, Math.max(...one.map((p, i) => Math.abs(p - other[i])))];
        }""",
        asked,
    )
    assert found[0] == "done"
    assert found[1] < 1e-6
