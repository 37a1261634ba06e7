"""The options that verbs share, in groups as `--help` shows them."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Group, Parameter

from seedbed.data.table_options import ColumnRoles, SourceOptions
from seedbed.errors import OptionError
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import Settings, parse_setting, settings_of
from seedbed.settings.recipe import RECIPES, Recipe, recipe_named

T = TypeVar("T")

GROUPS = {
    name: Group.create_ordered(name)
    for name in (
        "Table",
        "Columns",
        "Splits",
        "Verdicts",
        "Judging",
        "Design",
        "Recipe",
        "Model, with -o",
        "One split, without -o",
        "Run",
    )
}

REPEATED = Parameter(negative=(), show_default=False)
FLAG = Parameter(negative=())
OUTPUT = Parameter(name=["--output", "-o"])

_SOURCES = "A CSV, TSV, Excel, Parquet or JSON file, gzip of one, or example:NAME."
TableArgument = Annotated[str, Parameter(help=_SOURCES)]
AsJson = Annotated[
    bool,
    Parameter(name="--json", help="Print one JSON document on stdout.", negative=()),
]
Quiet = Annotated[
    bool, Parameter(name=["--quiet", "-q"], help="Print only errors.", negative=())
]


def options_of(
    kind: type[Settings], *, unset: bool = False, **types: Any
) -> Callable[[type[T]], type[T]]:
    """Return a decorator that adds a field for each setting to a class of options. Defaults are
    those of the settings, or None (`unset`); `types` are those of options that differ from the type
    of their setting."""

    def decorate(cls: type[T]) -> type[T]:
        annotations: dict[str, Any] = {}
        for field in dataclasses.fields(kind):
            about = settings_of(kind)[field.name]
            if not about.option:
                continue
            help = (
                about.help
                if not about.none
                else f"{about.help} A number, or {about.none}."
            )
            usual = (
                {getattr(recipe, field.name) for recipe in RECIPES.values()}
                if unset
                else set()
            )
            if len(usual) == 1 and not usual <= {None, False}:
                help += f" [default: {usual.pop()}]"
            kind_of_value: Any = (
                Literal[about.choices]
                if about.choices
                else str
                if about.none
                else about.kinds[0]
            )
            negative: Any = () if field.default is False else None
            if about.negative:
                negative = f"--{about.negative.replace('_', '-')}"
            parameter = Parameter(help=help, negative=negative)
            if field.default == ():
                kind_of_value = tuple[str, ...]
                parameter = Parameter.combine(
                    REPEATED, Parameter(help=f"{about.help} May be repeated.")
                )
            if about.group:
                parameter = Parameter.combine(
                    parameter, Parameter(group=GROUPS[about.group])
                )
            annotations[field.name] = Annotated[
                types.get(field.name, kind_of_value) | None, parameter
            ]
            setattr(cls, field.name, None if unset else field.default)
        cls.__annotations__ = (
            cls.__annotations__ | annotations
            if unset
            else annotations | cls.__annotations__
        )
        return cls

    return decorate


def settings_among(options: Any, kind: type[Settings]) -> dict[str, Any]:
    """Return the given settings, which aren't None, among options. OptionError if a word is neither
    a value nor the word for none."""
    settings = {}
    for name, about in settings_of(kind).items():
        value = getattr(options, name) if about.option else None
        if about.none and isinstance(value, str):
            try:
                value = parse_setting(kind, name, value)
            except ValueError:
                number = "a whole number" if int in about.kinds else "a number"
                raise OptionError(
                    f"{name.replace('_', ' ')} is '{value}'",
                    f"Give {number}, or {about.none}.",
                ) from None
        if value is not None:
            settings[name] = value
    return settings


@Parameter(name="*", group=GROUPS["Table"])
@dataclass(frozen=True, kw_only=True)
@options_of(SourceOptions)
class SourceArguments:
    """The place of a table in its source, and how much of it is read."""


@Parameter(name="*", group=GROUPS["Table"])
@dataclass(frozen=True, kw_only=True)
@options_of(ColumnRoles, task=Literal["binary", "multiclass", "regression"])
class TableOptions(SourceArguments):
    """The target and the columns."""

    def command(self, verb: str, table: str, **others: Any) -> str:
        """Return the command of a verb that reads a table with these options, and others in place
        of some."""
        arguments = ["seedbed", verb, table]
        for name, value in (vars(self) | others).items():
            for item in value if isinstance(value, tuple) else (value,):
                option = f"--{name.replace('_', '-')}"
                arguments += (
                    []
                    if item in (None, False)
                    else [option]
                    if item is True
                    else [option, str(item)]
                )
        return shlex.join(arguments)


@Parameter(name="*", group=GROUPS["Recipe"])
@dataclass(frozen=True, kw_only=True)
@options_of(Recipe, unset=True)
class RecipeOptions:
    """How networks are trained; settings of a candidate (relu:5@lr=0.1) take precedence."""

    recipe: Literal["default", "tutorial"] | None = None
    "default: AdamW, stopped by rows left out; tutorial: plain SGD over all rows for 1,000 epochs."

    def named(self, otherwise: str) -> Recipe:
        """Return the recipe of `--recipe`, or else `otherwise`, with the given settings."""
        return recipe_named(self.recipe or otherwise, **settings_among(self, Recipe))


@Parameter(name="*", group=GROUPS["Design"])
@dataclass(frozen=True, kw_only=True)
@options_of(Design)
class DesignOptions:
    """Splits and baselines; the number of rows decides what is left out."""

    baseline: Annotated[
        tuple[str, ...],
        Parameter(negative=(), show_default=False, group=GROUPS["Judging"]),
    ] = ()
    "A further model of scikit-learn, as PATH or NAME=PATH: sklearn.naive_bayes.GaussianNB; may be repeated."
    baselines: Annotated[bool, Parameter(group=GROUPS["Judging"])] = True
    "Compare named candidates with prior, logistic (linear for numbers) and boosted-trees."

    def design(self) -> Design:
        design = Design(**settings_among(self, Design))
        if self.baselines and not self.baseline:
            return design
        named = (*(("standard",) if self.baselines else ()), *self.baseline)
        return dataclasses.replace(design, baselines=named)


@Parameter(name="*", group=GROUPS["Model, with -o"])
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model that train writes."""

    output: Annotated[Path | None, OUTPUT] = None
    "The model's file, NAME.safetensors; it is trained on all rows."
    n_networks: int | None = None
    "Number of networks of the model, each with its own seed; 8, 4 from 12,000 rows on, or as compared, if left out."
    threshold: float = 0.5
    "The probability above which the positive one of two labels is predicted."
    recalibrate: str | None = None
    "Rows with known outcome that correct a model, a file .safetensors or of a comparison, without training again."


@Parameter(name="*", group=GROUPS["One split, without -o"])
@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Training on one split."""

    seeds: int = 1
    "Number of networks, with the seeds 42, 43 and so on."
    every: int = 100
    "Epochs between two printed lines."
    out: Path | None = None
    "Also draw the learning curves: FILE.png, FILE.svg or FILE.pdf."


@Parameter(name="*", group=GROUPS["Run"])
@dataclass(frozen=True, kw_only=True)
@options_of(Compute)
class RunOptions:
    """Where the verb runs."""

    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False
    "Print no plan and no progress."

    def compute(self) -> Compute:
        """Return what trains, and where."""
        return Compute(**settings_among(self, Compute))


@Parameter(name="*", group=GROUPS["Run"])
@dataclass(frozen=True, kw_only=True)
class FolderOptions(RunOptions):
    """Where the verb runs, and what it writes."""

    out: Path | None = None
    "Folder for the files; seedbed-out/COMMAND-TABLE if left out."

    def folder(self, verb: str, table: str) -> Path:
        """Return the folder for the files. Raises OptionError if its path is a file."""
        folder = self.out or Path("seedbed-out") / f"{verb}-{table}"
        for path in (folder, *folder.parents):
            if path.exists() and not path.is_dir():
                raise OptionError(
                    f"can't write to {folder}: {path} is a file",
                    "Name another folder with --out.",
                )
        return folder


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """The options of a comparison, except its table."""

    candidate: Annotated[tuple[str, ...], REPEATED] = ()
    "A candidate; may be repeated. If left out, the default models and auto, which blends them."
    details: Annotated[bool, FLAG] = False
    "Print every verdict with its numbers, and how models were trained."
    as_json: AsJson = False
    columns: TableOptions = TableOptions()
    design: DesignOptions = DesignOptions()
    recipe: RecipeOptions = RecipeOptions()
    run: FolderOptions = FolderOptions()


def refuse(options: Any, purpose: str, hint: str = "Leave it out.") -> None:
    """Raise OptionError if one of these options is given; `purpose` says what it is for."""
    for name in given_options(options):
        raise OptionError(f"{name} is for {purpose}", hint)


def given_options(options: Any) -> list[str]:
    """Return the names of those options that differ from their defaults: `--target`."""
    names: list[str] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            names += given_options(value)
        elif value != field.default:
            names.append(f"--{field.name.replace('_', '-')}")
    return names
