"""What the service s3-upgrade of docker-compose.yaml runs: the objects of an earlier version's MinIO, into SeaweedFS.

SeaweedFS cannot read MinIO's files, so the service minio serves them once more. Nothing else has started yet. When
both servers have the same checksum of each object (where they reckon it differently, the same content), MinIO ends and
its files are deleted: a purge would miss them. Interrupted at any point, the next start goes on. Where there are no
such files, this ends at once.
"""

import argparse
import hashlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

CONFIG = Config(
    # Servers that have just started refuse for a while.
    retries={"mode": "standard", "max_attempts": 10},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)

NOT_RUNNING = (
    "The volume s3 holds raw objects of an earlier version, and MinIO, which alone can read them, does not answer. "
    "Start once with: docker compose --profile minio up -d"
)


class CarryError(Exception):
    """What keeps the objects where they are, in a sentence for whoever upgrades."""


def wait_until(condition: Callable[[], bool], seconds: float, message: str) -> None:
    """Raises CarryError with the message where that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CarryError(message)
        time.sleep(0.2)


def is_open(url: str) -> bool:
    """Whether something listens there. A container that has ended has no name any more, either."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), timeout=5).close()
    except OSError:
        return False
    return True


def objects(client: "S3Client", bucket: str) -> dict[str, "ObjectTypeDef"]:
    """What a bucket holds, by key; nothing where there is no such bucket."""
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {each["Key"]: each for page in pages for each in page.get("Contents", [])}
    except client.exceptions.NoSuchBucket:
        return {}


def digest(client: "S3Client", bucket: str, key: str) -> str:
    """Of an object's content, piece by piece: an export may be larger than the memory."""
    sha256 = hashlib.sha256()
    for chunk in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
        sha256.update(chunk)
    return sha256.hexdigest()


def copy(source: "S3Client", target: "S3Client", bucket: str, each: "ObjectTypeDef") -> None:
    """In one piece what was written so: the table remembers the ETag that an hour's object got by that."""
    key, answer = each["Key"], source.get_object(Bucket=bucket, Key=each["Key"])
    kind, metadata = answer["ContentType"], answer["Metadata"]
    if "-" in each["ETag"]:
        target.upload_fileobj(answer["Body"], bucket, key, ExtraArgs={"ContentType": kind, "Metadata": metadata})
    else:
        target.put_object(Bucket=bucket, Key=key, Body=answer["Body"].read(), ContentType=kind, Metadata=metadata)


def differing(wanted: dict[str, "ObjectTypeDef"], target: "S3Client", bucket: str) -> list["ObjectTypeDef"]:
    """What the target lacks, or has with another size or ETag; where these are the same, so is the content."""

    def version(each: "ObjectTypeDef") -> tuple[int, str]:
        return each["Size"], each["ETag"]

    there = objects(target, bucket)
    return [each for key, each in wanted.items() if key not in there or version(each) != version(there[key])]


def carry_over(source: "S3Client", target: "S3Client", bucket: str) -> int:
    """Copy what is not there just so, the oldest first, and compare all with what was written."""
    wanted = objects(source, bucket)
    missing = sorted(differing(wanted, target, bucket), key=lambda each: each["LastModified"])
    for number, each in enumerate(missing, 1):
        copy(source, target, bucket, each)
        if number % 1000 == 0:
            print(f"{number} of {len(missing)} objects are copied", flush=True)
    for each in differing(wanted, target, bucket):
        if digest(source, bucket, each["Key"]) != digest(target, bucket, each["Key"]):
            raise CarryError(f"The object {each['Key']} is another one in SeaweedFS than in MinIO. Start again.")
    return len(wanted)


def carry_over_from_minio(source_url: str, target_url: str, bucket: str) -> tuple[int, list[str]]:
    """How many objects were carried over, and which other buckets with objects MinIO has."""
    keys = {
        "aws_access_key_id": os.environ["MINIO_ROOT_USER"],
        "aws_secret_access_key": os.environ["MINIO_ROOT_PASSWORD"],
    }
    source = boto3.client("s3", endpoint_url=source_url, config=CONFIG, **keys)
    count = carry_over(source, boto3.client("s3", endpoint_url=target_url, config=CONFIG), bucket)
    names = [each["Name"] for each in source.list_buckets()["Buckets"]]
    return count, [name for name in names if name != bucket and objects(source, name)]


def upgrade(folder: Path, source_url: str, target_url: str, bucket: str, seconds: float) -> None:
    """All of it. `folder` is the volume, in which MinIO's files are the folder `minio`."""
    files, done = folder / "minio", folder / "carried-over"
    if not done.exists():
        if not files.is_dir() or not any(files.iterdir()):
            return
        wait_until(lambda: is_open(source_url), seconds, NOT_RUNNING)
        count, others = carry_over_from_minio(source_url, target_url, bucket)
        print(f"{count} objects were carried over from MinIO and compared.", flush=True)
        os.sync()  # what SeaweedFS has written is on the disk before the only other copy goes
        done.write_text(" ".join(others))
    wait_until(lambda: not is_open(source_url), seconds, "MinIO does not end. Start again.")
    if kept := done.read_text():
        files.rename(folder / "minio-kept")
        print(f"MinIO's files stay in the volume as minio-kept: it has other buckets, too ({kept}).")
    elif files.exists():
        shutil.rmtree(files)
    done.unlink()
    print("MinIO is needed no more: take minio out of COMPOSE_PROFILES in .env.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("/s3"))
    parser.add_argument("--source", default="http://minio:9000")
    parser.add_argument("--target", default="http://s3:9000")
    parser.add_argument("--seconds", type=float, default=60, help="how long to wait for MinIO's start and end")
    given = parser.parse_args()
    if os.environ["AWS_ENDPOINT_URL_S3"] == given.target:  # else the objects are elsewhere, and always were
        try:
            upgrade(given.folder, given.source, given.target, os.environ["S3_BUCKET"], given.seconds)
        except (CarryError, ClientError, BotoCoreError, OSError) as error:
            sys.exit(f"error: {error}")
