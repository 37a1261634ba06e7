"""The engine: many networks in one step."""
