"""Text for people: terminal, report, notebook, progress. All of it is made from plain dicts."""
