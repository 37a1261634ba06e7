"""A saved model answers over HTTP: records in, probabilities with their spread and what is strange about a row out."""

from seedbed.serve.app import App
from seedbed.serve.gate import Gate
from seedbed.serve.limits import Limits
from seedbed.serve.server import Address, check_address, serve_model, serving

__all__ = ["Address", "App", "Gate", "Limits", "check_address", "serve_model", "serving"]
