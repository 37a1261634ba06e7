"""Written by `make stub`."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from seedbed.data.table import Table as Table
from seedbed.errors import CandidateError as CandidateError
from seedbed.errors import ColumnError as ColumnError
from seedbed.errors import DataError as DataError
from seedbed.errors import ModelFileError as ModelFileError
from seedbed.errors import OptionError as OptionError
from seedbed.errors import SeedbedError as SeedbedError
from seedbed.errors import TableNotFoundError as TableNotFoundError
from seedbed.errors import TargetError as TargetError
from seedbed.errors import TooFewRowsError as TooFewRowsError
from seedbed.errors import TrainingError as TrainingError
from seedbed.errors import UnreadableError as UnreadableError
from seedbed.errors import UsageError as UsageError
from seedbed.estimators import SeedbedClassifier as SeedbedClassifier
from seedbed.estimators import SeedbedRegressor as SeedbedRegressor
from seedbed.evaluation.sample_sizes import SampleSizes
from seedbed.experiment.comparison import Comparison as Comparison
from seedbed.experiment.gate import Gate as Gate
from seedbed.judgement.judge import Judgement as Judgement
from seedbed.model.model import Model as Model
from seedbed.networks.candidate import Candidate as Candidate
from seedbed.networks.mlp import MLP as MLP
from seedbed.report.evaluation_text import Evaluation as Evaluation
from seedbed.report.progress import Progress
from seedbed.settings.design import Compute as Compute
from seedbed.settings.design import Design as Design
from seedbed.settings.recipe import Recipe as Recipe
from seedbed.survival_estimator import SeedbedSurvival as SeedbedSurvival
from seedbed.training.many import History as History

__version__: str
__all__ = [
    "MLP",
    "Candidate",
    "CandidateError",
    "ColumnError",
    "Comparison",
    "Compute",
    "DataError",
    "Design",
    "Evaluation",
    "Gate",
    "History",
    "Judgement",
    "Model",
    "ModelFileError",
    "OptionError",
    "Recipe",
    "SeedbedClassifier",
    "SeedbedError",
    "SeedbedRegressor",
    "SeedbedSurvival",
    "Table",
    "TableNotFoundError",
    "TargetError",
    "TooFewRowsError",
    "TrainingError",
    "UnreadableError",
    "UsageError",
    "compare",
    "fit_model",
    "inspect_table",
    "judge",
    "load",
    "plan_items",
    "playground",
    "read_table",
    "train_many",
]

def compare(
    table: Any,
    y: Any = None,
    *,
    target: str | int | None = None,
    event: str | int | None = None,
    time: str | int | None = None,
    candidates: Sequence[Any] | Mapping[str, Any] | str | None = None,
    recipe: Recipe | Literal["default", "tutorial"] = "default",
    design: Design | None = None,
    compute: Compute = Compute(),
    epochs: int | None = None,
    lr: float | None = None,
    quick: bool = False,
    folder: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Fit every model on the same splits, and say which to use and how far the others are behind
    it.

    Args:
        table: what `read_table` takes, or a `Table` of it, which has more options; or features
            [row, feature] with `y`.
        y: the target [row], where `table` is an array.
        target: the column to predict.
        event: for survival, in place of a target: the column that says whether the event came.
        time: for survival: the column with the time under observation.
        candidates: words like `"relu:64,64@lr=0.003"`, callables that build a module, or a mapping
            of names to either. The default models and `auto`, their blend, if left out.
        recipe: how networks are trained. "default" suits the table, "tutorial" is plain SGD and
            compares the three networks of the tutorial if no candidates are named.
        design: splits and how candidates are judged, see `Design`.
        compute: what trains, and where, see `Compute`.
        epochs: passes over the training rows, in place of the recipe's.
        lr: learning rate, in place of the recipe's.
        quick: a first look: one repeat, on at most 5,000 rows.
        folder: for specification and results. The same call continues an interrupted run, and reads
            a finished run back without training.
        overwrite: train a finished run again, and discard another run in the folder, which is an
            error otherwise.
        on_progress: called whenever something is finished. If it is left out, a notebook shows the
            interim result.

    Raises:
        SeedbedError: the table, a candidate or an option can't be used.

    Warns:
        UserWarning: a module of your own seems to end with a sigmoid or softmax instead of
            returning logits.

    Examples:
        >>> design = sb.Design(repeats=1, n_networks=2, baselines=[])
        >>> comparison = sb.compare("example:iris", candidates=["linear:5", "relu:5"], epochs=5, lr=0.1, design=design)
        >>> print(comparison)
        iris: predicting species, 150 rows, 4 features (3 classes, 33.3% are setosa)
        ...
        3 models on 10 train/test splits (40 networks) in ...
    """

def fit_model(
    table: Any,
    candidate: Any = "auto",
    *,
    target: str | int | None = None,
    recipe: Recipe = Recipe(),
    n_networks: int | None = None,
    sample_weight: Any = None,
    time_limit: float | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    compute: Compute = Compute(),
) -> Model:
    """Fit a model to all rows of a table.

    A model averages the predictions of several networks, or trees. Each leaves out a fold of the
    rows, by which training ends.

    Args:
        table: a table from `read_table`; or a source that `read_table` takes, together with
            `target`.
        candidate: "auto", a blend of the default models; the name of one of these, such as
            "network-1"; words such as "relu:64,64@dropout=0.1"; a function that builds an
            `nn.Module`; or a list of several, which are blended.
        target: the column to predict, if the table isn't read yet.
        recipe: settings that the candidate's words don't contain.
        n_networks: number of networks, each with its own seed; 8, or 4 from 12,000 rows on, if left
            out. A single one is trained on all rows for all epochs.
        sample_weight: weight of each row [row]; 0 or more.
        time_limit: seconds for the fit; what time is left adds members and networks to a blend
            as long as they lower its out-of-bag loss.
        score: expected performance of the model, and what was scored.
        threshold: for two labels, the probability above which the positive one is predicted.
        random_state: all random numbers are derived from it.
        compute: what trains, and where, see `Compute`.

    Raises:
        SeedbedError: the candidate can't be trained on this table, or an option is out of range.

    Warns:
        UserWarning: a module of your own seems to end with a sigmoid or softmax instead of
            returning logits.

    Examples:
        >>> sb.fit_model("example:iris", "relu:5", n_networks=2)
        <Model relu:5 of 2 networks, predicts species (multiclass)>
    """

def inspect_table(
    source: Any,
    *,
    target: str | int | None = None,
    drop: Sequence[str | int] = (),
    numeric: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    missing: Sequence[str] = (),
    drop_missing_target: bool = False,
    event: str | int | None = None,
    time: str | int | None = None,
    start: str | int | None = None,
    horizon: float | None = None,
    task: str | None = None,
    positive: str | float | bool | None = None,
    group: str | int | None = None,
    site: str | int | None = None,
    fold_column: str | int | None = None,
    time_split: str | int | None = None,
    split_equal_rows: bool = False,
    table: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> dict[str, Any]:
    """Describe a table as a plain dict, fit for JSON. The target is optional.

    Args:
        source: what `read_table` takes.
        target: the column to predict; examples have a default.
        drop: columns to leave out.
        numeric: columns that hold numbers; all other cells in them count as missing.
        categorical: columns that hold categories, though they may look like numbers.
        missing: a number or word that stands for a missing cell of a column, as COLUMN=VALUE, such as age=-999.
        drop_missing_target: leave out rows without a target, even if they are more than a fifth of all rows.
        event: for survival, in place of a target: the column that says whether the event occurred or the row was
            censored.
        time: for survival: the column with the time under observation; not a feature.
        start: for survival: the date on which observation began, if the time is the date on which it ended.
        horizon: for survival: the time up to which survival is predicted and scored; by default, a fifth of the
            rows are observed longer.
        task: what to predict: binary, multiclass or regression; by default the target's cells decide.
        positive: the positive one of two labels; by default yes, true, 1 and the like, else the rarer if it has
            under 40 % of the rows, else the larger.
        group: a column of groups whose rows stay together in a fold, such as patients; not a feature.
        site: a column of hospitals, schools and the like: each is left out of training in turn, in place of random
            folds, which says what to expect at a new one; not a feature.
        fold_column: a column that says in which fold each row is tested, in place of random folds; not a feature.
        time_split: a column of dates or numbers that orders rows in time: the latest rows are tested; not a
            feature.
        split_equal_rows: let rows with equal features be in different folds, if new rows may repeat known ones.
        table: a sheet of an Excel file.
        skip_rows: rows above the header of a text or an Excel file; found automatically if left out.
        limit: how large the table may be, such as 50GB. By default 4 GB, or 20 times the size of the file if that
            is more.

    Returns:
        `schema_version`, `table`, `n_rows` (those that have a target, if one is named), `columns`
        of these rows (see `column_overview`), `target` (`name`, `task`, and `labels` with their
        counts or the range of the numbers; of survival also `time`, `horizon` and the range of the
        times; None without a target), `n_inputs` of a network, `group` and `time_split` if named,
        `warnings` and `notes` (see `Note.as_dict`).

    Raises:
        DataError, OptionError: as `read_table`.

    Examples:
        >>> document = inspect_table("example:iris", target="species")
        >>> document["target"]["labels"]
        {'setosa': 50, 'versicolor': 50, 'virginica': 50}
        >>> [column["name"] for column in document["columns"]][:2]
        ['sepal length (cm)', 'sepal width (cm)']
    """

def judge(
    scores: Any,
    *,
    command: str = "",
    reference: str | None = None,
    margin: float | None = None,
    alpha: float = 0.05,
    tried: int = 0,
    letters: bool = False,
    plan: bool = False,
    lower_is_better: bool | None = None,
    folds: int | None = None,
    test_share: float | None = None,
    score: str | None = None,
    candidate: str | None = None,
    fold: str | None = None,
    repeat: str | None = None,
    seed: str | None = None,
    row: str | None = None,
    group: str | None = None,
    target: str | None = None,
) -> Judgement:
    """Judge which candidates are better than the reference, from your own scores or predictions.

    Seeds are averaged within a split; the corrected t runs over splits. Scores of a single split
    never give a verdict; predictions of one test set of at least 30 rows give one on these fitted
    models.

    Scores have a long form, a row for each score, with the score and, if there are any, columns
    `candidate`, `repeat`, `fold`, `seed`; or a wide form, a row for each split, with a column for
    each candidate. Other usual names are recognised as well. Predictions have a long form, a row
    for each candidate, split, seed and row of the table, with `row` and `probability` (of the
    larger of two labels), `probability_LABEL` of each label, or `prediction`; or a wide form, a row
    for each row, and a column for each candidate with its labels, numbers, or probabilities of the
    larger of two labels.

    Args:
        scores: a path, a data frame or a mapping from names to columns; or a fitted search, its
            `cv_results_`, or what `cross_validate` returns by name; or test runs of DeepEval by
            name, or a folder with a JSON file of each.
        command: the command line, for the document.
        reference: the candidate that the others are compared with; the first one if left out.
        margin: the difference that matters, in the units of the scores; one point of accuracy, 0.01 of a score up
            to 1, else 2 % of the reference's mean.
        alpha: error level: how often a difference may be claimed although there is none, over all comparisons
            together.
        tried: how many attempts were discarded; each counts as one more comparison.
        letters: also give each candidate letters; two that have none in common differ, over all pairs at once.
        plan: also say how many items, groups or rows show a gain of one, two and five margins four times in five.
        lower_is_better: which way is better; by the score's name if left out.
        folds: folds of each repeat, if no column says it.
        test_share: share of test rows, for random splits.
        score: the column of scores; of the wide form, what the numbers are, such as accuracy; of predictions, the
            score that verdicts are about: brier, log_loss, accuracy, squared_error or mae.
        candidate: the column of candidates. This and the next four are needed only if a column has no usual name.
        fold: the column of folds.
        repeat: the column of repeats.
        seed: the column of seeds, or of attempts.
        row: the column of rows, for predictions, or of items.
        group: a column that names the group of each row, such as the patient. Verdicts are then about new groups.
        target: the column of true values, if the file contains predictions of rows that weren't trained on; usual
            names such as y, y_true, target and label are known.

    Raises:
        ColumnError: a column is missing, or several could be meant.
        DataError: scores are missing, or given twice.
        OptionError: the kind of the splits or the better direction isn't clear, or the splits are
            bootstrap samples.

    Examples:
        >>> old, new = [0.80, 0.78, 0.83, 0.79, 0.81], [0.85, 0.84, 0.88, 0.85, 0.86]
        >>> table = {"fold": [0, 1, 2, 3, 4], "old": old, "new": new}
        >>> sb.judge(table, score="accuracy").is_better("new")
        True
    """

def load(
    path: str | PathLike[str], *, architecture: Callable[..., Any] | None = None
) -> Model:
    """Load the model that `Model.save` has written to a file.

    This is safe for files of strangers: a file contains numbers and no code. Loading takes memory
    for the file and for two networks.

    Args:
        path: the file.
        architecture: for a model of your own module, the class or function that builds it, because
            nothing that a file names is imported.

    Raises:
        ModelFileError: not a model file, a file of another version, or a damaged file.
        CandidateError: the model is of your own module, and `architecture` is missing or doesn't
            fit.

    Examples:
        >>> path = sb.fit_model("example:iris", "relu:5", n_networks=2).save("iris.safetensors")
        >>> sb.load(path)
        <Model relu:5 of 2 networks, predicts species (multiclass)>
    """

def plan_items(
    *, share_right: float, correlation: float = 0.5, alpha: float = 0.05
) -> SampleSizes:
    """Return how many items show a gain of 1, 2 and 5 points four times in five, by McNemar's exact
    test (1947) of two systems with one attempt an item.

    Args:
        share_right: the share of items that the reference answers rightly, between 0 and 1.
        correlation: between both systems' right answers, from 0 to below 1; 0.5 is typical of
            similar systems.
        alpha: error level, on two sides.

    Raises:
        OptionError: a value is out of range.

    Examples:
        >>> import seedbed as sb
        >>> plan = sb.plan_items(share_right=0.8)
        >>> [size.needed for size in plan.sizes]
        [12515, 3116, 488]
    """

def playground(
    table: Any = None,
    path: str | Path | None = None,
    *,
    target: str | int | None = None,
) -> Path:
    """Write a page on which networks train live on a table, in any browser and without a
    connection.

    Args:
        table: what `read_table` takes, or a `Table` of it. Without one the page reads CSV files
            that are dropped on it.
        path: the file to write; `play-NAME.html` if left out, or `play.html` without a table.
        target: the column to predict.

    Returns:
        The path of the file.

    Raises:
        DataError: the table can't be used, or is too large for the page.
        OptionError: the path is in no folder, or is one.

    Examples:
        >>> sb.playground("example:iris").name
        'play-iris.html'
    """

def read_table(
    source: Any,
    *,
    target: str | int | None = None,
    drop: Sequence[str | int] = (),
    numeric: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    missing: Sequence[str] = (),
    drop_missing_target: bool = False,
    event: str | int | None = None,
    time: str | int | None = None,
    start: str | int | None = None,
    horizon: float | None = None,
    task: str | None = None,
    positive: str | float | bool | None = None,
    group: str | int | None = None,
    site: str | int | None = None,
    fold_column: str | int | None = None,
    time_split: str | int | None = None,
    split_equal_rows: bool = False,
    table: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> Table:
    """Read, type and check a table.

    Args:
        source: a path, `example:NAME`, a database's address, or a data frame (pandas, Polars,
            PyArrow, ... through narwhals).
        target: the column to predict; examples have a default.
        drop: columns to leave out.
        numeric: columns that hold numbers; all other cells in them count as missing.
        categorical: columns that hold categories, though they may look like numbers.
        missing: a number or word that stands for a missing cell of a column, as COLUMN=VALUE, such as age=-999.
        drop_missing_target: leave out rows without a target, even if they are more than a fifth of all rows.
        event: for survival, in place of a target: the column that says whether the event occurred or the row was
            censored.
        time: for survival: the column with the time under observation; not a feature.
        start: for survival: the date on which observation began, if the time is the date on which it ended.
        horizon: for survival: the time up to which survival is predicted and scored; by default, a fifth of the
            rows are observed longer.
        task: what to predict: binary, multiclass or regression; by default the target's cells decide.
        positive: the positive one of two labels; by default yes, true, 1 and the like, else the rarer if it has
            under 40 % of the rows, else the larger.
        group: a column of groups whose rows stay together in a fold, such as patients; not a feature.
        site: a column of hospitals, schools and the like: each is left out of training in turn, in place of random
            folds, which says what to expect at a new one; not a feature.
        fold_column: a column that says in which fold each row is tested, in place of random folds; not a feature.
        time_split: a column of dates or numbers that orders rows in time: the latest rows are tested; not a
            feature.
        split_equal_rows: let rows with equal features be in different folds, if new rows may repeat known ones.
        table: a sheet of an Excel file.
        skip_rows: rows above the header of a text or an Excel file; found automatically if left out.
        limit: how large the table may be, such as 50GB. By default 4 GB, or 20 times the size of the file if that
            is more.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood, or a table over
            the limit.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: no target named, too few rows that have one, or labels that the task can't
            have.
        OptionError: two roles for one column, or an option that doesn't fit the table.
        DataError: any other reason why the table can't be used; the base of all above but
            OptionError.

    Examples:
        >>> sb.read_table("example:iris")
        <Table iris: 150 rows, 4 features, multiclass target species>
    """

def train_many(
    build: Callable[..., Any] | Candidate | MLP | str,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    seeds: Sequence[int] | int = 100,
    sample_weight: Any = None,
    engine: Literal["auto", "native", "torch"] = "auto",
    device: Any = "auto",
    n_jobs: int | None = None,
    dtype: Any = "float32",
    epochs: int | None = 1000,
    lr: float | None = 0.01,
    schedule: Literal["constant", "cosine", "onecycle"] = "constant",
    warmup: float = 0.0,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float | None = None,
    decay_biases: bool = True,
    clip_norm: float | None = None,
    batch_size: int | None = 0,
    loss: str = "auto",
    label_smoothing: float = 0.0,
) -> History:
    """Train one network per seed, all at once, by default with the recipe of the tutorial.

    A network with seed `s` equals, up to rounding, the result of a plain loop under
    `torch.manual_seed(s)`. That ends where random numbers are drawn later: the order of minibatches
    and the masks of `nn.Dropout` depend on the seed, and other draws in `forward` also on the
    networks that train at once. Start values are always those of the loop.

    >>> X, y = [[0.0], [1.0], [0.0], [1.0]], [0, 1, 0, 1]
    >>> train_many("relu:2", X, y, X, y, seeds=3, epochs=2).test_loss.shape
    (2, 3)

    Args:
        build: returns a new `nn.Module`. `n_features` and `n_outputs` are passed by name if the
            signature has them, and `numbers`, the positions of all features; no other parameter may
            be required. Or a candidate's words such as `"relu:5"`, whose recipe overrides the
            arguments. The module returns [row, output] or [row].
        X_train: features of the training rows [row, feature], array or tensor. They aren't
            standardised.
        y_train: targets of the training rows, [row] or [row, output]: zeros and ones, class codes
            from 0, or numbers.
        X_test: features of the test rows [row, feature].
        y_test: targets of the test rows.
        seeds: one seed per network; a number means `range(number)`.
        sample_weight: weight of each training row in loss and training figures [row].
        engine: `"native"` is the kernel, for networks that it covers; `"torch"` takes all, by
            `torch.func.vmap` or else one after the other; `"auto"` uses the kernel if possible.
        device: `"cpu"`, `"cuda"` or `"auto"`, which is CUDA if available.
        n_jobs: chunks of networks to train at a time; None means one per core.
        dtype: `"float32"`, or `"float64"` to study rounding.
        epochs: passes over the training rows, at most; 60 to 200 by the number of rows if left out.
        lr: learning rate, the highest of the schedule; one that suits the optimizer if left out. compare takes
            several, and compares each candidate at each.
        schedule: how the learning rate changes from step to step: constant, cosine down to 0, or onecycle up and
            down, as CosineAnnealingLR and OneCycleLR of torch.
        warmup: share of all steps, such as 0.05, in which the rate first rises.
        optimizer: optimizer, equal to that of the same name in torch.optim.
        momentum: momentum of sgd.
        nesterov: use Nesterov's momentum, with sgd and a momentum.
        weight_decay: weight decay; the optimizer's own default in torch.optim if left out.
        decay_biases: also decay biases, and scales and shifts of normalisations, as torch.optim does.
        clip_norm: the largest norm of a network's gradient; a larger gradient is scaled down to it.
        batch_size: rows per step, or 0 for all rows; 64 to 1,024 by the number of rows if left out.
        loss: loss: bce (on logits), cross_entropy, mse, or auto, which suits the target.
        label_smoothing: share, such as 0.1, by which labels are moved towards all classes, in the training loss
            only.
            `y_test` decide whether they are labels, class codes or numbers, and `History.note`
            says how.

    Raises:
        SeedbedError: the arrays don't fit together or contain NaN, or an option is out of range.

    Warns:
        UserWarning: the module seems to end with a sigmoid or softmax instead of returning logits.
    """
