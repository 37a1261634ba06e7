"""Charts: plain summary dicts in, Altair charts out, and files of them."""

from seedbed.figures.curves import learning_curves
from seedbed.figures.save import save_chart

__all__ = ["learning_curves", "save_chart"]
