"""An export is found and opened wherever it is, and what is none of Strava's is refused in one line."""

import io
import os
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.archive.export import Export, open_export, open_zip
from strava_assets.archive.importing import identify
from strava_assets.archive.owner import athlete_of
from strava_assets.errors import ArchiveUnreadable
from strava_assets_tests.archive.exports import ExportFile, activities

EXPORT = ExportFile(activities(20), athlete_id=4711)


def _whole() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return EXPORT.zip(Path(folder) / "export.zip").read_bytes()


WHOLE = _whole()


def read(path: Path, named: int | None = None):
    with open_export(path) as export:
        athlete_of(export, named)
        export.read("activities.csv")


def refusal(path: Path, named: int | None = None) -> str:
    with pytest.raises(ArchiveUnreadable) as refused:
        read(path, named)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def assert_is_read(export: Export):
    assert export.read("activities.csv") == EXPORT.csv()
    assert export.tracks() == sorted(name for name in EXPORT.files() if name.startswith("activities/"))
    assert export.kinds()["media"] == 1
    assert not any("__MACOSX" in path or "/._" in path for path in export.tracks())


@pytest.mark.parametrize("prefix", ["", "export_4711/", "download/export 4711/"])
def test_a_zip_is_read_also_when_it_was_packed_again_one_folder_deeper(tmp_path: Path, prefix: str):
    export = ExportFile(EXPORT.activities, athlete_id=4711, prefix=prefix)
    with open_export(export.zip(tmp_path / "export_4711.zip")) as opened:
        assert_is_read(opened)


@pytest.mark.parametrize("prefix", ["", "export_4711"])
def test_a_folder_is_read_also_from_the_folder_above(tmp_path: Path, prefix: str):
    export = ExportFile(EXPORT.activities, athlete_id=4711, prefix=prefix)
    with open_export(export.folder(tmp_path / "here")) as opened:
        assert_is_read(opened)


def test_a_zip_with_64_bit_sizes_is_read(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name, content in EXPORT.files().items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    with open_export(tmp_path / "export.zip") as opened:
        assert_is_read(opened)


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    EXPORT.zip(tmp_path / "export_4711.zip")
    with open_export(Path("~/export_4711.zip")) as opened:
        assert_is_read(opened)


def test_what_is_no_zip_says_so(tmp_path: Path):
    (tmp_path / "export.zip").write_bytes(b"<html>Please log in</html>")
    assert "export.zip is not a zip file" in refusal(tmp_path / "export.zip")
    assert "cannot be read: No such file or directory" in refusal(tmp_path / "nothing.zip")


def test_what_has_no_end_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        assert refusal(path) == f"{path} is neither a file nor a folder."


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_download_that_broke_off_says_so(tmp_path: Path, share: float):
    whole = EXPORT.zip(tmp_path / "whole.zip").read_bytes()
    (tmp_path / "part.zip").write_bytes(whole[: int(len(whole) * share)])
    assert "incomplete zip" in refusal(tmp_path / "part.zip")


def test_a_damaged_file_within_says_so(tmp_path: Path):
    path = EXPORT.zip(tmp_path / "export.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"activities.csv") + 200
    data[at : at + 40] = bytes(40)
    path.write_bytes(data)
    assert "activities.csv in export.zip cannot be read" in refusal(path)


def test_a_file_without_a_name_is_left_aside():
    """As damage in a zip's directory leaves one, which Python's zipfile cannot tell from a folder."""
    unnamed = WHOLE.replace(b"activities.csv", b"\0ctivities.csv")
    with pytest.raises(ArchiveUnreadable, match=r"has no activities\.csv"), open_zip(io.BytesIO(unnamed), "export.zip"):
        pass


@given(st.data())
def test_whatever_bytes_are_changed_it_is_read_or_refused(data: st.DataObject):
    changed = bytearray(WHOLE)
    for at in data.draw(st.lists(st.integers(0, len(WHOLE) - 1) | st.integers(-600, -1), min_size=1, max_size=5)):
        changed[at] = data.draw(st.integers(0, 255))
    file = io.BytesIO(bytes(changed[: data.draw(st.sampled_from([len(WHOLE), len(WHOLE) // 2]))]))
    with suppress(ArchiveUnreadable), open_zip(file, "export.zip") as export:
        identify(export)
        for track in export.tracks():
            export.read(track)


def test_a_zip_or_a_folder_without_activities_says_so(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("holiday/1.jpg", b"")
    assert "photos.zip has no activities.csv" in refusal(tmp_path / "photos.zip")
    (tmp_path / "empty").mkdir()
    assert "empty has no activities.csv" in refusal(tmp_path / "empty")


def test_two_exports_in_one_place_are_not_guessed_between(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for folder in ("old", "new"):
            archive.writestr(f"{folder}/activities.csv", EXPORT.csv())
    assert "holds 2 exports (old/, new/)" in refusal(tmp_path / "both.zip")


@pytest.mark.parametrize("path", ["../evil.csv", "activities/../../x.fit", "/etc/passwd", "C:\\x", "a\\..\\..\\x"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("activities.csv", EXPORT.csv())
        archive.writestr(path, b"x")
    assert "a path that leaves its folder" in refusal(tmp_path / "export.zip")


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path):
    outside = tmp_path / "outside.fit"
    outside.write_bytes(b"secret")
    folder = EXPORT.folder(tmp_path / "export")
    (folder / "activities" / "1.fit").symlink_to(outside)
    with open_export(folder) as export:
        assert not export.has("activities/1.fit")
        assert_is_read(export)
    (folder / "activities.csv").unlink()
    (folder / "activities.csv").symlink_to(outside)
    assert "only a link" in refusal(folder)


def test_a_compression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("profile.csv", "id\n1\n")
        archive.writestr("activities.csv", bytes(10**7))
    assert "more than 100 times as much" in refusal(tmp_path / "export.zip")


def test_an_encrypted_zip_says_so(tmp_path: Path):
    path = EXPORT.zip(tmp_path / "export.zip")
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1  # the flag of encryption, in the directory of the zip
    path.write_bytes(data)
    assert "encrypted" in refusal(path)


@pytest.mark.parametrize(
    ("has_profile", "name", "named", "result"),
    [
        (True, "export_4711.zip", None, 4711),
        (True, "export_4711.zip", 4711, 4711),
        (True, "strava.zip", None, 4711),
        (True, "export_12.zip", 4711, 4711),
        (False, "export_4711.zip", 4711, 4711),
        (False, "strava.zip", 4711, 4711),
        (True, "export_12.zip", None, "named after athlete 12, but its profile.csv says 4711"),
        (True, "strava.zip", 12, "is of athlete 4711, not 12"),
        (False, "strava.zip", None, "does not say whose it is"),
        (False, "export_4711.zip", None, "suggests: --athlete 4711"),
        (False, "export_4711.zip", 12, "named after athlete 4711, not 12"),
    ],
)
def test_whose_export_it_is_is_never_guessed(
    tmp_path: Path, has_profile: bool, name: str, named: int | None, result: int | str
):
    path = ExportFile(EXPORT.activities, athlete_id=4711, has_profile=has_profile).zip(tmp_path / name)
    if isinstance(result, str):
        assert result in refusal(path, named)
    else:
        with open_export(path) as export:
            assert athlete_of(export, named) == result


@pytest.mark.parametrize("athlete_id", [0, -1, 10**30])
def test_a_number_that_is_no_athlete_s_is_no_owner(tmp_path: Path, athlete_id: int):
    path = ExportFile(EXPORT.activities, athlete_id=athlete_id).zip(tmp_path / "strava.zip")
    assert "does not say whose it is" in refusal(path)
