"""The settings, one frozen dataclass per concern.

A field's default is the value on a machine about which nothing is known; values that depend on the
machine (CPU count, cache directory) are ``None`` here and resolved once, in ``settings.resolve``.
"""

from dataclasses import dataclass, field

from parallax.contract import decoding
from parallax.settings import compatibility, url_input
from parallax.settings.options import option

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where and how the service listens."""

    host: str = option("127.0.0.1", env=("HOST",), help="Address to listen on.")
    port: int = option(
        9001, env=("PORT",), minimum=0, maximum=65535, help="Port to listen on; 0 picks a free one."
    )
    api_workers: int = option(
        1, env=("NUM_WORKERS",), minimum=1, maximum=256, help="Number of api processes."
    )
    max_connections: int = option(
        4096,
        minimum=16,
        maximum=1_000_000,
        help="Connections per api process; idle ones make room for new ones, and requests beyond "
        "it get 503.",
    )
    tls_cert: str | None = option(
        None, help="PEM file of the certificate (chain) to serve HTTPS with; may change meanwhile."
    )
    tls_key: str | None = option(None, help="PEM file of its key; default: in the same file.")
    access_log: bool = option(
        False, env=("API_LOGGING_ENABLED",), help="Log one line per HTTP request."
    )
    metrics: bool = option(True, env=("ENABLE_PROMETHEUS",), help="Serve /metrics.")
    api_keys: tuple[str, ...] = option(
        (),
        flag="api-key",
        repeatable=True,
        secret=True,
        form="api-key",
        help="Key that clients must send, one of these; default: none is asked for.",
    )
    api_keys_file: str | None = option(
        None, help="TOML file of more keys, with what each may do; read again when it changes."
    )
    key_concurrency: int = option(
        0,
        minimum=0,
        maximum=1_000_000,
        help="Pictures in flight per key and api process, where the file says nothing else; beyond "
        "it requests get 429; 0: no limit.",
    )
    allow_origins: tuple[str, ...] = option(
        (),
        flag="allow-origin",
        env=("ALLOW_ORIGINS",),
        repeatable=True,
        form="origin",
        help="Site whose pages may use this server from a browser (CORS); default: none.",
    )


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one client may ask for, and how long anything may take."""

    max_in_flight: int = option(
        512,
        env=("NUM_PARALLEL_TASKS",),
        minimum=1,
        maximum=1_000_000,
        help="Pictures in flight per api process; beyond it requests get 503.",
    )
    max_body_mb: float = option(
        64.0,
        minimum=0.001,
        maximum=4096,
        help="Largest request body, and largest picture fetched by URL, MB.",
    )
    max_buffered_mb: float = option(
        1024.0,
        minimum=0.001,
        maximum=1_048_576,
        help="Request bodies and fetched pictures an api process holds at a time, MB; "
        "beyond it requests get 503.",
    )
    max_megapixels: float = option(
        100.0, minimum=0.001, maximum=178.0, help="Largest picture, in megapixels."
    )
    max_images: int = option(
        64, minimum=1, maximum=4096, help="Largest number of pictures in one request."
    )
    timeout: float = option(
        30.0, minimum=0.05, maximum=300, help="Seconds within which every request is answered."
    )
    drain_timeout: float = option(
        30.0, minimum=0, maximum=3600, help="Seconds that requests in flight get at shutdown."
    )
    stuck_timeout: float = option(
        20.0,
        minimum=10,
        maximum=3600,
        help="Seconds after which a worker busy with one item is killed.",
    )

    @property
    def max_body(self) -> int:
        """``max_body_mb`` in bytes."""
        return int(self.max_body_mb * _MEGABYTE)

    @property
    def max_buffered(self) -> int:
        """``max_buffered_mb`` in bytes."""
        return int(self.max_buffered_mb * _MEGABYTE)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The processes that compute."""

    cpu_workers: int | None = option(
        None,
        env=("NUM_CELERY_WORKERS",),
        minimum=1,
        maximum=1024,
        help="Pre workers, and as many post workers; default: the CPUs this process may use.",
    )
    runs: int | None = option(
        None,
        minimum=1,
        maximum=1024,
        help="Runs in flight per device; default: on a CPU one per core, on an accelerator two.",
    )
    run_threads: int = option(
        1,
        minimum=1,
        maximum=1024,
        help="Threads that compute one run on a CPU; more than one only pays where fewer requests "
        "come at a time than there are cores.",
    )
    auto_tune: bool = option(
        False,
        help="Measure for some seconds at the start, and choose what is not set of api workers, "
        "CPU workers, runs, their threads and batch sizes.",
    )
    auto_tune_save: str | None = option(
        None, help="TOML file to write that choice to, for --config; needs --auto-tune."
    )
    devices: tuple[str, ...] = option(
        (),
        repeatable=True,
        form="device",
        help="Device to run models on; default: the first CUDA device, else cpu.",
    )
    provider: str = option(
        "auto",
        choices=("auto", "cuda", "tensorrt"),
        help="What runs the graphs on a CUDA device; auto: cuda. TensorRT must be installed, and "
        "building its engines may need a longer --load-timeout.",
    )
    max_losses: int = option(
        3, minimum=1, maximum=100, help="Workers one request may take down before it is set aside."
    )
    decode: str = option(
        "fast",
        choices=tuple(mode.value for mode in decoding.Decoding),
        help="Decode large JPEGs at a fraction of their size, or every pixel as in training.",
    )
    lease: float = option(
        5.0, minimum=0.5, maximum=600, help="Seconds after which an unseen worker is presumed dead."
    )


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How requests are put together for the device."""

    max_batch: int = option(
        16,
        env=("MAX_BATCH_SIZE",),
        minimum=1,
        maximum=1024,
        help="Largest batch on an accelerator.",
    )
    cpu_max_batch: int = option(
        1,
        minimum=1,
        maximum=1024,
        help="Largest batch on a CPU, where more than one seldom pays; at most --max-batch.",
    )
    max_delay_ms: float = option(
        0.0,
        minimum=0,
        maximum=1000,
        help="Milliseconds an idle device may wait for a fuller batch.",
    )


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Redis or Valkey: an embedded one, unless a URL names another."""

    redis_url: str | None = option(
        None,
        env=("REDIS_URL",),
        secret=True,
        form="redis-url",
        help="Broker to use instead of the embedded one.",
    )
    redis_server: str | None = option(
        None,
        help="Binary of the embedded broker; default: the Valkey that is installed with parallax.",
    )
    redis_port: int = option(
        6380,
        env=("REDIS_PORT",),
        minimum=0,
        maximum=65535,
        help="Loopback TCP port of the embedded broker, for redis-cli; 0: unix socket only.",
    )
    redis_memory_mb: int = option(
        1024, minimum=16, maximum=1_048_576, help="Memory limit of the embedded broker, MB."
    )
    durability: str = option(
        "none",
        choices=("none", "everysec", "always"),
        help="What the embedded broker keeps on disk.",
    )
    namespace: str = option(
        "parallax",
        form="name",
        help="Prefix of all keys; separates deployments on one broker.",
    )
    node: str | None = option(
        None,
        form="name",
        help="Name of this machine among those on one broker; default: the host name.",
    )


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is served."""

    models: tuple[str, ...] = option(
        (),
        env=("MODEL_CACHE_DIR",),
        repeatable=True,
        form="directory",
        help="Directory of models; default: ./models if it exists. "
        "The demo detector is served when there is no model.",
    )
    cache_dir: str | None = option(
        None, help="Where prepared graphs are kept; default: $XDG_CACHE_HOME/parallax."
    )
    load_timeout: float = option(
        120.0,
        minimum=1,
        maximum=300,
        help="Seconds that loading and warming one model may take; a second try, then it is "
        "refused.",
    )


@dataclass(frozen=True, slots=True)
class SlabSettings:
    """The shared memory through which tensors travel."""

    shm_dir: str = option(
        "/dev/shm", form="directory", help="Directory (tmpfs) of the shared-memory file."
    )
    slots: int | None = option(
        None,
        flag="slab-slots",
        minimum=2,
        maximum=65536,
        help="Tensor slots per pre worker; default: enough for the largest batch.",
    )
    pictures_mb: float = option(
        128.0,
        flag="slab-pictures-mb",
        minimum=0,
        maximum=1_048_576,
        help="Encoded pictures in shared memory, MB per api process, at most a quarter of the "
        "directory; others travel through the broker.",
    )

    @property
    def pictures(self) -> int:
        """``pictures_mb`` in bytes."""
        return int(self.pictures_mb * _MEGABYTE)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to standard error."""

    log_level: str = option(
        "info",
        env=("LOG_LEVEL",),
        choices=("debug", "info", "warning", "error"),
        help="Least severity that is logged.",
    )
    in_memory_logs: bool = option(
        False,
        env=("ENABLE_IN_MEMORY_LOGS",),
        help="Serve the last 1000 log records of an api process at /logs.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything, by concern."""

    http: HttpSettings = field(default_factory=HttpSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    urls: url_input.UrlSettings = field(default_factory=url_input.UrlSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    batching: BatchSettings = field(default_factory=BatchSettings)
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    slab: SlabSettings = field(default_factory=SlabSettings)
    log: LogSettings = field(default_factory=LogSettings)
    compat: compatibility.CompatSettings = field(default_factory=compatibility.CompatSettings)
