"""Deletes raw objects for good: with every version and delete marker where the bucket keeps versions.

Deletion is rare and must be complete, so it goes through boto3, which knows versions, and not through `raw`.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from strava_assets.errors import ServiceUnavailable
from strava_assets.raw.keys import archive_prefix, athlete_prefix, from_object_key, from_old_object_key
from strava_assets.raw.s3_access import CONNECTIONS, S3Access
from strava_assets.raw.s3_errors import clear_errors, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

BATCH = 1000
"""Objects that S3 deletes in one request, at most."""

READERS = CONNECTIONS


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker; `id` is None where the S3 knows no versions."""

    key: str
    id: str | None
    is_marker: bool = False


class RawDeletion:
    """Finds and deletes versions of raw objects."""

    def __init__(self, access: S3Access) -> None:
        """Raises ConfigurationError where there are no usable credentials."""
        self._access = access
        self._bucket = access.bucket
        self._prefix = access.prefix
        self._client = access.client()

    def folder(self, athlete_id: int) -> str:
        """The bucket's name, and the beginning of all keys of the athlete in it."""
        return f"{self._bucket}/{athlete_prefix(self._prefix, athlete_id)}"

    def count(self, athlete_id: int) -> int:
        """How many versions of objects the athlete has."""
        with self._clear_errors():
            return sum(1 for _ in self._versions(athlete_prefix(self._prefix, athlete_id)))

    def knows_versions(self) -> bool:
        """Whether the server tells the versions of objects; True, too, where there are no objects to ask about."""
        with self._clear_errors():
            listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._old_prefix, MaxKeys=1)
            if not listed.get("Contents"):
                return True
            return next(self._named_versions(self._old_prefix), None) is not None

    def delete_athlete(self, athlete_id: int) -> int:
        """Delete everything in the athlete's folder; how many versions that was."""
        return self._delete(athlete_prefix(self._prefix, athlete_id), lambda _key: True)

    def delete_archive(self, athlete_id: int, archive: str) -> int:
        """Delete everything of one of the athlete's bulk exports; how many versions that was."""
        return self._delete(archive_prefix(self._prefix, athlete_id, archive), lambda _key: True)

    def delete_of_old_dag(self, athlete_id: int) -> int:
        """Delete the Airflow DAG's objects that hold activities of the athlete; how many versions that was."""
        with self._clear_errors():
            old = [each for each in self._versions(self._old_prefix) if from_old_object_key(each.key)]
            with ThreadPoolExecutor(READERS) as readers:
                is_theirs = readers.map(lambda each: self._is_of(each, athlete_id), old)
            theirs = {each.key for each, is_one in zip(old, is_theirs, strict=True) if is_one}
            return self._delete_all(each for each in old if each.key in theirs)

    def delete_before(self, moment: datetime) -> int:
        """Delete the objects of all athletes' hours before `moment`, the Airflow DAG's too; how many versions."""

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
        """Every version and delete marker, and every object of which the server names no version.

        Some servers know no versions (Garage, R2) or ignore that they were asked for; an object that is listed is
        an object that is left.
        """
        named: set[str] = set()
        for version in self._named_versions(prefix):
            named.add(version.key)
            yield version
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                if entry["Key"] not in named:
                    yield Version(entry["Key"], None)

    def _named_versions(self, prefix: str) -> Iterator[Version]:
        try:
            for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix):
                for version in page.get("Versions", []):
                    yield Version(version["Key"], version.get("VersionId"))
                for marker in page.get("DeleteMarkers", []):
                    yield Version(marker["Key"], marker.get("VersionId"), is_marker=True)
        except ClientError as error:
            if not _is_unknown_request(error):
                raise

    def _delete_all(self, versions: Iterator[Version]) -> int:
        deleted = 0
        while batch := list(islice(versions, BATCH)):
            if errors := self._delete_batch(batch):
                raise ServiceUnavailable(
                    f"S3 did not delete {len(errors)} objects of the bucket {self._bucket!r} "
                    f"({errors[0]}). Run the same again."
                )
            deleted += len(batch)
        return deleted

    def _delete_batch(self, batch: list[Version]) -> list[str]:
        """Delete them; why some were not deleted."""
        objects = [_named(each) for each in batch]
        try:
            answer = self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": objects, "Quiet": True},
            )
        except ClientError as error:
            if not _is_unknown_request(error):
                raise
            with ThreadPoolExecutor(READERS) as deleters:
                list(deleters.map(lambda each: self._client.delete_object(Bucket=self._bucket, **each), objects))
            return []
        return [each.get("Code", "no reason given") for each in answer.get("Errors", [])]

    def _is_of(self, version: Version, athlete_id: int) -> bool:
        if version.is_marker:
            return False
        request = {"VersionId": version.id} if version.id and version.id != "null" else {}
        body = self._client.get_object(Bucket=self._bucket, Key=version.key, **request)["Body"].read()  # type: ignore[arg-type]
        try:
            parsed = json.loads(body)
        except ValueError:
            return False
        activities = [each for each in parsed if isinstance(each, dict)] if isinstance(parsed, list) else []
        owners = [each.get("athlete") for each in activities]
        return any(isinstance(owner, dict) and owner.get("id") == athlete_id for owner in owners)

    def _clear_errors(self) -> AbstractContextManager[None]:
        return clear_errors(self._access.where, self._bucket, "deletion (versions included)")


def _named(version: Version) -> "ObjectIdentifierTypeDef":
    return {"Key": version.key, "VersionId": version.id} if version.id else {"Key": version.key}


def _is_unknown_request(error: ClientError) -> bool:
    """Whether the server does not know the request at all, rather than deny it."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error_code(error) in {"NotImplemented", "MethodNotAllowed"} or status in {
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
