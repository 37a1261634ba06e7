"""Experiments: what to train, the plan, the run, and what came out."""
