"""The account that Postgres and Redis run under, never root: Postgres refuses that, and Redis does not need it.

Anybody else runs them as themselves. Root lends them to an unprivileged account that exists everywhere, by
util-linux's setpriv, and keeps that account the right to pass through folders of others: a checkout under
/root is closed to it, and opening root's folders to everybody would be worse.
"""

import os
import pwd
import shutil
from collections.abc import Callable
from pathlib import Path

from strava_assets.errors import ConfigurationError

_UNPRIVILEGED = "nobody"
_PASSING = {"dac_read_search": 2, "dac_override": 1}
"""Linux capabilities that let a process through closed folders, the weaker first, and their numbers."""

_CHANGE_SECURE_BITS = 8
"""The number of the capability setpcap."""


class Account:
    """Who a server runs as: `name`, and the words to put before its command."""

    def __init__(self, server: str, *, instead: str) -> None:
        """`server` and the variable that would name another one, `instead`, are for messages.

        Raises ConfigurationError where the server cannot be run by anybody.
        """
        self.is_lent = os.geteuid() == 0
        self.command_prefix: list[str] = []
        self._server, self._instead = server, instead
        self._ids = os.geteuid(), os.getegid()
        if self.is_lent:
            entry = self._entry(lambda: pwd.getpwnam(_UNPRIVILEGED), f"the account {_UNPRIVILEGED}")
            self._ids = entry.pw_uid, entry.pw_gid
            self.command_prefix = _setpriv(self._ids, server, instead)

    @property
    def name(self) -> str:
        """Its name in /etc/passwd. Raises ConfigurationError where it has none, as in a container with any user id."""
        return self._entry(lambda: pwd.getpwuid(self._ids[0]), f"user id {self._ids[0]}").pw_name

    def give(self, folder: Path) -> None:
        """Make `folder` and all in it the account's own, where root runs this."""
        if self.is_lent and folder.stat().st_uid != self._ids[0]:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, *self._ids, follow_symlinks=False)

    def _entry(self, look_up: Callable[[], pwd.struct_passwd], who: str) -> pwd.struct_passwd:
        try:
            return look_up()
        except KeyError:
            raise ConfigurationError(
                f"{self._server} cannot be run here: {who} has no entry in /etc/passwd. "
                f"Set {self._instead} to use another {self._server}."
            ) from None


def _setpriv(ids: tuple[int, int], server: str, instead: str) -> list[str]:
    if not (setpriv := shutil.which("setpriv")):
        raise ConfigurationError(
            f"{server} is not run as root, and setpriv (util-linux), which would lend it to another account, "
            f"is not installed. Run this as another user, or set {instead} to use another {server}."
        )
    prefix = [setpriv, f"--reuid={ids[0]}", f"--regid={ids[1]}", "--clear-groups", "--pdeathsig=keep"]
    ours = _effective_capabilities()
    if capability := next((name for name, number in _PASSING.items() if ours >> number & 1), None):
        prefix += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"]
    if ours >> _CHANGE_SECURE_BITS & 1:
        # Else access(2), by which Postgres looks for its programs, loses that capability where the real user is not
        # root. Only the way of one user to another differs: whatever setpriv executes has the one capability.
        prefix += ["--securebits=+no_setuid_fixup"]
    return [*prefix, "--"]


def _effective_capabilities() -> int:
    """Linux's bit field of what this process may do: a container may have taken some of root's rights away."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
