"""What the service s3 of docker-compose.yaml runs: SeaweedFS, with one key for one bucket, behind one port.

SeaweedFS is several servers in one process. Most of them trust whoever reaches them, and a gRPC port, by which keys are
changed, listens wherever S3 does. So all of it stays on loopback, and this passes connections on to S3, from the moment
when S3 asks for its key and has its objects. SeaweedFS makes the bucket itself: there is no administrator's key at all.
"""

import argparse
import asyncio
import http.client
import json
import os
import signal
import tempfile
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

PORTS = ("s3", "master", "volume", "filer", "admin")
"""Each has an HTTP and a gRPC port."""

OPTIONS = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "admin.ui": "false",
    "webdav": "false",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "s3.iam": "false",
    "s3.autoCreateBucket": "false",
    "s3.allowDeleteBucketNotEmpty": "false",
    "s3.concurrentUploadLimitMB": "32",
    "master.telemetry": "false",
    "master.volumeSizeLimitMB": "64",
    "volume.max": "4000",
    "volume.preStopSeconds": "0",
}

CHUNK = 1 << 16


def write_key(file: Path, key_id: str, secret: str, bucket: str) -> None:
    """Write the only identity, which can use this bucket, and neither delete it nor make another one."""
    actions = [f"{action}:{bucket}" for action in ("Read", "Write", "List", "Tagging")]
    identity = {
        "name": key_id,
        "credentials": [{"accessKey": key_id, "secretKey": secret}],
        "actions": actions,
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps({"identities": [identity]}))


def get(port: int, path: str, timeout: float = 5) -> tuple[int, bytes]:
    """An answer on loopback, 0 where there is none. No proxy of the environment is asked for it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def is_ready(ports: dict[str, int], bucket: str, folder: Path) -> bool:
    """Whether S3 asks for a key (before it has read its own, it lets everybody in) and has its bucket and volumes."""
    if get(ports["s3.port"], "/")[0] != HTTPStatus.FORBIDDEN:
        return False
    if get(ports["filer.port"], f"/buckets/{bucket}/?limit=1")[0] != HTTPStatus.OK:
        return False
    status, body = get(ports["master.port"], "/dir/status")
    if status != HTTPStatus.OK:
        return False
    racks = [rack for center in json.loads(body)["Topology"]["DataCenters"] or () for rack in center["Racks"] or ()]
    volumes = [node["Volumes"] for rack in racks for node in rack["DataNodes"] or ()]
    return bool(volumes) and (sum(volumes) > 0 or not any(folder.glob("*.dat")))


async def vacuum(port: int, seconds: float) -> None:
    """Take what was deleted off the disk now and then; SeaweedFS waits until a third of a file is garbage."""
    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(get, port, "/vol/vacuum?garbageThreshold=0.0001", 600)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, and that no more comes."""
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Connect a client with S3, until S3 ends the connection."""
    try:
        s3_reader, s3_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    requests = asyncio.create_task(copy(reader, s3_writer))
    try:
        await copy(s3_reader, writer)
    finally:
        requests.cancel()
        s3_writer.close()
        writer.close()


async def serve(listen: str, folder: Path, free_ports: list[int], vacuum_seconds: float, options: list[str]) -> int:
    """Run SeaweedFS until it ends, and be its one door; its exit code."""
    bucket = os.environ["S3_BUCKET"]
    scratch = tempfile.gettempdir()
    key_file = Path(scratch, "s3.json")
    write_key(key_file, os.environ["S3_ACCESS_KEY_ID"], os.environ["S3_PASSWORD"], bucket)
    names = [f"{part}.port{kind}" for part in PORTS for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports, strict=True))
    settings = OPTIONS | {"dir": str(folder), "bucket": bucket, "s3.config": str(key_file)}
    settings |= {name: str(port) for name, port in ports.items()}
    folder.mkdir(exist_ok=True)
    weed = await asyncio.create_subprocess_exec(
        "weed", "-logtostderr", "mini", *(f"-{name}={value}" for name, value in settings.items()), *options,
        # Nothing of this environment but PATH: it would take names of buckets and keys from it.
        env={
            "PATH": os.environ["PATH"],
            "HOME": scratch,
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
            "GOGC": "10",
            "GOMEMLIMIT": "300MiB",
        },
    )  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, weed.terminate)
    ended = asyncio.create_task(weed.wait())
    while not ended.done() and not await asyncio.to_thread(is_ready, ports, bucket, folder):
        await asyncio.sleep(0.2)
    if not ended.done():
        host, _, port = listen.rpartition(":")
        await asyncio.start_server(lambda *both: pass_on(*both, ports["s3.port"]), host, int(port))
        print(f"S3 on {listen} with the bucket {bucket}", flush=True)
        vacuuming = asyncio.create_task(vacuum(ports["master.port"], vacuum_seconds))
        ended.add_done_callback(lambda _: vacuuming.cancel())
    return await ended


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="0.0.0.0:9000")
    parser.add_argument("--folder", type=Path, default=Path("/s3/seaweedfs"))
    parser.add_argument("--ports", type=int, nargs=10, default=list(range(20000, 20010)), help="on loopback")
    parser.add_argument("--vacuum-seconds", type=float, default=600)
    parser.add_argument("options", nargs="*", help="further options of weed mini, after --")
    given = parser.parse_args()
    service = serve(given.listen, given.folder, given.ports, given.vacuum_seconds, given.options)
    raise SystemExit(asyncio.run(service))
