"""The metrics of the api processes, and how they are shown.

The supervisor sets ``PROMETHEUS_MULTIPROC_DIR`` before the fork server starts, so that one scrape
of any api process shows them all; without it (tests, embedding) the process shows its own.
"""

from collections import Counter
from collections.abc import Iterable

import prometheus_client
from prometheus_client import multiprocess

from parallax.contract import errors, lifeline, roster
from parallax.gateway import pending, problems

_FINE = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STAGE = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 4, 16)

KINDS = ("counter", "histogram", "gauge_livesum", "gauge_mostrecent")
"""The kinds of files that these are kept in."""

HTTP_REQUESTS = prometheus_client.Counter(
    "http_requests_total",
    "HTTP requests by method, status class and route template.",
    ("method", "status", "handler"),
)
HTTP_DURATION = prometheus_client.Histogram(
    "http_request_duration_seconds",
    "Time from the arrival of a request to the end of its answer.",
    ("handler",),
    buckets=_FINE,
)
OUTCOMES = prometheus_client.Counter(
    "parallax_requests_total",
    "Inference requests by outcome: ok, client_gone, or the code of the error.",
    ("code",),
)
STAGE_SECONDS = prometheus_client.Histogram(
    "parallax_stage_seconds",
    "Time a picture spent waiting (queue) and in each stage (pre, infer, post).",
    ("model", "stage"),
    buckets=_STAGE,
)
IN_FLIGHT = prometheus_client.Gauge(
    "parallax_in_flight", "Pictures in flight.", multiprocess_mode="livesum"
)
MAX_IN_FLIGHT = prometheus_client.Gauge(
    "parallax_max_in_flight",
    "Pictures that may be in flight, over all api processes.",
    multiprocess_mode="livesum",
)
REPLIES_DROPPED = prometheus_client.Counter(
    "parallax_replies_dropped_total",
    "Replies that nobody waited for (unknown) or that could not be read (malformed).",
    ("reason",),
)
RESUBMITTED = prometheus_client.Counter(
    "parallax_resubmitted_total", "Pictures submitted again after the broker lost them."
)
CANCELLED = prometheus_client.Counter(
    "parallax_cancelled_total", "Pictures taken back because nobody waited for them any more."
)
QUOTA_REFUSED = prometheus_client.Counter(
    "parallax_quota_refused_total",
    "Requests refused because their key had as much in flight as it may have, by name of the key.",
    ("key",),
)
UNAUTHORIZED = prometheus_client.Counter(
    "parallax_unauthorized_total", "Requests refused because they had no key of this server."
)
DEAD_LETTERS = prometheus_client.Counter(
    "parallax_dead_letters_total",
    "Requests that became dead letters while their client waited, by the code of the error.",
    ("code",),
)
READY = prometheus_client.Gauge(
    "parallax_ready",
    "1 while the pipeline can answer, else 0.",
    multiprocess_mode="mostrecent",
)
RESTARTS = prometheus_client.Gauge(
    "parallax_restarts",
    "Restarts of processes since the server started, by role.",
    ("role",),
    multiprocess_mode="mostrecent",
)
PACKAGES = prometheus_client.Gauge(
    "parallax_models",
    "Model packages by state: loaded, loading, unloaded or refused.",
    ("state",),
    multiprocess_mode="mostrecent",
)

BURIED = (
    errors.InternalError.code,
    errors.MalformedEntryError.code,
    errors.ModelFailedError.code,
    errors.PoisonedError.code,
)
"""Codes of dead letters."""
_ELSEWHERE = frozenset(
    {
        errors.SettingsError.code,
        errors.StartupError.code,
        problems.RemovedFeatureError.code,
        problems.UnauthorizedError.code,
        problems.UnknownPathError.code,
    }
)
"""Codes with which no inference request ends: it never began."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_stages: dict[str, tuple[prometheus_client.Histogram, ...]] = {}
_handlers: dict[str, prometheus_client.Histogram] = {}
_requests: dict[tuple[str, int, str], prometheus_client.Counter] = {}
_outcomes: dict[str, prometheus_client.Counter] = {}


def observe_stages(model: str, answer: pending.Answer) -> None:
    """Record where the time of one answered picture went."""
    histograms = _stages.get(model)
    if histograms is None:
        histograms = tuple(
            STAGE_SECONDS.labels(model, stage) for stage in ("queue", "pre", "infer", "post")
        )
        _stages[model] = histograms
    timings = answer.timings
    queue, pre, infer, post = histograms
    queue.observe(answer.queue_ms / 1000)
    pre.observe(timings.pre_ms / 1000)
    infer.observe(timings.infer_ms / 1000)
    post.observe(timings.post_ms / 1000)


def observe_http(method: str, status: int, handler: str, seconds: float) -> None:
    """Record one HTTP exchange; ``handler`` is a route template, so the labels are bounded."""
    method = method if method in _METHODS else "other"
    key = (method, status // 100, handler)
    counter = _requests.get(key)
    if counter is None:
        counter = HTTP_REQUESTS.labels(method, f"{status // 100}xx", handler)
        _requests[key] = counter
    counter.inc()
    histogram = _handlers.get(handler)
    if histogram is None:
        histogram = _handlers[handler] = HTTP_DURATION.labels(handler)
    histogram.observe(seconds)


def count_outcome(code: str) -> None:
    """Count how an inference request ended."""
    counter = _outcomes.get(code)
    if counter is None:
        counter = _outcomes[code] = OUTCOMES.labels(code)
    counter.inc()


def begin() -> None:
    """Show the codes at 0: an alert on their increase would miss the first event otherwise."""
    for code in ("ok", "client_gone", *(problems.STATUS.keys() - _ELSEWHERE)):
        OUTCOMES.labels(code)
    for code in BURIED:
        DEAD_LETTERS.labels(code)


def show_health(health: lifeline.Health) -> None:
    """Show whether the pipeline can answer, and how often processes were started again."""
    READY.set(health.ready)
    restarts: Counter[str] = Counter()
    for process in health.processes:
        restarts[process.role] += process.restarts
    for role, count in restarts.items():
        RESTARTS.labels(role).set(count)


def show_packages(packages: Iterable[roster.Package]) -> None:
    """Show how many packages are in each state."""
    counts = Counter(package.state for package in packages)
    for state in roster.State:
        PACKAGES.labels(state.value).set(counts[state])


def render() -> bytes:
    """Return the metrics of all processes as text; reads files, so call it in a thread."""
    shared = prometheus_client.CollectorRegistry()
    try:
        multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    except ValueError:  # not in multiprocess mode
        return prometheus_client.generate_latest(prometheus_client.REGISTRY)
    return prometheus_client.generate_latest(shared)
