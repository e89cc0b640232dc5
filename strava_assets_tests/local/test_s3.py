"""The embedded S3."""

from pathlib import Path

import boto3
import botocore.exceptions
import psutil
import pytest
from mypy_boto3_s3.service_resource import S3ServiceResource

from strava_assets.local.s3 import S3


def connect(environment: dict[str, str]) -> S3ServiceResource:
    return boto3.resource(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


def test_objects_keys_and_endpoint_are_kept_over_a_restart(tmp_path: Path) -> None:
    with S3(tmp_path / "s3") as server:
        before = server.settings
        bucket = connect(before).create_bucket(Bucket="lifedata")
        bucket.put_object(Key="stravaact/1.json", Body=b"[]" * 40000)
    with S3(tmp_path / "s3") as server:
        assert server.settings == before
        assert connect(before).Object("lifedata", "stravaact/1.json").get()["Body"].read() == b"[]" * 40000
    assert (tmp_path / "s3/keys.json").stat().st_mode & 0o077 == 0


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with S3(tmp_path / "s3") as server:
        connections = psutil.Process(server.process.pid).net_connections(kind="inet")
        listening = {(c.laddr.ip, c.laddr.port) for c in connections if c.status == "LISTEN"}
    assert {ip for ip, _ in listening} == {"127.0.0.1"}


def test_wrong_keys_are_refused(s3: dict[str, str]) -> None:
    with pytest.raises(botocore.exceptions.ClientError):
        list(connect(s3 | {"AWS_SECRET_ACCESS_KEY": "wrong"}).buckets.all())


def test_many_buckets_fit(s3: dict[str, str]) -> None:
    resource = connect(s3)
    for number in range(40):
        resource.create_bucket(Bucket=f"many-{number}").put_object(Key="a", Body=b"x" * 20000)
    for number in range(40):
        assert len(resource.Object(f"many-{number}", "a").get()["Body"].read()) == 20000


def test_each_test_gets_an_empty_bucket(s3: dict[str, str], bucket: str) -> None:
    assert list(connect(s3).Bucket(bucket).objects.all()) == []
