"""This machine itself: the names that lead to it, and that no proxy is asked for them."""

import ipaddress
from collections.abc import MutableMapping
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names that lead to this machine and can be pointed nowhere else."""

_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
_EXCEPTIONS = ("no_proxy", "NO_PROXY")
"""Some clients read the one spelling, some the other."""


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK or host.endswith(".localhost")


def never_proxy_loopback(environment: MutableMapping[str, str]) -> None:
    """Add this machine's names to what the environment excepts from its proxies, if it names any.

    For clients that cannot be told otherwise, since each reads the environment for itself (urllib, gRPC).
    """
    if not any(name.lower() in _PROXIES and value for name, value in environment.items()):
        # Without one, a no_proxy of ours would turn off what macOS's own settings say.
        return
    excepted = [host.strip() for name in _EXCEPTIONS for host in environment.get(name, "").split(",")]
    if "*" not in excepted:
        names = ",".join(dict.fromkeys([*filter(None, excepted), *LOOPBACK]))
        environment.update(dict.fromkeys(_EXCEPTIONS, names))
