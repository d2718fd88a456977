"""How many replies a server discarded because nobody waited for them, from its /metrics."""

from prometheus_client import parser

from parallax.bench import inquiry

_NAME = "parallax_replies_dropped_total"


def replies(asking: inquiry.Server) -> float:
    """Return the count since the start; 0 if the server does not tell."""
    text = asking.get("/metrics") or b""
    try:
        return sum(
            sample.value
            for family in parser.text_string_to_metric_families(text.decode(errors="replace"))
            for sample in family.samples
            if sample.name == _NAME
        )
    except ValueError:
        return 0.0
