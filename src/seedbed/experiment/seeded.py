"""What scikit-learn's `clone` asks of an estimator, without scikit-learn, which takes long to load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Seeded"]


@dataclass(eq=False)
class Seeded:
    """An estimator whose only parameter is its random state."""

    random_state: int | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"random_state": self.random_state}

    def set_params(self, **params: Any) -> Self:
        self.random_state = params.get("random_state", self.random_state)
        return self
