"""A request that isn't answered with predictions, and how that is told."""

from __future__ import annotations

from typing import Any

from seedbed.errors import SeedbedError, one_line

__all__ = ["RefusedError", "refusal_of"]


class RefusedError(Exception):
    """What becomes an answer with an error's status.

    Attributes:
        status: of HTTP.
        code: a stable, lower-case identifier, for scripts.
        message: what was found.
        hint: what to do; empty where there is nothing to say.
        headers: that the answer needs beside the usual ones.
    """

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.headers = status, code, message, hint, headers

    def values(self, *, as_text: bool) -> dict[str, Any]:
        """Plain values for JSON. The inference protocol wants the error as one text."""
        if as_text:
            return {"error": one_line(self.message, self.hint), "code": self.code}
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def refusal_of(error: SeedbedError) -> RefusedError:
    """Of rows that could be read as JSON and that the model can't take."""
    return RefusedError(422, error.code, error.message, error.hint)
