"""Settings that exist so that a deployment of the original server can be moved here unchanged."""

from dataclasses import dataclass

from parallax.settings.options import option


@dataclass(frozen=True, slots=True)
class CompatSettings:
    """Names that Roboflow Inference deployments set: checked, with nothing to switch yet."""

    core_models_enabled: bool = option(
        False, env=("CORE_MODELS_ENABLED",), help="Accepted; core models are not served yet."
    )
    workflows_max_concurrent_steps: int = option(
        1,
        env=("WORKFLOWS_MAX_CONCURRENT_STEPS",),
        minimum=1,
        maximum=1024,
        help="Accepted; workflows are not served yet.",
    )
    workflows_step_execution_mode: str = option(
        "local",
        env=("WORKFLOWS_STEP_EXECUTION_MODE",),
        choices=("local", "remote"),
        help="Accepted; workflows are not served yet.",
    )
