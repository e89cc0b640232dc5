"""What was deleted is no longer in the files of the embedded S3, nor named by the logs of `make up`."""

import os
import secrets
from pathlib import Path

import boto3
import pytest

from strava_assets.local.compaction import compact_embedded_s3, empty_logs
from strava_assets.local.s3 import S3
from strava_assets.local.settings_file import FOLDER


def holds(folder: Path, word: bytes) -> bool:
    return any(word in file.read_bytes() for file in folder.rglob("*.dat"))


@pytest.mark.slow
def test_deleted_objects_leave_the_volumes(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER / "real" / "s3"
    with S3(folder) as server:
        settings = server.settings
        client = boto3.client(
            "s3",
            endpoint_url=settings["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        word, kept = secrets.token_bytes(32), secrets.token_bytes(32)
        client.create_bucket(Bucket="lifedata")
        # Incompressible, or it would be stored in another form.
        client.put_object(Bucket="lifedata", Key="theirs", Body=word + os.urandom(1000))
        client.put_object(Bucket="lifedata", Key="mine", Body=kept + os.urandom(1000))
        assert holds(folder, word)
        client.delete_object(Bucket="lifedata", Key="theirs")
        compact_embedded_s3(tmp_path, "http://127.0.0.1:1")  # somebody else's
        assert holds(folder, word)
        compact_embedded_s3(tmp_path, settings["AWS_ENDPOINT_URL_S3"])
        assert not holds(folder, word)
        assert holds(folder, kept)
        assert client.get_object(Bucket="lifedata", Key="mine")["Body"].read().startswith(kept)


def test_logs_are_emptied_while_their_writers_go_on(tmp_path: Path) -> None:
    log = tmp_path / FOLDER / "code_server" / "log"
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
