"""A saved model answers over HTTP: records in, probabilities with their spread and what is strange about a row out."""

from seedbed.serve.server import Address, check_address, serve_model, serving

__all__ = ["Address", "check_address", "serve_model", "serving"]
