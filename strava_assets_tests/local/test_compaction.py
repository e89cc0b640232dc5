"""What was deleted is no longer in the files of the embedded S3, nor named by the logs of `make up`."""

import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from strava_assets.local.compaction import compact_embedded_s3, empty_logs
from strava_assets.local.s3 import S3
from strava_assets.local.settings_file import FOLDER

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOGGED_AFTER = 65.0
"""Seconds after which SeaweedFS has written its log."""


def holds(folder: Path, word: bytes) -> bool:
    return any(word in file.read_bytes() for file in folder.rglob("*.dat"))


def client_of(server: S3) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=server.settings["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=server.settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.settings["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )


@pytest.mark.slow
def test_deleted_objects_leave_the_volumes(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER / "real" / "s3"
    with S3(folder) as server:
        client, settings = client_of(server), server.settings
        word, kept = secrets.token_bytes(32), secrets.token_bytes(32)
        client.create_bucket(Bucket="lifedata")
        # Incompressible, or it would be stored in another form.
        client.put_object(Bucket="lifedata", Key="theirs", Body=word + os.urandom(1000))
        client.put_object(Bucket="lifedata", Key="mine", Body=kept + os.urandom(1000))
        assert holds(folder, word)
        client.delete_object(Bucket="lifedata", Key="theirs")
        assert not compact_embedded_s3(tmp_path, "http://127.0.0.1:1"), "somebody else's"
        assert holds(folder, word)
        compact_embedded_s3(tmp_path, settings["AWS_ENDPOINT_URL_S3"])
        assert not holds(folder, word)
        assert holds(folder, kept)
        assert client.get_object(Bucket="lifedata", Key="mine")["Body"].read().startswith(kept)


@pytest.mark.slow
def test_not_even_the_names_remain_of_a_folder_that_is_gone_for_good(tmp_path: Path) -> None:
    """SeaweedFS notes them in a log of its own, a minute later, and again when it removes the empty folder."""
    with S3(tmp_path / FOLDER / "real" / "s3") as server:
        client = client_of(server)
        client.create_bucket(Bucket="lifedata")
        keys = [f"stravaact/{whose}/archive/a/track{whose}.gpx" for whose in (31415926, 27182818)]
        for key in keys:
            client.put_object(Bucket="lifedata", Key=key, Body=os.urandom(1000))
        client.delete_object(Bucket="lifedata", Key=keys[0])
        endpoint = server.settings["AWS_ENDPOINT_URL_S3"]
        compact_embedded_s3(tmp_path, endpoint, "lifedata/stravaact/31415926/")
        empty_logs(tmp_path)
        time.sleep(LOGGED_AFTER)
        assert not holds(tmp_path, b"31415926")
        assert not (tmp_path / FOLDER / "real" / "s3" / "log").read_bytes().count(b"31415926")
        client.put_object(Bucket="lifedata", Key=keys[0], Body=b"[]")
        compact_embedded_s3(tmp_path, endpoint, "lifedata/stravaact/31415926/")  # they are back
        listed = client.list_objects_v2(Bucket="lifedata")
        assert {each["Key"] for each in listed["Contents"]} == set(keys)


@pytest.mark.parametrize("where", ["dagster_server", "real/s3"])
def test_logs_are_emptied_while_their_writers_go_on(tmp_path: Path, where: str) -> None:
    log = tmp_path / FOLDER / where / "log"
    log.parent.mkdir(parents=True)
    log.with_name("log.1").write_text("athlete 42\n")
    with log.open("a") as writer:
        writer.write("athlete 42\n")
        writer.flush()
        empty_logs(tmp_path)
        writer.write("what comes next\n")
    assert log.read_text() == "what comes next\n"
    assert not log.with_name("log.1").exists()
    empty_logs(tmp_path / "elsewhere")
