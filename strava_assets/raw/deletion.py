"""Deletes raw objects for good: with every version and delete marker where the bucket keeps versions.

Deletion is rare and must be complete, so it goes through boto3, which knows versions, and not through `raw`.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from strava_assets.errors import ConfigurationError, ServiceUnavailable, StravaAssetsError
from strava_assets.raw.keys import archive_prefix, athlete_prefix, from_object_key, from_old_object_key

if TYPE_CHECKING:
    import boto3.session
    from mypy_boto3_s3 import S3Client

BATCH = 1000
"""Objects that S3 deletes in one request, at most."""

READERS = 16


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker; `id` is None where the S3 knows no versions."""

    key: str
    id: str | None
    is_marker: bool = False


class RawDeletion:
    """Finds and deletes versions of raw objects."""

    def __init__(self, client: "S3Client", *, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @classmethod
    def open(
        cls, session: "boto3.session.Session", *, bucket: str, prefix: str, endpoint_url: str | None
    ) -> "RawDeletion":
        """Deletion in `bucket`, with the session's credentials."""
        config = Config(
            s3={"addressing_style": "path"} if endpoint_url else None,
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=READERS,
        )
        client = session.client(
            "s3", endpoint_url=endpoint_url, region_name=session.region_name or "us-east-1", config=config
        )
        return cls(client, bucket=bucket, prefix=prefix)

    def count(self, athlete_id: int) -> int:
        """How many versions of objects the athlete has."""
        with self._clear_errors():
            return sum(1 for _ in self._versions(athlete_prefix(self._prefix, athlete_id)))

    def delete_athlete(self, athlete_id: int) -> int:
        """Delete everything in the athlete's folder; how many versions that was."""
        return self._delete(athlete_prefix(self._prefix, athlete_id), lambda _key: True)

    def delete_archive(self, athlete_id: int, archive: str) -> int:
        """Delete everything of one of the athlete's bulk exports; how many versions that was."""
        return self._delete(archive_prefix(self._prefix, athlete_id, archive), lambda _key: True)

    def delete_of_old_dag(self, athlete_id: int) -> int:
        """Delete the old DAG's objects that hold activities of the athlete; how many versions that was."""
        with self._clear_errors():
            old = [each for each in self._versions(self._old_prefix) if from_old_object_key(each.key)]
            with ThreadPoolExecutor(READERS) as readers:
                is_theirs = readers.map(lambda each: self._is_of(each, athlete_id), old)
            theirs = {each.key for each, is_one in zip(old, is_theirs, strict=True) if is_one}
            return self._delete_all(each for each in old if each.key in theirs)

    def delete_before(self, moment: datetime) -> int:
        """Delete the objects of all athletes' hours before `moment`, the old DAG's too; how many versions."""

        def is_before(key: str) -> bool:
            named = from_object_key(key)
            hour = named[1] if named else from_old_object_key(key)
            return hour is not None and hour < moment

        return self._delete(self._old_prefix, is_before)

    @property
    def _old_prefix(self) -> str:
        return f"{self._prefix}/" if self._prefix else ""

    def _delete(self, prefix: str, is_chosen: Callable[[str], bool]) -> int:
        with self._clear_errors():
            return self._delete_all(version for version in self._versions(prefix) if is_chosen(version.key))

    def _versions(self, prefix: str) -> Iterator[Version]:
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix):
            for version in page.get("Versions", []):
                yield Version(version["Key"], version.get("VersionId"))
            for marker in page.get("DeleteMarkers", []):
                yield Version(marker["Key"], marker.get("VersionId"), is_marker=True)

    def _delete_all(self, versions: Iterator[Version]) -> int:
        deleted = 0
        while batch := list(islice(versions, BATCH)):
            answer = self._client.delete_objects(
                Bucket=self._bucket,
                Delete={
                    "Objects": [
                        {"Key": each.key, "VersionId": each.id} if each.id else {"Key": each.key} for each in batch
                    ],
                    "Quiet": True,
                },
            )
            if errors := answer.get("Errors"):
                raise ServiceUnavailable(
                    f"S3 did not delete {len(errors)} objects of the bucket {self._bucket!r} "
                    f"({errors[0].get('Code', 'no reason given')}). Run the same again."
                )
            deleted += len(batch)
        return deleted

    def _is_of(self, version: Version, athlete_id: int) -> bool:
        if version.is_marker:
            return False
        request = {"VersionId": version.id} if version.id and version.id != "null" else {}
        body = self._client.get_object(Bucket=self._bucket, Key=version.key, **request)["Body"].read()  # type: ignore[arg-type]
        try:
            said = json.loads(body)
        except ValueError:
            return False
        activities = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
        owners = [each.get("athlete") for each in activities]
        return any(isinstance(owner, dict) and owner.get("id") == athlete_id for owner in owners)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self._clear_error(error) from None

    def _clear_error(self, error: BotoCoreError | ClientError) -> StravaAssetsError:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        if code == "NoSuchBucket":
            return ConfigurationError(
                f"The bucket {self._bucket!r} does not exist. Check S3_BUCKET and AWS_ENDPOINT_URL_S3."
            )
        if code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403"}:
            return ConfigurationError(
                f"S3 denies deletion in the bucket {self._bucket!r} ({code}). Check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY and the key's permissions, those for versions included."
            )
        return ServiceUnavailable(
            f"S3 does not answer as it should ({code or type(error).__name__}). Check AWS_ENDPOINT_URL_S3."
        )
