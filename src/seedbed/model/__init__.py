"""The model: networks fitted to all rows, which predict and can be saved in one safe file."""
