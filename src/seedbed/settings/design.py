"""How a comparison is designed and judged, and where it is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seedbed.settings.fields import Settings, setting

EngineName = Literal["auto", "native", "torch"]

_MOST = 100_000
_COUNT = {"at_least": 1, "at_most": _MOST, "hint": f"Give 1 to {_MOST:,}."}
_JUDGING = {"group": "Judging"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Design(Settings):
    """The splits of a comparison, and how it is judged. Defaults depend on the table.

    Attributes:
        reference: the model that the others are compared with, and that is recommended unless
            another is shown to be better; auto if left out, or the first candidate without auto.
        auto: whether auto, a blend of the models that are compared, takes part.
        baselines: further models: names, import paths, scikit-learn models, or a mapping of names
            to these. Beside named candidates, if left out: prior, logistic (linear for numbers) and
                boosted-trees.
        metric: the score that verdicts are about, such as accuracy, log_loss, roc_auc, recall or
            mae; brier for classes, squared_error for numbers.
        margin: the difference that matters; 0.01 of accuracy, else 0.02 of the loss of predicting
            the class frequencies; at most a tenth of the reference's error.
        alpha: error level: how often a difference may be claimed although there is none, over all
            comparisons together.
        repeats: how often the rows are divided into folds; if left out, at most 10, or 3 from 2,000
            rows on, or 1 above 20,000, and fewer if more would change little.
        folds: folds per repeat, the same for all candidates; 10 if left out.
        n_networks: networks of a model, whose mean predicts; 8 if left out, or 4 from 12,000 rows
            on. A single network trains on all rows for all epochs.
        quick: a first look: one repeat, on at most 5,000 rows.
        time_limit: seconds after which the run ends at the next repeat; at least one repeat is
            finished.
        random_state: all randomness is derived from it.

    Raises:
        OptionError: a value is out of range.
    """

    reference: str | None = setting(None, **_JUDGING)
    auto: bool = setting(True, **_JUDGING)
    baselines: Sequence[Any] | Mapping[str, Any] | str | None = setting(
        None, option=False
    )
    metric: str | None = setting(None, **_JUDGING)
    margin: float | None = setting(
        None,
        above=0,
        hint="Give the smallest difference that matters, above 0.",
        **_JUDGING,
    )
    alpha: float = setting(
        0.05, above=0, below=1, hint="Give an error level such as 0.05.", **_JUDGING
    )
    repeats: int | None = setting(None, **_COUNT)
    folds: int | None = setting(None, **_COUNT)
    n_networks: int | None = setting(None, **_COUNT)
    quick: bool = False
    time_limit: float | None = setting(
        None, above=0, hint="Give a number of seconds above 0."
    )
    random_state: int = 0


@dataclass(frozen=True, kw_only=True, repr=False)
class Compute(Settings):
    """What trains, and where. It changes no result except by rounding.

    Attributes:
        n_jobs: how many cores train at once; all cores if left out.
        engine: what trains: native is a kernel in C++ in the package; torch can train all networks.
        device: the device: auto, cpu or cuda.

    Raises:
        OptionError: there is no such engine, or a value has another type.
    """

    n_jobs: int | None = None
    engine: EngineName = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if (
            type(self.device).__name__ == "device"
        ):  # torch.device; settings don't load torch
            object.__setattr__(self, "device", str(self.device))
        super().__post_init__()
