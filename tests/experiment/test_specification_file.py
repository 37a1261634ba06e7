"""The specification is written before the first fit and contains all that determines the result."""

import dataclasses
import json
import re

import numpy as np
import pytest
from torch import nn

from seedbed.experiment.specification_file import specification, write_specification

pytestmark = pytest.mark.usefixtures("plain_charts")


def document_of(plan, folder):
    return json.loads(
        write_specification(plan.experiment, plan.specification, folder).read_text()
    )


def test_the_specification_is_written_before_the_first_fit(small, tmp_path):
    seen, folder = [], tmp_path / "new"
    small(
        candidates="tanh:3",
        baselines=["prior"],
        repeats=2,
        folder=folder,
        on_progress=lambda progress: seen.append(
            sorted(path.name for path in folder.iterdir())
        ),
    )
    assert seen[0] == [".writer", "experiment.json"]
    # when fits are stored
    assert seen[-1] == [".writer", "experiment.json", "unfinished"]
    assert (folder / "comparison.json").exists()


def test_equal_experiments_have_equal_specifications_except_for_time(planned, tmp_path):
    one, other = (
        document_of(planned("linear:3", baselines=["prior"]), tmp_path / name)
        for name in "ab"
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one.pop("frozen_at"))
    other.pop("frozen_at")
    assert one == other


def test_a_user_defined_network_is_written_without_its_memory_address(
    planned, tmp_path
):
    def build():
        return nn.Linear(3, 1)

    document = document_of(planned(build, lambda: nn.Linear(3, 1)), tmp_path)
    assert "build" in document["candidates"][0]["architecture"]
    assert not re.search(r"0x[0-9a-f]+", json.dumps(document))


def test_hashes_of_table_and_splits_change_with_their_contents(planned, tmp_path):
    plan = planned("linear:3", "relu:3", repeats=2)
    table = plan.experiment.table
    first = dataclasses.replace(
        table.columns[0], values=table.columns[0].values + np.eye(60)[0]
    )
    other = dataclasses.replace(table, columns=(first, *table.columns[1:]))
    flipped = dataclasses.replace(table, target=1 - table.target)

    def specified(table, splits):
        return specification(dataclasses.replace(plan.experiment, table=table), splits)

    found = [specified(one, plan.splits) for one in (table, other, flipped)]
    assert len({document["table"]["sha256"] for document in found}) == 3
    assert len({document["splits_sha256"] for document in found}) == 1
    splits = {
        document_of(planned("linear:3", "relu:3", **words), tmp_path)["splits_sha256"]
        for words in (
            {"random_state": 0},
            {"random_state": 1},
            {"folds": 4},
            {"repeats": 2},
            {"n_networks": 7},
        )
    }
    assert len(splits) == 4  # splits don't depend on networks
    fewer = tuple(
        dataclasses.replace(split, train=split.train[1:]) for split in plan.splits
    )
    assert specified(table, fewer)["splits_sha256"] != found[0]["splits_sha256"]


def test_without_a_folder_nothing_is_written(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(candidates=["tanh:3", "relu:3"])
    assert list(tmp_path.iterdir()) == []
