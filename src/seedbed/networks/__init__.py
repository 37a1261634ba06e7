"""Architectures of one network, and the candidate grammar."""
