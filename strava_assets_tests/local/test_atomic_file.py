"""What a start leaves for the next one, whatever a power cut made of it."""

import json
from pathlib import Path

import pytest

from strava_assets.local import atomic_file
from strava_assets.local.s3 import S3


def test_what_was_saved_is_loaded_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    atomic_file.save(tmp_path / "kept.json", {"port": 1})
    atomic_file.save(tmp_path / "kept.json", {"port": 2})
    assert atomic_file.load(tmp_path / "kept.json") == {"port": 2}
    assert (tmp_path / "kept.json").stat().st_mode & 0o077 == 0
    assert [file.name for file in tmp_path.iterdir()] == ["kept.json"]


@pytest.mark.parametrize("written", [b"", b'{"port": ', b"[]", b"\0" * 100, b"\xff"])
def test_what_is_no_longer_whole_counts_as_nothing(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_bytes(written)
    assert atomic_file.load(tmp_path / "kept.json") == {}


def test_s3_starts_with_files_that_a_power_cut_emptied(tmp_path: Path) -> None:
    for name in ("ports.json", "keys.json"):
        (tmp_path / name).touch()
    with S3(tmp_path) as server:
        assert (
            json.loads((tmp_path / "keys.json").read_text())["AWS_ACCESS_KEY_ID"]
            == (server.settings["AWS_ACCESS_KEY_ID"])
        )
