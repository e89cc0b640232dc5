"""An S3 server of another kind: a proxy in front of the real one that knows less, or asks for more."""

import base64
import hashlib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from strava_assets.raw.s3_access import S3Access
from strava_assets_tests.authority import write_private_authority


def access_to(s3: dict[str, str], bucket: str, prefix: str = "stravaact") -> S3Access:
    return S3Access(
        bucket,
        prefix,
        s3["AWS_ENDPOINT_URL_S3"],
        s3["AWS_DEFAULT_REGION"],
        s3["AWS_ACCESS_KEY_ID"],
        s3["AWS_SECRET_ACCESS_KEY"],
    )


@dataclass
class Request:
    """A request before it goes on to the server; what `judge` changes goes on changed."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Refusal:
    status: int
    code: str


Judge = Callable[[Request], Refusal | None]


def without_versions(request: Request) -> Refusal | None:
    """Garage, Cloudflare's R2."""
    return Refusal(501, "NotImplemented") if "versions" in request.query else None


def deaf_to_versions(request: Request) -> Refusal | None:
    request.query.pop("versions", None)
    return None


def wants_md5(request: Request) -> Refusal | None:
    """Older MinIO and Ceph."""
    if request.method != "POST" or "delete" not in request.query:
        return None
    digest = base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest()).decode()
    return None if request.headers.get("Content-MD5") == digest else Refusal(400, "MissingContentMD5")


def without_bulk_deletion(request: Request) -> Refusal | None:
    """Google's interoperability API."""
    return Refusal(501, "NotImplemented") if request.method == "POST" and "delete" in request.query else None


def without_newer_checksums(request: Request) -> Refusal | None:
    """Whatever is older than 2022."""
    names = [name for name in request.headers if name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum"))]
    return Refusal(501, "NotImplemented") if names or "aws-chunked" in str(request.headers) else None


@dataclass
class S3Proxy:
    """A context manager; `settings` lead to it. With a `folder`, it speaks TLS with a certificate of its own there."""

    s3: dict[str, str]
    judge: Judge = lambda _request: None
    folder: Path | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if self.folder:
            self.certificate, servers = write_private_authority(self.folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(servers)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        scheme = "https" if self.folder else "http"
        self.settings = {**self.s3, "AWS_ENDPOINT_URL_S3": f"{scheme}://127.0.0.1:{self._server.server_port}"}
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Sign the request anew, since it may have been changed, and send it on."""
        url = f"{self.s3['AWS_ENDPOINT_URL_S3']}{request.path}"
        if request.query:
            url += f"?{urlencode(request.query, quote_via=quote)}"
        kept = {"content-type", "content-md5", "range"}
        signed = AWSRequest(
            request.method,
            url,
            {name: each for name, each in request.headers.items() if name.lower() in kept},
            request.body,
        )
        signed.headers["X-Amz-Content-SHA256"] = hashlib.sha256(request.body).hexdigest()
        credentials = Credentials(self.s3["AWS_ACCESS_KEY_ID"], self.s3["AWS_SECRET_ACCESS_KEY"])
        S3SigV4Auth(credentials, "s3", self.s3["AWS_DEFAULT_REGION"]).add_auth(signed)
        onward = urllib.request.Request(url, request.body or None, dict(signed.headers.items()), method=request.method)
        try:
            with urllib.request.urlopen(onward, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                request = Request(self.command, parts.path, query, dict(self.headers), body)
                proxy.requests.append(request)
                if refusal := proxy.judge(request):
                    status, headers = refusal.status, {"Content-Type": "application/xml"}
                    body = f"<Error><Code>{refusal.code}</Code><Message>no</Message></Error>".encode()
                else:
                    status, headers, body = proxy._forward(request)
                self.send_response(status)
                length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
                for name, value in headers.items():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                        self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Tests read `requests` instead."""

        return Handler
