"""What messages tell the user to type, as it would be found in another terminal."""

from pathlib import Path

import pytest

from strava_assets.local.own_command import own_command, up_command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed command, as it was started."""
    program = tmp_path / "environment/bin/strava-assets"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr("sys.argv", [str(program), "up"])
    for name in ("UV", "UV_RUN_RECURSION_DEPTH", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    return program


def test_what_is_on_the_path_is_named_by_its_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert own_command() == "strava-assets"
    assert up_command(3001) == "strava-assets up --port 3001"


def test_what_is_not_on_the_path_is_named_by_where_it_is(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert own_command() == str(program)
    monkeypatch.chdir(program.parent.parent)
    assert own_command() == "bin/strava-assets"


@pytest.mark.parametrize("name", ["UV", "UV_RUN_RECURSION_DEPTH"])
def test_what_uv_put_on_the_path_for_this_run_alone_is_named_by_where_it_is(
    program: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv(name, "1")
    assert own_command() == str(program)


def test_python_dash_m_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/strava_assets/__main__.py", "up"])
    assert own_command() == "strava-assets"
