"""The service s3-upgrade of docker-compose.yaml, outside of a container; another SeaweedFS is MinIO."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from strava_assets_tests.deploy.test_s3_service import ROOT, SECRET, Service, running

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BIG = os.urandom(12 << 20)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """MinIO with objects, as far as S3 tells, and the new server with nothing; the volume with MinIO's files."""
    (tmp_path / "volume/minio/.minio.sys").mkdir(parents=True)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    key = {"accessKey": "strava-assets", "secretKey": SECRET}
    root = tmp_path / "root.json"
    root.write_text(json.dumps({"identities": [{"name": "root", "credentials": [key], "actions": ["Admin"]}]}))
    with running(tmp_path / "old/files", f"-s3.config={root}") as minio, running(tmp_path / "new/files") as s3:
        for number in range(20):
            minio.client().put_object(
                Bucket="lifedata",
                Key=f"stravaact/42/{number}.json",
                Body=b"[%d]" % number,
                ContentType="application/json",
                Metadata={"of": str(number)},
            )
        minio.access.store().put("stravaact/42/big.fit", BIG, chunk_size=5 << 20, use_multipart=True)
        yield minio, s3


def upgrade(volume: Path, minio: Service, s3: Service, before_end: Callable[[], None] | None = None) -> str:
    """What it says. MinIO ends, as its container does, when the marker is there."""
    environment = {**os.environ, **s3.settings, "MINIO_ROOT_USER": "strava-assets", "MINIO_ROOT_PASSWORD": SECRET}
    urls = [
        "--seconds",
        "5",
        "--source",
        minio.settings["AWS_ENDPOINT_URL_S3"],
        "--target",
        s3.settings["AWS_ENDPOINT_URL_S3"],
    ]
    command = [sys.executable, str(ROOT / "deploy/compose/from_minio.py"), "--folder", str(volume), *urls]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=volume
    )
    while process.poll() is None and not (volume / "carried-over").exists():
        time.sleep(0.05)
    if before_end:
        before_end()
    if (volume / "carried-over").exists():
        for each in minio.processes():
            each.kill()
    output, _ = process.communicate(timeout=60)
    return f"{process.returncode}: {output}"


def stored(client: "S3Client") -> dict[str, tuple[bytes, str, dict[str, str]]]:
    found = {}
    for each in client.list_objects_v2(Bucket="lifedata")["Contents"]:
        answer = client.get_object(Bucket="lifedata", Key=each["Key"])
        found[each["Key"]] = (answer["Body"].read(), answer["ContentType"], answer["Metadata"])
    return found


def etags(client: "S3Client") -> dict[str, str]:
    listed = client.list_objects_v2(Bucket="lifedata")["Contents"]
    return {each["Key"]: each["ETag"] for each in listed if "-" not in each["ETag"]}


@pytest.mark.slow
def test_every_object_is_carried_over_as_it_was_and_minios_files_go(tmp_path: Path, services: tuple[Service, Service]):
    minio, s3 = services
    objects, tags = stored(minio.client()), etags(minio.client())
    said = upgrade(tmp_path / "volume", minio, s3)
    assert said.startswith("0: 21 objects were carried over from MinIO and compared.\n")
    assert stored(s3.client()) == objects
    assert objects["stravaact/42/big.fit"][0] == BIG
    assert etags(s3.client()) == tags
    assert len(tags) == 20
    assert list((tmp_path / "volume").iterdir()) == []
    assert upgrade(tmp_path / "volume", minio, s3) == "0: "


@pytest.mark.slow
def test_an_interrupted_one_goes_on_and_replaces_what_is_not_the_same(
    tmp_path: Path, services: tuple[Service, Service]
):
    minio, s3 = services
    objects = stored(minio.client())
    s3.client().put_object(Bucket="lifedata", Key="stravaact/42/1.json", Body=b"[1]")
    s3.client().put_object(Bucket="lifedata", Key="stravaact/42/2.json", Body=b"[")
    assert upgrade(tmp_path / "volume", minio, s3).startswith("0: 21 objects")
    bodies = {key: body for key, (body, _, _) in objects.items()}
    assert {key: body for key, (body, _, _) in stored(s3.client()).items()} == bodies


@pytest.mark.slow
def test_one_that_died_when_all_was_compared_only_deletes(tmp_path: Path, services: tuple[Service, Service]):
    minio, s3 = services
    (tmp_path / "volume/carried-over").touch()
    assert "carried over from" not in upgrade(tmp_path / "volume", minio, s3)
    assert list((tmp_path / "volume").iterdir()) == []


@pytest.mark.slow
def test_where_minio_does_not_run_nothing_is_done_and_it_says_how_to_start_it(
    tmp_path: Path, services: tuple[Service, Service]
):
    minio, s3 = services
    for each in minio.processes():
        each.kill()
    said = upgrade(tmp_path / "volume", minio, s3)
    assert said.startswith("1: error: The volume s3 holds raw objects of an earlier version")
    assert "docker compose --profile minio up -d" in said
    assert (tmp_path / "volume/minio/.minio.sys").exists()


@pytest.mark.slow
def test_files_with_other_buckets_are_kept(tmp_path: Path, services: tuple[Service, Service]):
    minio, s3 = services
    minio.client().create_bucket(Bucket="other")
    minio.client().put_object(Bucket="other", Key="photo.jpg", Body=b"photo")
    assert "as minio-kept: it has other buckets, too (other)" in upgrade(tmp_path / "volume", minio, s3)
    assert [each.name for each in (tmp_path / "volume").iterdir()] == ["minio-kept"]


@pytest.mark.slow
def test_minio_ends_only_after_all_is_compared(tmp_path: Path, services: tuple[Service, Service]):
    minio, s3 = services
    seen: list[int] = []
    upgrade(tmp_path / "volume", minio, s3, lambda: seen.append(len(stored(s3.client()))))
    assert seen == [21]


@pytest.mark.parametrize("folders", [["seaweedfs"], ["seaweedfs", "minio"]])
def test_without_files_of_minio_it_ends_at_once(tmp_path: Path, folders: list[str]):
    for name in folders:
        (tmp_path / name).mkdir()
    nowhere = Service(subprocess.Popen(["true"]), 1, [])
    assert upgrade(tmp_path, nowhere, nowhere) == "0: "
