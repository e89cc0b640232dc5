"""The service s3 of docker-compose.yaml, outside of a container: one key for one bucket, behind one port."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from strava_assets.local.free_ports import free_ports
from strava_assets.provisioning import create_bucket
from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.s3_access import S3Access
from strava_assets.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import VersioningConfigurationTypeDef

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-its-own"


@dataclass
class Service:
    """A running one."""

    process: "subprocess.Popen[bytes]"
    port: int
    inner_ports: list[int]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "strava-assets",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "S3_BUCKET": "lifedata",
        }

    @property
    def access(self) -> S3Access:
        endpoint = self.settings["AWS_ENDPOINT_URL_S3"]
        return S3Access("lifedata", "stravaact", endpoint, access_key_id="strava-assets", secret_access_key=SECRET)

    def client(self, key_id: str = "strava-assets") -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self.settings["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=key_id,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )

    def processes(self) -> list[psutil.Process]:
        whole = psutil.Process(self.process.pid)
        return [whole, *whole.children(recursive=True)]


@contextmanager
def running(folder: Path, *options: str, vacuum_seconds: int = 600) -> Iterator[Service]:
    """The service with its data in `folder`; a kill ends it."""
    service = started(folder, *options, vacuum_seconds=vacuum_seconds)
    try:
        deadline = time.monotonic() + 120
        while not is_open(service.port):
            if service.process.poll() is not None:
                log = (folder.parent / "log").read_text()
                assert log.count("is not available") in {1, 2}, log
                # Another server that started just now has taken one of the ports.
                service = started(folder, *options, vacuum_seconds=vacuum_seconds)
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield service
    finally:
        for each in service.processes() if service.process.poll() is None else []:
            each.kill()
        service.process.wait(60)


def started(folder: Path, *options: str, vacuum_seconds: int) -> Service:
    port, *inner_ports = free_ports(11)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(folder.parent),
        "S3_ACCESS_KEY_ID": "strava-assets",
        "S3_PASSWORD": SECRET,
        "S3_BUCKET": "lifedata",
    }
    command = [sys.executable, str(ROOT / "deploy/compose/s3.py"), "--listen", f"127.0.0.1:{port}"]
    command += ["--folder", str(folder)]
    command += ["--vacuum-seconds", str(vacuum_seconds), "--ports", *map(str, inner_ports), "--", *options]
    with (folder.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    return Service(process, port, inner_ports)


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with an object, and with a bucket of somebody else's."""
    with running(tmp_path_factory.mktemp("s3") / "seaweedfs") as service:
        service.client().put_object(Bucket="lifedata", Key="stravaact/1.json", Body=b"[]")
        filer = service.inner_ports[6]
        request = urllib.request.Request(
            f"http://127.0.0.1:{filer}/buckets/other/secret.json", data=b"secret", method="PUT"
        )
        urllib.request.urlopen(request).close()
        yield service


def test_its_key_does_what_the_platform_needs(service: Service):
    use_everything(service)
    assert create_bucket(Settings.from_environment(service.settings)) is False


def use_everything(service: Service) -> None:
    """What raw/, archive/, backup and Dagster's logs call, in a bucket that keeps versions."""
    client = service.client()
    client.head_bucket(Bucket="lifedata")
    for body in (b"[1]", b"[2]"):
        service.access.store().put("stravaact/42/1.json", body)
    big = os.urandom(12 << 20)
    service.access.store().put("stravaact/42/big.fit", big, chunk_size=5 << 20, use_multipart=True)
    assert service.access.store().get("stravaact/42/big.fit").bytes() == big
    assert client.head_object(Bucket="lifedata", Key="stravaact/42/big.fit")["ContentLength"] == len(big)
    listed = client.list_objects_v2(Bucket="lifedata", Prefix="stravaact/42/")
    assert [each["Key"] for each in listed["Contents"]] == ["stravaact/42/1.json", "stravaact/42/big.fit"]
    versions = client.list_object_versions(Bucket="lifedata", Prefix="stravaact/42/1.json")["Versions"]
    for version in versions:
        client.get_object(Bucket="lifedata", Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
    client.delete_object(Bucket="lifedata", Key="stravaact/42/big.fit")
    deletion = RawDeletion(service.access)
    assert deletion.delete_athlete(42) >= 1
    assert deletion.count(42) == 0


@pytest.mark.parametrize(
    "denied",
    [
        lambda s3: s3.list_objects_v2(Bucket="other"),
        lambda s3: s3.head_bucket(Bucket="other"),
        lambda s3: s3.get_object(Bucket="other", Key="secret.json"),
        lambda s3: s3.copy_object(Bucket="lifedata", Key="mine", CopySource="other/secret.json"),
        lambda s3: s3.put_object(Bucket="other", Key="secret.json", Body=b""),
        lambda s3: s3.delete_object(Bucket="other", Key="secret.json"),
        lambda s3: s3.create_bucket(Bucket="third"),
        lambda s3: s3.put_object(Bucket="third", Key="a", Body=b""),
        lambda s3: s3.create_bucket(Bucket="lifedata-2"),
        lambda s3: s3.delete_bucket(Bucket="lifedata"),
        lambda s3: s3.put_bucket_acl(Bucket="lifedata", ACL="public-read"),
        lambda s3: s3.put_bucket_policy(Bucket="lifedata", Policy='{"Version":"2012-10-17","Statement":[]}'),
    ],
)
def test_its_key_can_do_nothing_elsewhere_and_cannot_administer(service: Service, denied: "Callable[[S3Client], Any]"):
    with pytest.raises(ClientError) as error:
        denied(service.client())
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in {403, 404}
    assert other_object(service) == b"secret"


def test_its_key_deletes_nothing_elsewhere_in_bulk(service: Service):
    answer = service.client().delete_objects(Bucket="other", Delete={"Objects": [{"Key": "secret.json"}]})
    assert [each["Code"] for each in answer["Errors"]] == ["AccessDenied"]
    assert other_object(service) == b"secret"


def other_object(service: Service) -> bytes:
    """The other bucket's object, as the filer has it."""
    url = f"http://127.0.0.1:{service.inner_ports[6]}/buckets/other/secret.json"
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


def test_its_key_sees_its_bucket_alone(service: Service):
    assert [each["Name"] for each in service.client().list_buckets()["Buckets"]] == ["lifedata"]


def test_it_has_no_administration_of_keys(service: Service):
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(service.settings["AWS_ENDPOINT_URL_S3"], data=b"Action=ListUsers&Version=2010-05-08")


def test_without_its_key_nobody_gets_in(service: Service):
    for url in ("/", "/lifedata", "/lifedata/stravaact/1.json", "/other/secret.json"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(service.settings["AWS_ENDPOINT_URL_S3"] + url)


def test_only_its_port_listens_elsewhere_than_on_loopback(tmp_path: Path):
    with running(tmp_path / "seaweedfs") as service:
        weed = service.processes()[1].net_connections(kind="inet")
        assert {each.laddr.ip for each in weed if each.status == "LISTEN"} == {"127.0.0.1"}
        own = [each for each in service.processes()[0].net_connections(kind="inet") if each.status == "LISTEN"]
        assert [each.laddr.port for each in own] == [service.port]


@pytest.mark.slow
def test_objects_survive_a_kill_and_a_stop(tmp_path: Path):
    bodies = {f"stravaact/42/{number}.json": os.urandom(2000) for number in range(300)}
    with running(tmp_path / "seaweedfs") as service:
        for key, body in bodies.items():
            service.client().put_object(Bucket="lifedata", Key=key, Body=body)
    for number in (signal.SIGKILL, signal.SIGTERM):
        with running(tmp_path / "seaweedfs") as service:
            store = service.access.store()
            assert {key: bytes(store.get(key).bytes()) for key in bodies} == bodies
            if number == signal.SIGTERM:
                service.process.terminate()
                service.process.wait(60)


def test_it_ends_where_seaweedfs_ends(tmp_path: Path):
    with running(tmp_path / "seaweedfs") as service:
        service.processes()[1].kill()
        assert service.process.wait(30) != 0


@pytest.mark.slow
def test_what_was_deleted_leaves_the_disk(tmp_path: Path):
    with running(tmp_path / "seaweedfs", vacuum_seconds=1) as service:
        client = service.client()
        client.put_object(Bucket="lifedata", Key="kept.json", Body=b"kept" * 500_000)
        gone = os.urandom(5000)
        client.put_object(Bucket="lifedata", Key="gone.json", Body=gone)
        assert gone in content(tmp_path)
        client.delete_object(Bucket="lifedata", Key="gone.json")
        deadline = time.monotonic() + 120
        while gone in content(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert client.get_object(Bucket="lifedata", Key="kept.json")["Body"].read() == b"kept" * 500_000


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*.dat"))


@pytest.mark.slow
def test_the_policy_in_the_docs_is_enough(tmp_path: Path):
    """SeaweedFS reads policies as AWS and MinIO do."""
    page = (ROOT / "docs/operations.md").read_text()
    (policy,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    identity = {
        "name": "limited",
        "credentials": [{"accessKey": "strava-assets", "secretKey": SECRET}],
        "policyNames": ["one-bucket"],
    }
    admin = {
        "name": "admin",
        "credentials": [{"accessKey": "admin", "secretKey": SECRET}],
        "actions": ["Admin"],
    }
    config = tmp_path / "policy.json"
    config.write_text(
        json.dumps({"identities": [identity, admin], "policies": [{"name": "one-bucket", "content": policy}]})
    )
    with running(tmp_path / "seaweedfs", f"-s3.config={config}") as service:
        owner = service.client("admin")
        owner.create_bucket(Bucket="other")
        owner.put_object(Bucket="other", Key="secret.json", Body=b"secret")
        owner.put_bucket_versioning(Bucket="lifedata", VersioningConfiguration={"Status": "Enabled"})
        use_everything(service)
        status: VersioningConfigurationTypeDef = {"Status": "Suspended"}
        denied: list[Callable[[S3Client], Any]] = [
            lambda s3: s3.list_objects_v2(Bucket="other"),
            lambda s3: s3.get_object(Bucket="other", Key="secret.json"),
            lambda s3: s3.put_bucket_versioning(Bucket="lifedata", VersioningConfiguration=status),
        ]
        for each in denied:
            with pytest.raises(ClientError, match="AccessDenied"):
                each(service.client())
