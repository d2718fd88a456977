"""Precedence, special names and messages of the settings as a whole."""

from pathlib import Path
from typing import Any

import pytest

from parallax.contract import errors
from parallax.settings import fields, load


def read(
    argv: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    config: Path | None = None,
) -> load.Loaded:
    return load.read(argv or {}, environ or {}, config)


def problems(**sources: Any) -> list[str]:
    with pytest.raises(errors.SettingsError) as caught:
        read(**sources)
    return caught.value.message.splitlines()


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "some.toml"
    path.write_text("[http]\nport = 1\n")
    return path


def test_default_without_any_source() -> None:
    written = read()
    assert written.settings.http.port == 9001
    assert written.origins == {}


def test_file_beats_default(config: Path) -> None:
    written = read(config=config)
    assert written.settings.http.port == 1
    assert written.origins == {"http.port": f"{config}: [http] port"}


def test_legacy_environment_beats_file(config: Path) -> None:
    written = read(environ={"PORT": "2"}, config=config)
    assert (written.settings.http.port, written.origins["http.port"]) == (2, "PORT")


def test_own_environment_beats_legacy(config: Path) -> None:
    written = read(environ={"PORT": "2", "PARALLAX_PORT": "3"}, config=config)
    assert (written.settings.http.port, written.origins["http.port"]) == (3, "PARALLAX_PORT")


def test_command_line_beats_all(config: Path) -> None:
    written = read({"port": "4"}, {"PORT": "2", "PARALLAX_PORT": "3"}, config)
    assert (written.settings.http.port, written.origins["http.port"]) == (4, "--port")


def test_file_named_by_environment(config: Path) -> None:
    assert read(environ={"PARALLAX_CONFIG": str(config)}).settings.http.port == 1


def test_file_in_the_working_directory_is_found() -> None:
    Path("parallax.toml").write_text("[http]\nport = 7\n")
    assert read().settings.http.port == 7


def test_file_that_is_asked_for_must_exist() -> None:
    assert problems(config=Path("none.toml")) == [
        "none.toml: cannot be read: No such file or directory"
    ]


def test_only_the_winning_value_is_checked() -> None:
    assert read({"port": "4"}, {"PORT": "nonsense"}).settings.http.port == 4


def test_all_problems_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[http]\nprot = 1\nhost = 5\n")
    lines = problems(argv={"timeout": "0"}, environ={"NUM_WORKERS": "many"}, config=path)
    assert lines == [
        f"{path}: [http] prot is not an option; did you mean port?",
        f"{path}: [http] host: 5 is not a text of at least one character",
        "NUM_WORKERS: 'many' is not a whole number from 1 to 256",
        "--timeout: 0.0 is not a number from 0.05 to 300",
    ]


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("HOST", "0.0.0.0", "http.host", "0.0.0.0"),
        ("PORT", "8000", "http.port", 8000),
        ("NUM_WORKERS", "3", "http.api_workers", 3),
        ("NUM_CELERY_WORKERS", "12", "workers.cpu_workers", 12),
        ("REDIS_PORT", "6390", "broker.redis_port", 6390),
        ("MAX_BATCH_SIZE", "8", "batching.max_batch", 8),
        ("NUM_PARALLEL_TASKS", "64", "limits.max_in_flight", 64),
        ("ENABLE_PROMETHEUS", "False", "http.metrics", False),
        ("API_LOGGING_ENABLED", "True", "http.access_log", True),
        ("CORE_MODELS_ENABLED", "true", "compat.core_models_enabled", True),
        ("WORKFLOWS_MAX_CONCURRENT_STEPS", "8", "compat.workflows_max_concurrent_steps", 8),
        (
            "WORKFLOWS_STEP_EXECUTION_MODE",
            "remote",
            "compat.workflows_step_execution_mode",
            "remote",
        ),
        ("LOG_LEVEL", "WARNING", "log.log_level", "warning"),
        ("PARALLAX_SLAB_SLOTS", "9", "slab.slots", 9),
        ("PARALLAX_DEVICES", "cuda:0, cuda:1", "workers.devices", ("cuda:0", "cuda:1")),
    ],
)
def test_environment_names(name: str, value: str, key: str, expected: object) -> None:
    assert fields.BY_KEY[key].value_in(read(environ={name: value}).settings) == expected


def test_empty_environment_value_counts_as_unset() -> None:
    assert read(environ={"PORT": "", "REDIS_URL": " "}) == read()


def test_model_directory_must_exist() -> None:
    assert problems(environ={"MODEL_CACHE_DIR": "/no/such/place"}) == [
        "MODEL_CACHE_DIR: '/no/such/place' is not a directory that exists"
    ]


def test_model_directories_repeat(tmp_path: Path) -> None:
    written = read({"models": (str(tmp_path), str(tmp_path))})
    assert written.settings.models.models == (str(tmp_path), str(tmp_path))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", ""])
def test_redis_host_of_this_machine_means_the_embedded_broker(host: str) -> None:
    assert read(environ={"REDIS_HOST": host}).settings.broker.redis_url is None


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"REDIS_HOST": "redis"}, "redis://redis:6379"),
        ({"REDIS_HOST": "10.0.0.7", "REDIS_PORT": "6380"}, "redis://10.0.0.7:6380"),
        ({"REDIS_HOST": "fd00::7"}, "redis://[fd00::7]:6379"),
        ({"REDIS_HOST": "redis", "REDIS_URL": "redis://other:1"}, "redis://other:1"),
    ],
)
def test_redis_host_elsewhere_names_an_external_broker(environ: dict[str, str], url: str) -> None:
    assert read(environ=environ).settings.broker.redis_url == url


@pytest.mark.parametrize("name", ["CORE_MODEL_SAM_ENABLED", "CORE_MODEL_CLIP_ENABLED", "HOME"])
def test_names_of_others_are_accepted_silently(name: str) -> None:
    assert read(environ={name: "anything"}).notes == ()


def test_misspelt_name_of_ours_is_remarked() -> None:
    assert read(environ={"PARALLAX_PROT": "1"}).notes == (
        "PARALLAX_PROT is not an option and has no effect; did you mean PARALLAX_PORT?",
    )


def test_service_links_of_kubernetes_are_no_options() -> None:
    links = {
        "PARALLAX_PORT": "tcp://10.0.0.1:9001",
        "PARALLAX_PORT_9001_TCP_ADDR": "10.0.0.1",
        "PARALLAX_SERVICE_HOST": "10.0.0.1",
    }
    assert read(environ=links) == read()


def test_password_does_not_show_in_a_message() -> None:
    (line,) = problems(environ={"REDIS_URL": "redis://me:hush@host:port"})
    assert "hush" not in line
    assert "me:***@host:port" in line


def test_switch_names_the_flag_that_was_typed() -> None:
    assert read({"metrics": False}).origins == {"http.metrics": "--no-metrics"}


def test_load_fills_in_the_machine() -> None:
    settings = load.load({}, {"XDG_CACHE_HOME": "/caches"}, None)
    assert settings.workers.cpu_workers is not None
    assert settings.models.cache_dir == "/caches/parallax"
    assert settings.broker.node


def test_the_original_servers_names_for_pictures_by_url_are_read() -> None:
    environ = {
        "ALLOW_URL_INPUT": "False",
        "ALLOW_NON_HTTPS_URL_INPUT": "True",
        "ALLOW_URL_INPUT_WITHOUT_FQDN": "True",
        "ALLOW_URL_TO_NON_GLOBAL_ADDRESSES": "True",
        "WHITELISTED_DESTINATIONS_FOR_URL_INPUT": "a.com, 10.0.0.1",
        "BLACKLISTED_DESTINATIONS_FOR_URL_INPUT": "b.com",
        "MAX_IMAGE_URL_REDIRECTS": "30",
    }
    urls = read(environ=environ).settings.urls
    assert (urls.url_input, urls.url_non_https) == (False, True)
    assert (urls.url_without_fqdn, urls.url_non_global) == (True, True)
    assert (urls.url_allow, urls.url_block) == (("a.com", "10.0.0.1"), ("b.com",))
    assert urls.url_redirects == 30


@pytest.mark.parametrize("host", ["https://a.com", "a.com:443", "*.a.com", "a b", "[::1]", "a/b"])
def test_a_host_of_a_list_is_neither_url_nor_pattern(host: str) -> None:
    (line,) = problems(argv={"url_block": (host,)})
    assert line.startswith("--url-block: ")
    assert "without scheme and port" in line


@pytest.mark.parametrize("host", ["a.com", "localhost", "10.0.0.1", "::1", "my_bucket.a.com"])
def test_a_host_of_a_list_is_a_name_or_an_address(host: str) -> None:
    assert read(argv={"url_allow": (host,)}).settings.urls.url_allow == (host,)
