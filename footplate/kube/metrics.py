"""Metrics under controller-runtime's and client-go's names, so that dashboards made for those work here.

Source: https://book.kubebuilder.io/reference/metrics-reference
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_FINE = (1e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, float("inf"))


class Metrics:
    """One set per process; `queue` and `reconciler` give the observers of one controller."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=_FINE, registry=registry)

        self._requests = counter("rest_client_requests", "Requests by code, method and host", "code", "method", "host")
        self._counted: dict[tuple[str, str, str], Counter] = {}
        self._leader = gauge("leader_election_master_status", "1 while this process leads", "name")
        self._reports = counter(
            "footplate_collector_reports", "Reports of pods by kind and HTTP status", "kind", "code"
        )
        queue = ("name", "controller")
        self.depth = gauge("workqueue_depth", "Keys that are ready", *queue)
        self.adds = counter("workqueue_adds", "Keys added", *queue)
        self.retries = counter("workqueue_retries", "Keys added again after a failure", *queue)
        self.waited = histogram("workqueue_queue_duration_seconds", "Time a key waited", *queue)
        self.worked = histogram("workqueue_work_duration_seconds", "Time a key was worked on", *queue)
        self.unfinished = gauge("workqueue_unfinished_work_seconds", "Sum of the ages of what is worked on", *queue)
        self.longest = gauge("workqueue_longest_running_processor_seconds", "Age of the oldest of them", *queue)
        self.reconciles = counter("controller_runtime_reconcile", "Reconciles by result", "controller", "result")
        self.errors = counter("controller_runtime_reconcile_errors", "Reconciles that failed", "controller")
        self.seconds = histogram("controller_runtime_reconcile_time_seconds", "Time of a reconcile", "controller")
        self.workers = gauge("controller_runtime_max_concurrent_reconciles", "Workers", "controller")
        self.active = gauge("controller_runtime_active_workers", "Workers that work", "controller")

    def request(self, code: str, method: str, host: str) -> None:
        key = (code, method, host)
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = self._requests.labels(*key)
        counted.inc()

    def report(self, kind: str, code: int) -> None:
        self._reports.labels(kind, str(int(code))).inc()

    def leads(self, name: str) -> Callable[[bool], None]:
        leader = self._leader.labels(name)
        leader.set(0)
        return lambda leading: leader.set(int(leading))

    def queue(self, name: str) -> QueueMetrics:
        return QueueMetrics(self, name)

    def reconciler(self, name: str, workers: int) -> ReconcileMetrics:
        self.workers.labels(name).set(workers)
        return ReconcileMetrics(self, name)


class QueueMetrics:
    """A `QueueObserver`."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._depth = metrics.depth.labels(name, name)
        self._adds = metrics.adds.labels(name, name)
        self._retries = metrics.retries.labels(name, name)
        self._waited = metrics.waited.labels(name, name)
        self._worked = metrics.worked.labels(name, name)
        self._unfinished = metrics.unfinished.labels(name, name)
        self._longest = metrics.longest.labels(name, name)
        self._active = metrics.active.labels(name)

    def watch(self, ages: Callable[[], list[float]]) -> None:
        """`ages`: seconds since each key under work was taken; asked whenever metrics are read."""
        self._unfinished.set_function(lambda: sum(ages()))
        self._longest.set_function(lambda: max(ages(), default=0.0))
        self._active.set_function(lambda: len(ages()))

    def added(self) -> None:
        self._adds.inc()

    def retried(self) -> None:
        self._retries.inc()

    def depth(self, keys: int) -> None:
        self._depth.set(keys)

    def waited(self, seconds: float) -> None:
        self._waited.observe(seconds)

    def worked(self, seconds: float) -> None:
        self._worked.observe(seconds)


class ReconcileMetrics:
    """A `ReconcileObserver`."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._results = {r: metrics.reconciles.labels(name, r) for r in ("success", "requeue_after", "error")}
        self._errors = metrics.errors.labels(name)
        self._seconds = metrics.seconds.labels(name)

    def reconciled(self, result: str, seconds: float) -> None:
        self._results[result].inc()
        self._seconds.observe(seconds)
        if result == "error":
            self._errors.inc()
