"""Servers on this machine are reached without the proxy that leads out of it."""

from collections.abc import MutableMapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
_EXCEPTIONS = ("no_proxy", "NO_PROXY")
"""Some clients read the one spelling, some the other."""


def never_proxy_loopback(environment: MutableMapping[str, str]) -> None:
    """Add this machine's names to what the environment excepts from its proxies, if it names any.

    In the environment, since each client reads it for itself (requests, botocore, obstore, urllib, gRPC), and
    not all of them can be told otherwise.
    """
    if not any(name.lower() in _PROXIES and value for name, value in environment.items()):
        # Without one, a no_proxy of ours would turn off what macOS's own settings say.
        return
    excepted = [host.strip() for name in _EXCEPTIONS for host in environment.get(name, "").split(",")]
    if "*" not in excepted:
        names = ",".join(dict.fromkeys([*filter(None, excepted), *LOOPBACK]))
        environment.update(dict.fromkeys(_EXCEPTIONS, names))
