"""What the predictions of a model depend on: the mean prediction if every row had the same value of a column."""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.evaluation.numbers import percent, plain_number

_THOUSANDS = 10_000


@dataclass(frozen=True, kw_only=True)
class EffectCurve:
    """The partial dependence of predictions on one column.

    Attributes:
        column: its name.
        kind: `number`, `date`, `boolean` or `category`.
        values: numbers, dates as text, or levels, ascending [value].
        mean: mean prediction over the rows and the networks [value].
        spread: standard deviation of the networks' mean predictions [value].
        change: standard deviation of `mean` over the cells of the rows.
    """

    column: str
    kind: str
    values: tuple[float | str, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    change: float

    @property
    def texts(self) -> list[str]:
        """The values as text: 1990 without a comma, as it may be a year."""
        return [
            value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= _THOUSANDS else f"{value:.5g}"
            for value in self.values
        ]


@dataclass(frozen=True, kw_only=True)
class Effects:
    """The partial dependence of a model's predictions on its columns.

    Attributes:
        model: the candidate whose networks were fitted to all rows.
        networks: how many.
        label: the one whose probability is predicted; empty for a number.
        n_rows: rows that got the values; of many, a sample.
        n_columns: of the model.
        curves: the largest change first; of many columns, the first twelve.
    """

    model: str
    networks: int
    label: str
    n_rows: int
    n_columns: int
    curves: tuple[EffectCurve, ...]

    def what(self, target: str) -> str:
        """Return what is predicted, as `probability that y is 1`."""
        return f"probability that {target} is {self.label}" if self.label else target

    def shown(self, prediction: float, decimals: int = 0) -> str:
        """Return a probability as `24%`, with so many decimals, or a number with four digits."""
        if not self.label:
            return plain_number(prediction, 4)
        return f"{prediction:.{decimals}%}" if decimals else percent(prediction)

    def words(self, curve: EffectCurve) -> str:
        """Return the lowest and the highest mean prediction, as `54% at 6, 28% at 58`."""
        ends = sorted({curve.mean.index(end(curve.mean)) for end in (min, max)})
        shown = [self.shown(curve.mean[place]) for place in ends]
        if len(set(shown)) == 1:
            return f"{shown[0]} everywhere"
        at = "for" if curve.kind in ("boolean", "category") else "at"
        return ", ".join(f"{mean} {at} {curve.texts[place]}" for mean, place in zip(shown, ends, strict=True))
