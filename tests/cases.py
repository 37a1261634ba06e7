"""Tables of cases, whose texts are lines of a text."""

from typing import Any


def with_texts(cases: dict[str, Any], texts: str) -> dict[str, tuple[Any, ...]]:
    """Return cases with what the line `name: text | text` of each adds."""
    lines = dict(line.split(": ", 1) for line in texts.splitlines() if line)
    assert [*lines] == [*cases]
    return {
        name: (*(case if isinstance(case, tuple) else (case,)), *texts.split(" | "))
        for (name, case), texts in zip(cases.items(), lines.values(), strict=True)
    }
