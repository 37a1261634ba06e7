"""The specification is written before the first fit and contains all that determines the result."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.evaluation.summaries import Note
from seedbed.experiment.plan import make_plan
from seedbed.experiment.spec import specify
from seedbed.experiment.specification_file import specification, write_specification
from seedbed.settings.design import Compute, Design
from seedbed.settings.recipe import Recipe

pytestmark = pytest.mark.usefixtures("plain_charts")


def document_of(plan, folder):
    return json.loads(write_specification(plan.experiment, plan.specification, folder).read_text())


def test_the_specification_is_written_before_the_first_fit(small, tmp_path):
    seen, folder = [], tmp_path / "new"
    small(candidates="tanh:3", baselines=["prior"], repeats=2, folder=folder,
          on_progress=lambda progress: seen.append(sorted(path.name for path in folder.iterdir())))  # fmt: skip
    assert seen[0] == [".writer", "experiment.json"]
    assert seen[-1] == [".writer", "experiment.json", "unfinished"]  # when fits are stored
    assert (folder / "comparison.json").exists()


def test_the_specification_has_every_setting(planned, tmp_path):
    plan = planned("linear:3", "tanh:4@lr=0.1,weight_decay=0.3", name="default", baselines=["prior"],
                   reference="prior", metric="log_loss", margin=0.03, alpha=0.1, random_state=9)  # fmt: skip
    document = document_of(plan, tmp_path)
    assert document["table"] | {"sha256": ""} == {
        "name": "arrays", "target": "y", "task": "binary", "features": ["x0", "x1", "x2"], "n_inputs": 3,
        "labels": ["0", "1"], "n_rows": 60, "sha256": "", "groups_sha256": None, "times_sha256": None, "warnings": [],
        "follow_up": None, "sample": None,
    }  # fmt: skip
    written = {one["name"]: one for one in document["candidates"]}
    for line in plan.experiment.lines[:2]:
        assert written[line.name].items() >= dataclasses.asdict(line.recipe).items()
        assert None not in (line.recipe.lr, line.recipe.epochs, line.recipe.batch_size)  # those that suit the table
    assert "widths=(4,)" in written["tanh:4@lr=0.1,weight_decay=0.3"]["architecture"]
    assert written["prior"].keys() == {"name", "architecture", "overrides"}
    names = ["linear:3", "tanh:4@lr=0.1,weight_decay=0.3", "prior"]
    assert document["groups"] == [{"members": names, "lines": dict(zip(names, names, strict=True)), "without": []}]
    assert document["estimators"] == []
    assert document["design"] == dataclasses.asdict(plan.experiment.design)
    settings = {"reference": "prior", "metric": "log_loss", "margin": 0.03, "margin_rule": "given", "alpha": 0.1,
                "n_networks": 2, "random_state": 9}  # fmt: skip
    assert document.items() >= settings.items()
    assert torch.__version__.startswith(document["versions"]["torch"])  # the metadata may lack "+cu124"


def test_a_default_margin_is_frozen_as_a_rule(planned, tmp_path):
    document = document_of(planned("linear:3", "relu:3"), tmp_path)
    assert document["margin_rule"] == "at most a tenth of the reference's error"


def test_equal_experiments_have_equal_specifications_except_for_the_time(planned, tmp_path):
    one, other = (document_of(planned("linear:3", baselines=["prior"]), tmp_path / name) for name in "ab")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one.pop("frozen_at"))
    other.pop("frozen_at")
    assert one == other


def test_a_user_defined_network_is_written_without_its_memory_address(planned, tmp_path):
    def build():
        return nn.Linear(3, 1)

    document = document_of(planned(build, lambda: nn.Linear(3, 1)), tmp_path)
    assert "build" in document["candidates"][0]["architecture"]
    assert not re.search(r"0x[0-9a-f]+", json.dumps(document))


def test_hashes_of_table_and_splits_change_with_their_contents(planned, tmp_path):
    plan = planned("linear:3", "relu:3", repeats=2)
    table = plan.experiment.table
    first = dataclasses.replace(table.columns[0], values=table.columns[0].values + np.eye(60)[0])
    other = dataclasses.replace(table, columns=(first, *table.columns[1:]))
    flipped = dataclasses.replace(table, target=1 - table.target)

    def specified(table, splits):
        return specification(dataclasses.replace(plan.experiment, table=table), 2, splits)

    found = [specified(one, plan.splits) for one in (table, other, flipped)]
    assert len({document["table"]["sha256"] for document in found}) == 3
    assert len({document["splits_sha256"] for document in found}) == 1
    splits = {
        document_of(planned("linear:3", "relu:3", **words), tmp_path)["splits_sha256"]
        for words in ({"random_state": 0}, {"random_state": 1}, {"folds": 4}, {"repeats": 2}, {"n_networks": 7})
    }
    assert len(splits) == 4  # splits don't depend on networks
    fewer = tuple(dataclasses.replace(split, train=split.train[1:]) for split in plan.splits)
    assert specified(table, fewer)["splits_sha256"] != found[0]["splits_sha256"]


def test_the_specification_contains_task_groups_times_and_warnings(table_of, tmp_path):
    rng = np.random.default_rng(0)
    X, y, groups = rng.normal(size=(80, 2)), rng.normal(size=80), np.repeat(np.arange(40), 2)
    notes = (Note("a decision"), Note("an id", column="x0", code="SB107"))
    found = []
    for words in ({"groups": groups, "grouped_by": "who", "notes": notes}, {"times": np.arange(80.0)}):
        spec = specify(
            table_of(X, y, "regression", **words),
            "linear:2",
            recipe=Recipe(epochs=2),
            design=Design(baselines=["prior"]),
        )
        found.append(document_of(make_plan(spec, Compute(n_jobs=1)), tmp_path)["table"])
    grouped, timed = found
    assert (grouped["task"], grouped["labels"], grouped["warnings"]) == ("regression", [], ["SB107"])
    assert len(grouped["groups_sha256"]) == len(timed["times_sha256"]) == 64
    assert (grouped["times_sha256"], timed["groups_sha256"], timed["warnings"]) == (None, None, [])


def test_without_a_folder_nothing_is_written(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(candidates=["tanh:3", "relu:3"])
    assert list(tmp_path.iterdir()) == []
