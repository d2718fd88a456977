"""Settings of pictures that come as a URL: the one thing that the server fetches from elsewhere."""

from dataclasses import dataclass

from parallax.settings.options import option


@dataclass(frozen=True, slots=True)
class UrlSettings:
    """Pictures that clients send as a URL: who may be asked for them, and for how long."""

    url_input: bool = option(True, env=("ALLOW_URL_INPUT",), help="Fetch pictures by URL.")
    url_non_https: bool = option(
        False, env=("ALLOW_NON_HTTPS_URL_INPUT",), help="Fetch from http:// URLs too."
    )
    url_without_fqdn: bool = option(
        False,
        env=("ALLOW_URL_INPUT_WITHOUT_FQDN",),
        help="Fetch from hosts that are an address or a name of no public domain, too.",
    )
    url_non_global: bool = option(
        False,
        env=("ALLOW_URL_TO_NON_GLOBAL_ADDRESSES",),
        help="Fetch from loopback and private addresses, and from any port, too.",
    )
    url_allow: tuple[str, ...] = option(
        (),
        env=("WHITELISTED_DESTINATIONS_FOR_URL_INPUT",),
        repeatable=True,
        form="host",
        help="Host to fetch from; with it, from no other.",
    )
    url_block: tuple[str, ...] = option(
        (),
        env=("BLACKLISTED_DESTINATIONS_FOR_URL_INPUT",),
        repeatable=True,
        form="host",
        help="Host never to fetch from, even if allowed.",
    )
    url_redirects: int = option(
        5,
        env=("MAX_IMAGE_URL_REDIRECTS",),
        minimum=0,
        maximum=30,
        help="Redirects to follow; each is checked like the first URL.",
    )
    url_timeout: float = option(
        10.0, minimum=0.05, maximum=300, help="Seconds that fetching one picture may take."
    )
