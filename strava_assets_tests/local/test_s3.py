"""The embedded S3."""

import http.client
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.exceptions
import grpc
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


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A server with one object in it."""
    with S3(tmp_path_factory.mktemp("s3") / "s3") as running:
        connect(running.settings).create_bucket(Bucket="lifedata").put_object(Key="secret.json", Body=b"[]")
        yield running


def inner_ports(server: S3) -> list[int]:
    """Every port that it listens on but that of S3."""
    connections = psutil.Process(server.process.pid).net_connections(kind="inet")
    return sorted(
        c.laddr.port for c in connections
        if c.status == "LISTEN" and not server.settings["AWS_ENDPOINT_URL_S3"].endswith(f":{c.laddr.port}")
    )  # fmt: skip


def status(url: str, certificate: Path | None = None) -> int | None:
    """The status of an answer over HTTP; None where there is none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    try:
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return None


def called(target: str, method: str, credentials: grpc.ChannelCredentials | None) -> bool:
    """Whether a gRPC server answers at `target`, be it with an error of its own."""
    options = [("grpc.ssl_target_name_override", "127.0.0.1"), ("grpc.enable_retries", 0)]
    with grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary(method)(b"", timeout=5)
        except grpc.RpcError as error:
            return error.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        return True


@pytest.mark.slow
def test_its_inner_http_ports_answer_nobody_without_its_certificate(server: S3) -> None:
    reached = [port for port in inner_ports(server) if status(f"https://127.0.0.1:{port}/", server.folder / "tls")]
    assert len(reached) >= 3, "the master, the volume server and the filer answer those who have it"
    for port in inner_ports(server):
        for path in ("/", "/dir/assign", "/dir/status", "/status", "/buckets/lifedata/secret.json", "/cluster/status"):
            assert status(f"https://127.0.0.1:{port}{path}") is None
            assert status(f"http://127.0.0.1:{port}{path}") in {None, 400}, "400: an HTTPS server got plain HTTP"


def test_its_inner_grpc_ports_and_sockets_answer_nobody_without_its_certificate(server: S3) -> None:
    certificate, key = ((server.folder / "tls" / name).read_bytes() for name in ("certificate.pem", "key.pem"))
    ours = grpc.ssl_channel_credentials(certificate, key, certificate)
    stranger = grpc.ssl_channel_credentials(certificate)
    sockets = psutil.Process(server.process.pid).net_connections(kind="unix")
    targets = [f"127.0.0.1:{port}" for port in inner_ports(server)]
    targets += sorted({f"unix:{c.laddr}" for c in sockets if "grpc" in str(c.laddr)})
    method = "/master_pb.Seaweed/GetMasterConfiguration"
    assert sum(called(target, method, ours) for target in targets) >= 8, "four gRPC servers, by port and by socket"
    for target in targets:
        assert not called(target, method, stranger)
        assert not called(target, method, None)


@pytest.mark.slow
def test_its_own_shell_reaches_nothing_without_its_certificate(server: S3, tmp_path: Path) -> None:
    ports = json.loads((server.folder / "ports.json").read_text())
    master = f"127.0.0.1:{ports['master.port']}.{ports['master.port.grpc']}"
    shell = subprocess.Popen(
        [Path(sys.executable).parent / "weed", "shell", f"-master={master}"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = shell.communicate(b"lock\nfs.ls /buckets\nvolume.list\nfs.rm -rf /buckets/lifedata\n", timeout=8)
    except subprocess.TimeoutExpired:
        shell.kill()
        output, _ = shell.communicate()
    assert b"lifedata" not in output
    assert connect(server.settings).Object("lifedata", "secret.json").get()["Body"].read() == b"[]"


@pytest.mark.slow
def test_its_key_is_made_anew_and_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        with S3(tmp_path / "s3"):
            file = tmp_path / "s3/tls/key.pem"
            assert file.stat().st_mode & 0o077 == 0
            keys.add(file.read_bytes())
    assert len(keys) == 2


def test_wrong_keys_are_refused(s3: dict[str, str]) -> None:
    with pytest.raises(botocore.exceptions.ClientError):
        list(connect(s3 | {"AWS_SECRET_ACCESS_KEY": "wrong"}).buckets.all())


@pytest.mark.slow
def test_many_buckets_fit(s3: dict[str, str]) -> None:
    resource = connect(s3)
    for number in range(40):
        resource.create_bucket(Bucket=f"many-{number}").put_object(Key="a", Body=b"x" * 20000)
    for number in range(40):
        assert len(resource.Object(f"many-{number}", "a").get()["Body"].read()) == 20000


def test_each_test_gets_an_empty_bucket(s3: dict[str, str], bucket: str) -> None:
    assert list(connect(s3).Bucket(bucket).objects.all()) == []


def test_it_writes_its_log_into_its_own_folder_alone(tmp_path: Path) -> None:
    with S3(tmp_path / "s3") as server:
        opened = [Path(file.path) for file in psutil.Process(server.process.pid).open_files()]
    assert [path for path in opened if path.is_relative_to(tmp_path)]
    assert not [path for path in opened if ".log." in path.name], "weed.HOST.USER.log.INFO... in /tmp"
