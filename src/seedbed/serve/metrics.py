"""What has been asked and how long it took, in the text that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

__all__ = ["Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counts; they are written in the server's own thread alone.

    Args:
        waiting: how many requests wait for the model.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0
        self.rows = 0

    def add(self, route: str, status: int, seconds: float) -> None:
        """A request that is answered.

        Args:
            route: a path that the server knows, and no other text: strangers mustn't make names.
        """
        self._requests[route, status] += 1
        self._seconds += seconds
        place = next((place for place, limit in enumerate(_SECONDS) if seconds <= limit), len(_SECONDS))
        self._buckets[place] += 1

    def text(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# HELP seedbed_requests_total Requests that were answered."
        yield "# TYPE seedbed_requests_total counter"
        for (route, status), count in sorted(self._requests.items()):
            yield f'seedbed_requests_total{{route="{_escaped(route)}",status="{status}"}} {count}'
        yield "# HELP seedbed_rows_total Rows that were predicted."
        yield "# TYPE seedbed_rows_total counter"
        yield f"seedbed_rows_total {self.rows}"
        yield "# HELP seedbed_request_seconds From a request's headers to its answer."
        yield "# TYPE seedbed_request_seconds histogram"
        total = 0
        for limit, count in zip((*_SECONDS, "+Inf"), self._buckets, strict=True):
            total += count
            yield f'seedbed_request_seconds_bucket{{le="{limit}"}} {total}'
        yield f"seedbed_request_seconds_sum {self._seconds:.6f}"
        yield f"seedbed_request_seconds_count {total}"
        yield "# HELP seedbed_queue_length Requests that wait for the model."
        yield "# TYPE seedbed_queue_length gauge"
        yield f"seedbed_queue_length {self._waiting()}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
