"""The grammar of Vega-Lite as plain dicts: channels, and layers of marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Spec = dict[str, Any]

VEGA_LITE = "6.4"
_TYPES = {"Q": "quantitative", "N": "nominal", "O": "ordinal", "T": "temporal"}


def channel(name: str, **options: Any) -> Spec:
    """Return a channel that shows a field: `epoch:Q` a quantitative one; `high`, an end, has the
    type of its axis."""
    name, _, kind = name.partition(":")
    return {"field": name, **({"type": _TYPES[kind]} if kind else {}), **options}


@dataclass(frozen=True)
class Records:
    """The records that a layer draws: those of the whole chart, or its own `data`, after some
    steps."""

    data: Spec = field(default_factory=dict)
    steps: tuple[Spec, ...] = ()

    def filter(self, test: str) -> Records:
        """Return the records that pass a test."""
        return replace(self, steps=(*self.steps, {"filter": test}))

    def flatten(self, *names: str) -> Records:
        """Return a record for each place of lists."""
        return replace(self, steps=(*self.steps, {"flatten": list(names)}))

    def calculate(self, **expressions: str) -> Records:
        """Return the records with further fields."""
        added = [
            {"calculate": expression, "as": name}
            for name, expression in expressions.items()
        ]
        return replace(self, steps=(*self.steps, *added))

    def draw(self, mark: str, options: Mapping[str, Any], **encoding: Any) -> Spec:
        """Return a layer: a mark for each record, with options, by its channels."""
        source = {"data": self.data} if self.data else {}
        steps = {"transform": list(self.steps)} if self.steps else {}
        return {
            **source,
            **steps,
            "mark": {"type": mark, **options},
            "encoding": encoding,
        }


ONCE = Records({"values": [{}]})  # one record without fields
