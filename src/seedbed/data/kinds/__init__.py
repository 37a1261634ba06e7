"""What a column or the target is, decided by its cells."""
