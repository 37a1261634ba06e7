"""Charts: summaries in, Altair charts out, and files of them."""
