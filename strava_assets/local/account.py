"""The account that Postgres runs under: it refuses to be run by root.

Anybody else runs it as themselves. Root lends it to an unprivileged account that exists everywhere, by
util-linux's setpriv, and keeps that account the right to pass through folders of others: a checkout under
/root is closed to it, and opening root's folders to everybody would be worse.
"""

import os
import pwd
import shutil
from pathlib import Path

from strava_assets.errors import NotSetUp

_UNPRIVILEGED = "nobody"
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}
"""Linux capabilities that let a process through closed folders, the weaker first, and their numbers."""


class Account:
    """Who a server runs as: `name`, and the words to put before its command."""

    def __init__(self) -> None:
        self.is_lent = os.geteuid() == 0
        try:
            entry = pwd.getpwnam(_UNPRIVILEGED) if self.is_lent else pwd.getpwuid(os.geteuid())
        except KeyError:
            who = f"the account {_UNPRIVILEGED}" if self.is_lent else f"user id {os.geteuid()}"
            raise NotSetUp(
                f"Postgres cannot be run here: {who} has no entry in /etc/passwd. "
                "Set DATABASE_URL to use another Postgres."
            ) from None
        self.name = entry.pw_name
        self.command_prefix = _setpriv(entry) if self.is_lent else []
        self._ids = entry.pw_uid, entry.pw_gid

    def give(self, folder: Path) -> None:
        """Make `folder` and all in it the account's own, where root runs this."""
        if self.is_lent and folder.stat().st_uid != self._ids[0]:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, *self._ids, follow_symlinks=False)


def _setpriv(entry: pwd.struct_passwd) -> list[str]:
    if not (setpriv := shutil.which("setpriv")):
        raise NotSetUp(
            "Postgres refuses to run as root, and setpriv (util-linux), which would lend it to another account, "
            "is not installed. Run this as another user, or set DATABASE_URL to use another Postgres."
        )
    prefix = [setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    if capability := _passing_capability():
        prefix += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"]
    return [*prefix, "--"]


def _passing_capability() -> str | None:
    """The weakest capability to pass closed folders that this process has; a container may have taken it away."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return next((name for name, number in _CAPABILITIES.items() if effective >> number & 1), None)
