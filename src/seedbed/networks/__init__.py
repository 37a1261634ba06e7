"""Architectures of one network, and the candidate grammar."""

from seedbed.networks.activations import ACTIVATIONS, activation_of
from seedbed.networks.blend import BlendedMLPs
from seedbed.networks.candidate import (
    Architecture,
    Candidate,
    candidate_from,
    candidates_from,
    parse_candidate,
)
from seedbed.networks.mlp import MLP
from seedbed.networks.parts import Blend, Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding, Residual, SmoothClip
from seedbed.networks.stored import architecture_from_values, architecture_to_values
from seedbed.networks.user import FileArchitecture, UserArchitecture
from seedbed.settings import (
    BETAS,
    OPTIMIZERS,
    RECIPES,
    Recipe,
    Schedule,
    State,
    Step,
    Tensors,
    recipe_in,
    recipe_named,
)

__all__ = [
    "ACTIVATIONS",
    "BETAS",
    "MLP",
    "OPTIMIZERS",
    "RECIPES",
    "Architecture",
    "Blend",
    "BlendedMLPs",
    "Candidate",
    "Embeddings",
    "FileArchitecture",
    "PeriodicEmbedding",
    "PiecewiseLinearEncoding",
    "Recipe",
    "Residual",
    "Schedule",
    "SmoothClip",
    "State",
    "Step",
    "Tensors",
    "UserArchitecture",
    "activation_of",
    "architecture_from_values",
    "architecture_to_values",
    "candidate_from",
    "candidates_from",
    "parse_candidate",
    "recipe_in",
    "recipe_named",
]
