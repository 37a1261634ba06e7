"""Charts: summaries in, charts by the grammar of Vega-Lite out, and files of them."""
