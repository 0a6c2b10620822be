"""What a server counts, for Prometheus."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.domain.models import Prediction

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "touchstone_requests_total",
            "Requests to /v1/predict by HTTP status.",
            ["status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "touchstone_request_seconds",
            "Time from the first byte of a request to its answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._images = Counter(
            "touchstone_images_total",
            "Images by model, class and decision; unreadable ones have the decision 'unreadable'.",
            ["model", "class", "decision"],
            registry=self._registry,
        )
        self._waiting = Gauge(
            "touchstone_images_waiting",
            "Images that are under way or wait.",
            registry=self._registry,
        )

        self._shadow = Gauge(
            "touchstone_shadow_images",
            "Images that a shadow model says the same of, something else, or was not asked.",
            ["result"],
            registry=self._registry,
        )

    def answered(self, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def predicted(self, model: str, items: Iterable[Prediction]) -> None:
        """Count images by what was said of them."""
        for item in items:
            decision = item.decision.value if item.decision else "none"
            decision = "unreadable" if item.error is not None else decision
            self._images.labels(model, item.class_name or "", decision).inc()

    def text(self, waiting: int, compared: Mapping[str, int]) -> bytes:
        """All of it as Prometheus reads it; `compared` counts images by a shadow model."""
        self._waiting.set(waiting)
        for result, images in compared.items():
            self._shadow.labels(result).set(images)
        return generate_latest(self._registry)
