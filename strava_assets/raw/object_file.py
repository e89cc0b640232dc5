"""An object in any bucket as a file that can be sought: only what is read of it is transferred."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from strava_assets.errors import ConfigurationError
from strava_assets.raw.s3_access import S3Access
from strava_assets.raw.s3_errors import clear_errors, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUFFER_BYTES = 2**20
"""Bytes of one request: the directory of a zip of thousands of files is about as large."""


@contextmanager
def open_object(access: S3Access, url: str) -> Iterator[IO[bytes]]:
    """Open an object by its URL, `s3://bucket/key`. Raises ConfigurationError where it is not there or is denied."""
    parts = urlsplit(url)
    key = parts.path.lstrip("/")
    if parts.scheme != "s3" or not parts.netloc or not key:
        raise ConfigurationError(
            f"{url} is not the URL of an object. Write it like s3://bucket/path/to/export_1234.zip."
        )
    access = replace(access, bucket=parts.netloc)
    with clear_errors(access.where, access.bucket):
        client = access.client()
        try:
            size = client.head_object(Bucket=parts.netloc, Key=key)["ContentLength"]
        except client.exceptions.ClientError as error:
            if error_code(error) not in {"404", "NoSuchKey"}:
                raise
            raise ConfigurationError(f"{url} does not exist at {access.where}.") from None
        yield io.BufferedReader(_ObjectFile(client, parts.netloc, key, size), BUFFER_BYTES)


class _ObjectFile(io.RawIOBase):
    def __init__(self, client: "S3Client", bucket: str, key: str, size: int) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._size, self._at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's buffer has no length
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        part = self._client.get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={self._at}-{end - 1}")
        content = part["Body"].read()
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
