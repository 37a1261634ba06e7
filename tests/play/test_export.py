"""What the page gives for reuse runs: the command, the Python code, the PyTorch code and the
scores."""

import contextlib
import io
import re
import shlex
import shutil

import numpy as np
import pytest

import seedbed as sb
from seedbed.data.splits import holdout
from seedbed.play.document import table_document

EXPORT = """async (document, requests) => {
  const table = decodeTable(document), runs = [];
  for (const request of requests) runs.push(await finish(table, request));
  return { ...exports(table, runs), last: runs.map((run) => Array.from(run.curves.testScore.slice(-1)))};
}"""
QUICK = "--repeats 1 --folds 2 --n-networks 1 --no-baselines --quiet".split()
TASKS = ("binary", "multiclass", "regression")
TARGETS = {"binary": "kind", "multiclass": "kinds", "regression": "number"}


@pytest.fixture
def exported(lab, mixed, mixed_file, request_of, here):
    """A function from a task and requests to the exported texts; it stands beside the table's
    file."""

    def make(task, *requests):
        (here / "mixed.csv").write_text(mixed_file.read_text())
        document = table_document(mixed(task))
        return lab(
            EXPORT,
            document,
            requests or [request_of(epochs=4), request_of("linear:3,4", epochs=4)],
        )

    return make


@pytest.mark.few(1)
@pytest.mark.parametrize("task", TASKS)
def test_the_command_runs(exported, call, task, plain_charts):
    words = shlex.split(exported(task)["command"])
    assert words[:5] == ["seedbed", "compare", "mixed.csv", "--target", TARGETS[task]]
    assert words.count("--drop") == 2
    result = [words[i + 1] for i, word in enumerate(words) if word == "--candidate"]
    assert result == ["relu:5", "linear:3,4"]
    done = call(*words[1:], *QUICK)
    assert done.status == 0
    assert "relu:5" in done.out


def test_a_recipe_that_differs_belongs_to_its_candidate(exported, request_of):
    texts = exported(
        "binary",
        request_of(epochs=4),
        request_of("tanh:3", optimizer="adamw", epochs=4, lr=0.003),
    )
    assert "--candidate relu:5@optimizer=sgd,lr=0.1" in texts["command"]
    assert "--candidate tanh:3@optimizer=adamw,lr=0.003" in texts["command"]
    assert "--epochs 4" in texts["command"]


@pytest.mark.few(1)
@pytest.mark.parametrize("task", TASKS)
def test_the_python_code_runs(exported, mixed, task, monkeypatch):
    asked = {}
    compare = sb.compare
    small = sb.Design(repeats=1, folds=2, n_networks=1, baselines=[])

    def compare_quickly(table, **words):
        asked.update(words, table=table)
        return compare(table, **words | {"design": small})

    monkeypatch.setattr(sb, "compare", compare_quickly)
    shown = []
    exec(
        compile(exported(task)["python"], "exported.py", "exec"),
        {"print": lambda one: shown.append(str(one))},
    )
    assert "linear:3,4" in shown[0]
    assert asked["table"].feature_names == mixed(task).feature_names
    assert asked["recipe"] == sb.Recipe.tutorial(epochs=4, lr=0.1, weight_decay=0)


@pytest.mark.few(1)
@pytest.mark.torch
@pytest.mark.parametrize("task", TASKS)
def test_the_pytorch_code_trains_same_network_on_same_split(exported, request_of, task):
    asked = request_of(
        "tanh:6",
        epochs=300,
        lr=0.2,
        networks=[{"split": 3, "seed": seed} for seed in range(20)],
    )
    texts = exported(task, asked)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(texts["pytorch"], "exported.py", "exec"), {})
    score = float(re.search(r"test (?:accuracy|R2) (-?[\d.]+)", printed.getvalue())[1])
    scores = np.array(
        [float(line.split(",")[-1]) for line in texts["scores"].splitlines()[1:]]
    )
    assert scores.min() - 0.1 <= score <= scores.max() + 0.1


@pytest.mark.slow
@pytest.mark.torch
def test_the_pytorch_code_tests_the_same_rows(lab, grouped, request_of, here, capsys):
    asked = request_of("", epochs=400, lr=0.3, networks=[{"split": 2, "seed": 0}])
    texts = lab(EXPORT, table_document(grouped), [asked])
    assert "--group patient" in texts["command"]
    assert 'group="patient"' in texts["python"]
    shutil.copy(grouped.reading["source"], "visits.csv")
    exec(compile(texts["pytorch"], "exported.py", "exec"), {})
    n_train, n_test, score = texts["scores"].splitlines()[1].split(",")[3:]
    assert int(n_train) + int(n_test) == grouped.n_rows
    assert int(n_test) == len(
        holdout(grouped.target, random_state=2, groups=grouped.groups).test
    )
    assert f"test accuracy {float(score):.3f}" in capsys.readouterr().out


def test_equal_candidates_have_names_of_their_own(exported, request_of):
    texts = exported("binary", request_of(), request_of())
    result = {line.split(",")[0] for line in texts["scores"].splitlines()[1:]}
    assert result == {"relu:5", "relu:5 (2)"}


def test_hostile_names_are_quoted(lab, here, request_of, monkeypatch):
    name = 'it\'s "a" $(touch x) `touch x` \\ {file}.csv'
    target = 'the "target"\'s $HOME\n{0} %s \u2028'
    texts = lab(
        """(name, target, request) => exports({ name, source: name, target, task: "binary", columns: [{ name: target }],
          reading: { drop: [target] }, y: [0, 1], rows: 2, nOutputs: 1 }, [request])""",
        name,
        target,
        request_of(),
    )
    result = shlex.split(texts["command"])[2:7]
    assert result == [name, "--target", target, "--drop", target]
    asked = {}
    monkeypatch.setattr(
        sb, "read_table", lambda path, **words: asked.update(words, path=path)
    )
    monkeypatch.setattr(sb, "compare", lambda table, **words: None)
    exec(compile(texts["python"], "exported.py", "exec"), {})
    assert asked == {"path": name, "target": target, "drop": [target]}
    constants = compile(texts["pytorch"], "exported.py", "exec").co_consts
    assert {name, target} <= set(constants)


@pytest.mark.torch
@pytest.mark.parametrize("cell", ["€ {}.{:03},5", "{},{:03}.5 USD"])
def test_the_pytorch_code_takes_numbers_out_of_texts(
    lab, here, request_of, capsys, cell
):
    rows = [(i % 7 + 1, i, i % 2) for i in range(60)]
    text = "a;sign;answer\n" + "".join(
        f"{cell.format(a, i)};{'-$5' if b else '(3)'};{cell.format(a, 9 * b)}\n"
        for a, i, b in rows
    )
    (here / "mine.csv").write_text(text)
    code = lab(
        '(text, request) => exports(readCsv(text, "answer", "mine").table, [request]).pytorch',
        text,
        request_of(epochs=200, lr=0.2),
    )
    names = {}
    exec(compile(code, "exported.py", "exec"), names)
    assert set(names["table"]["sign"]) == {-5, -3}
    assert float(capsys.readouterr().out.split()[-1]) > 0.8


@pytest.mark.torch
def test_the_pytorch_code_reads_units_times_and_codes(lab, here, request_of):
    rows = "".join(
        f"${i % 7}.5{'KM'[i % 2]},0{i % 9}:{i},{i * i % 31} sqft,{'yn'[i % 2]}\n"
        for i in range(10, 60)
    )
    (here / "mine.csv").write_text("price,start,size,answer\n" + rows)
    read = 'Object.assign(readCsv(text, "answer", "mine").table, { reading: { missing: ["size=7 sqft"] } })'
    code = lab(
        f"(text, request) => exports({read}, [request]).pytorch",
        f"price,start,size,answer\n{rows}",
        request_of(),
    )
    names = {}
    exec(compile(code, "exported.py", "exec"), names)
    first, second = names["table"].iloc[:2].to_dict("records")
    assert first == dict(
        price=3500, start=4200, size=pytest.approx(np.nan, nan_ok=True), answer="y"
    )
    assert second == {"price": 4.5e6, "start": 7860, "size": 28, "answer": "n"}
