"""Where the servers' sockets lie."""

import os
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_assets.local.socket_folder import LONGEST_SOCKET_PATH, SocketFolder
from strava_assets.local.supervisor import remove

NAME = ".s.PGSQL.5432"


def test_a_plain_path_keeps_its_socket(tmp_path: Path) -> None:
    folder = SocketFolder(tmp_path / "run", NAME)
    assert folder.path == tmp_path / "run"
    assert folder.path.stat().st_mode & 0o777 == 0o700
    remove(map(str, folder.leftovers))
    assert folder.path.exists()


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=50))
@example("my strava")
@example("50%off")
@example("a,b")
@example("a#b?c")
@example("a" * 50)
def test_whatever_the_path_is_its_socket_is_short_plain_and_private(name: str) -> None:
    with tempfile.TemporaryDirectory() as parent:
        preferred = Path(parent, f"x{name}", "run")
        preferred.parent.mkdir()
        folder = SocketFolder(preferred, NAME)
        socket = str(folder.path / NAME)
        assert len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH
        assert set(socket) <= set(string.ascii_letters + string.digits + "/._-")
        assert folder.path.stat().st_mode & 0o777 == 0o700
        remove(map(str, folder.leftovers))
        assert folder.path.exists() == (folder.path == preferred)


def test_an_unsuitable_folder_for_temporary_files_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsuitable = tmp_path / "my temporary files"
    unsuitable.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(unsuitable))
    folder = SocketFolder(unsuitable, NAME)
    assert folder.path.is_relative_to("/tmp")  # noqa: S108
    remove(map(str, folder.leftovers))
