"""What holds for all tests: a property is judged by what it finds, never by how fast."""

import hypothesis

hypothesis.settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("untimed")
