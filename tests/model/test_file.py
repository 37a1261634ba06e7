"""A model file: a saved model is loaded unchanged, and everything else is refused."""

import dataclasses
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load as parsed

from seedbed.data.sources.memory import read_frame
from seedbed.errors import CandidateError, ModelFileError, OptionError, SeedbedError
from seedbed.model import ensemble, predictions_file
from seedbed.model.blending import fit_model
from seedbed.model.model import load
from seedbed.model.model_file import to_bytes, write_checked
from seedbed.model.stacks import Stacks
from seedbed.settings.design import Compute
from seedbed.settings.recipe import recipe_named

from ..cases import with_texts
from .conftest import CANDIDATES, FAST, TARGETS
from .file_parts import parts_of, rewritten


@pytest.fixture(scope="module")
def content(table_for):
    """The bytes of a model without a clip, which is no blend."""
    return to_bytes(
        fit_model(
            table_for("ill"),
            "relu:2",
            recipe=recipe_named("tutorial", lr=0.1, epochs=60),
            **FAST,
        )
    )


@pytest.fixture
def loaded(tmp_path):
    """A function that loads a model from bytes."""

    def load_bytes(content: bytes, **options):
        path = tmp_path / "tried.safetensors"
        path.write_bytes(content)
        return load(path, **options)

    return load_bytes


@pytest.mark.few(4)
@pytest.mark.product
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("candidate", CANDIDATES)
def test_a_loaded_model_predicts_to_the_bit(fitted, frame, loaded, candidate, target):
    model = fitted(candidate, target)
    content = to_bytes(model)
    again = loaded(content)
    before, after = model.predictions(frame), again.predictions(frame)
    assert_array_equal(before.values, after.values)
    assert_array_equal(before.spread, after.spread)
    assert before.notes == after.notes
    assert to_bytes(again) == content
    assert again.card() == json.loads(json.dumps(model.card()))


def test_no_row_of_the_table_is_in_the_file(fitted, frame, content):
    model = fitted("relu:2")
    cells = model.preprocessor.inputs_of_values(parsed(content)["golden.cells"])
    inputs, _ = model.preprocessor.inputs_of(model.read(read_frame(frame))[0])
    apart = np.abs(cells[:, None] - inputs[None]).max(axis=2)
    assert apart.min() > 1e-3


def test_every_truncation_is_refused(content, loaded):
    lengths = sorted({*range(40), *range(40, len(content), 370), len(content) - 1})
    for length in lengths:
        with pytest.raises(ModelFileError):
            loaded(content[:length])
    with pytest.raises(ModelFileError, match="the checksum differs"):
        loaded(content + b"\0")


@pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_every_flipped_byte_is_refused_or_changes_nothing(content, loaded, frame, step):
    expected = loaded(content).predict_proba(frame)
    rng = np.random.default_rng(0)
    survived = 0
    for place in range(0, len(content), step):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        try:
            model = loaded(bytes(changed))
        except ModelFileError:
            continue
        survived += 1
        assert_array_equal(model.predict_proba(frame), expected)
    assert survived <= 8  # spaces that pad the header


HOSTILE = {
    "another version": lambda v, h: v.update(format=2),
    "a key too many": lambda v, h: v.update(code="import os"),
    "a key too few": lambda v, h: v.pop("target"),
    "wide widths": lambda v, h: v["architecture"].update(widths=[10**12]),
    "an unknown activation": lambda v, h: v["architecture"].update(
        activations=["eval"]
    ),
    "many bins": lambda v, h: v["architecture"].update(
        ple=10**18, numbers=[0], categories=[]
    ),
    "inputs that there aren't": lambda v, h: v["architecture"].update(
        ple=2, numbers=[10**6], categories=[]
    ),
    "an unknown part": lambda v, h: v["architecture"].update(attention=True),
    "many networks": lambda v, h: v.update(n_networks=10**9),
    "many buckets": lambda v, h: v["inputs"]["columns"][4]["vocabulary"].update(
        n_buckets=10**9
    ),
    "two equal labels": lambda v, h: v["target"].update(labels=["ill", "ill"]),
    "a threshold of 2": lambda v, h: v["target"].update(threshold=2.0),
    "another task": lambda v, h: v["target"].update(task="ranking"),
    "a tensor too many": lambda v, h: h.update(
        {"networks.more": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
    ),
    "a shape that overflows": lambda v, h: h["inputs.means"].update(
        shape=[2**31, 2**31, 2**31]
    ),
}
HOSTILE = with_texts(
    HOSTILE,
    r"""
another version: file of version 2, and this seedbed reads 1
a key too many: unknown field `code`
a key too few: missing required field `target`
wide widths: has another shape
an unknown activation: can't be built
many bins: has another shape
inputs that there aren't: embeds inputs that aren't among
an unknown part: description of a network is damaged
many networks: <= 100000 - at `\$.n_networks`
many buckets: damaged, or not a model file .*1000000000
two equal labels: labels don't fit a binary target
a threshold of 2: <= 1.0 - at `\$.target.threshold`
another task: 'ranking' - at `\$.target.task`
a tensor too many: tensor 'networks.more' is missing, unknown
a shape that overflows: damaged
""",
)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_description_with_a_valid_checksum_is_refused(content, loaded, what):
    change, message = HOSTILE[what]
    with pytest.raises(SeedbedError, match=message):
        loaded(rewritten(content, change))


SCORE = dict(
    of="10-fold cross-validation",
    alpha=0.05,
    scores=[
        dict(name="accuracy", words="accuracy", mean=0.9, low=0.8, high=0.95),
        dict(name="brier_skill", words="score", mean=0.488, low=0.361, high=0.61),
    ],
    chosen=dict(among=3, words="score", expected=0.47, low=0.352, high=0.6),
)


def test_a_model_shows_its_scores_and_what_remains_of_them_after_the_choice(fitted):
    said = " ".join(str(dataclasses.replace(fitted(), score=SCORE)).split())
    assert "accuracy 90.0% (80.0 to 95.0); score 49 (36 to 61)" in said
    assert "corrected for the choice of the best of 3: 47 (35 to 60)" in said


def test_a_valid_change_is_refused_because_of_the_checksum(content, loaded):
    with pytest.raises(ModelFileError, match="isn't what was saved"):
        loaded(
            rewritten(
                content, lambda v, h: v["target"].update(threshold=0.1), sealed=False
            )
        )


def test_weights_with_other_predictions_are_refused_because_of_the_golden_rows(
    content, loaded
):
    def change(values, header):
        values["target"]["labels"].reverse()

    assert loaded(rewritten(content, change)).labels == ("well", "ill")
    header, _, tensors = parts_of(content)
    start, stop = (
        len(content) - len(tensors) + place
        for place in header["networks.0.bias"]["data_offsets"]
    )
    weights = np.frombuffer(content[start:stop], dtype="<f4") + 1
    tampered = content[:start] + weights.tobytes() + content[stop:]
    message = "doesn't predict what it did when it was saved"
    with pytest.raises(ModelFileError, match=message):
        loaded(rewritten(tampered, lambda v, h: None))


@pytest.mark.slow
def test_a_file_of_many_networks_is_checked_in_stacks(fitted, loaded, monkeypatch):
    """Made one after the other, the networks of a file of 17 MB would take over a minute."""
    states = {
        name: np.repeat(value, 20_000, axis=0)
        for name, value in fitted("relu:2").states.items()
    }
    content = to_bytes(dataclasses.replace(fitted("relu:2"), states=states))
    made = []
    monkeypatch.setattr(
        ensemble, "Stacks", lambda *given: made.append(Stacks(*given)) or made[-1]
    )
    assert loaded(content).n_networks == 60_000
    assert len(made) < 100


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[" * 10_000,
        b'{"__metadata__": {"format": "pt"}}',
        b'{"__metadata__": {"seedbed": "{\\"format\\": NaN}"}}',
        b'{"__metadata__": {"seedbed": "{\\"format\\": 1, \\"format\\": 1}"}}',
        b'{"__metadata__": {"seedbed": "' + b"[" * 10_000 + b'"}}',
        b'{"__metadata__": {"seedbed": "{\\"format\\": 1e999}"}}',
        b'{"a": 1, "a": 2}',
        b'{"__metadata__": {"seedbed": "\\ud800"}}',
        b"\xff\xfe",
    ],
)
def test_strange_headers_are_refused(loaded, text):
    with pytest.raises(ModelFileError):
        loaded(struct.pack("<Q", len(text)) + text)


def test_other_than_regular_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (
        tmp_path,
        tmp_path / "pipe.safetensors",
        tmp_path / "none.safetensors",
        "/dev/zero",
        "a\0b",
    ):
        with pytest.raises(ModelFileError):
            load(path)


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc"
)
def test_loading_needs_memory_for_file_and_one_network_in_float64(table_for, tmp_path):
    recipe = recipe_named("tutorial", epochs=1)
    options = dict(n_networks=6, compute=Compute(n_jobs=1))
    large = fit_model(table_for("ill"), "relu:2000,2000", recipe=recipe, **options)
    path = large.save(tmp_path / "large.safetensors")
    assert (size := path.stat().st_size) > 90 << 20
    code = """if True:
        import re, sys, seedbed, seedbed.model.model, seedbed.model.model_file
        from pathlib import Path
        peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
        before = peak()
        seedbed.load(sys.argv[1])
        print(peak() - before)"""
    options = dict(capture_output=True, text=True, check=True)
    found = subprocess.run([sys.executable, "-c", code, str(path)], **options)
    # The intermediate values of 16 rows come on top, and are small.
    assert int(found.stdout) < (1 + 2 / 6) * size + (24 << 20)


def test_a_user_defined_network_needs_its_class(
    table_for, frame, fitted, loaded, monkeypatch
):
    class Own(torch.nn.Module):
        def __init__(self, numbers, categories, n_outputs):
            super().__init__()
            self.numbers = numbers
            self.places = categories[0]
            self.levels = torch.nn.Embedding(len(categories[0]), 3)
            self.first = torch.nn.Linear(len(numbers), 3)
            self.second = torch.nn.Linear(3, n_outputs)
            self.register_buffer("shift", torch.zeros(3), persistent=False)

        def forward(self, X):
            if self.training:
                self.shift += 0.5
            level = self.levels(X[:, self.places].argmax(1))
            return self.second(
                torch.sin(self.first(X[:, self.numbers]) + level + self.shift)
            )

    model = fit_model(
        table_for("ill"), Own, recipe=recipe_named("tutorial", epochs=5), **FAST
    )
    content = to_bytes(model)
    message = r"a network of your own, .*Own\. Give its class, as in FILE.py:Own\.$"
    with pytest.raises(CandidateError, match=message):
        loaded(content)
    again = loaded(content, architecture=Own)
    assert [network.shift.tolist() for network in again.networks()] == [
        [2.5] * 3
    ] * model.n_networks
    assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    message = r"isn't the one that was saved: the tensor '.*' is missing"
    with pytest.raises(CandidateError, match=message):
        loaded(
            content,
            architecture=lambda n_features, n_outputs: torch.nn.Linear(
                n_features, n_outputs
            ),
        )
    monkeypatch.setattr("seedbed.training.torch.has_torch", lambda: False)
    message = r"a network of your own needs PyTorch\. Install it: pip install"
    with pytest.raises(OptionError, match=message):
        loaded(content, architecture=Own)
    with pytest.raises(OptionError, match=r"model\.networks\(\) needs PyTorch"):
        fitted("relu:2").networks()


def test_a_model_is_written_atomically(fitted, tmp_path, monkeypatch):
    model = fitted("relu:2")
    for path, message in (
        (tmp_path / "table.csv", "ends in .safetensors"),
        (tmp_path / "no" / "m.safetensors", "there is no folder"),
        (tmp_path / "dir.safetensors", "it is a folder"),
    ):
        (tmp_path / "dir.safetensors").mkdir(exist_ok=True)
        with pytest.raises(OptionError, match=message):
            model.save(path)
    path = model.save(tmp_path / "m.safetensors")
    before = path.read_bytes()
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OptionError, match=f"can't write to {path}: disk full"):
        fitted("relu:5").save(path)
    assert path.read_bytes() == before
    result = sorted(one.name for one in tmp_path.iterdir())
    assert result == ["dir.safetensors", "m.safetensors"]


def test_a_write_error_does_not_show_the_temporary_name(fitted, tmp_path, monkeypatch):
    def full(where):
        raise OSError(28, "No space left on device", str(where))

    with pytest.raises(OptionError) as caught:
        write_checked(tmp_path / "m.onnx", "the model", full)
    result = caught.value.message
    assert result == f"can't write to {tmp_path / 'm.onnx'}: No space left on device"
    assert not list(tmp_path.iterdir())
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE VIEW predictions AS SELECT range AS a FROM range(1000)"
        )
        with pytest.raises(OSError, match=r"^No space left on device$"):
            predictions_file._copy(connection, Path("/dev/full"), "(FORMAT csv)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", lambda *_: False)
    message = f"no permission to write to the folder {tmp_path}"
    with pytest.raises(OptionError, match=message):
        fitted().save("m.safetensors")


def test_every_key_of_the_file_and_the_card_is_documented(fitted, content):
    text = (Path(__file__).parents[2] / "docs" / "summary.md").read_text()
    explained = {
        key
        for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for key in line.split("`")[1::2]
    }
    header, values, _ = parts_of(content)
    tensors = {
        "networks.NAME" if name.startswith("networks.") else name
        for name in header
        if name != "__metadata__"
    }
    assert explained >= tensors | values.keys()
    assert explained >= fitted("relu:2").card().keys()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words", [0.537052715385411, 0.5233285428196781, 0.3274259644053074]),
        ("blend", [451.16271615108826, 440.690389469636, 528.0986051320859]),
    ],
)
def test_files_of_the_version_before_bags_predict_as_they_did(name, expected):
    """Each file was fitted by two ways of training that are gone: chosen on inner splits, and a
    blend."""
    model = load(Path(__file__).parent / "files" / f"{name}.safetensors")
    rows = [
        {"size": None, "town": "Oslo"},
        {"size": 150, "town": "Paris"},
        {"size": 181.2, "town": "Rome"},
    ]
    found = model.predict_proba(rows)[:, 1] if model.labels else model.predict(rows)
    # processors may round the last digits in other ways
    assert_allclose(found, expected, rtol=1e-9)
    # they don't know it
    assert [one["usual"] for one in model.card()["columns"]] == [None, None]
