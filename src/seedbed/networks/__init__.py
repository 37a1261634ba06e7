"""Architectures of one network, and the candidate grammar."""

from seedbed.networks.activations import ACTIVATIONS, activation_of
from seedbed.networks.candidate import Architecture, Candidate, candidate_from, parse_candidate, unique_names
from seedbed.networks.mlp import (
    MLP,
    BlendedMembers,
    Prior,
    Regression,
    Trees,
    architecture_from_values,
    architecture_to_values,
)
from seedbed.networks.parts import (
    Blend,
    DecisionTrees,
    Embeddings,
    PeriodicEmbedding,
    PiecewiseLinearEncoding,
    Residual,
    SmoothClip,
)
from seedbed.networks.user import FileArchitecture, UserArchitecture

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Architecture",
    "Blend",
    "BlendedMembers",
    "Candidate",
    "DecisionTrees",
    "Embeddings",
    "FileArchitecture",
    "PeriodicEmbedding",
    "PiecewiseLinearEncoding",
    "Prior",
    "Regression",
    "Residual",
    "SmoothClip",
    "Trees",
    "UserArchitecture",
    "activation_of",
    "architecture_from_values",
    "architecture_to_values",
    "candidate_from",
    "parse_candidate",
    "unique_names",
]
