"""Settings: how networks are trained, how a comparison is designed, and on what it is computed. Without torch."""

from seedbed.settings.design import Compute, Design, Engine
from seedbed.settings.fields import Settings, kinds_of, merged, parsed, place_of, settings_of, taking
from seedbed.settings.optimizers import BETAS, OPTIMIZERS, Step, Tensors
from seedbed.settings.recipe import RECIPES, Recipe, Schedule, recipe_in, recipe_named

__all__ = [
    "BETAS",
    "OPTIMIZERS",
    "RECIPES",
    "Compute",
    "Design",
    "Engine",
    "Recipe",
    "Schedule",
    "Settings",
    "Step",
    "Tensors",
    "kinds_of",
    "merged",
    "parsed",
    "place_of",
    "recipe_in",
    "recipe_named",
    "settings_of",
    "taking",
]
