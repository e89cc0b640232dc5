"""Resources: thin configuration that opens an API client, a bucket, an engine. They decide nothing.

Secrets are EnvVars, so that Dagster's UI shows their names and never their values.
https://docs.dagster.io/guides/build/external-resources
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TypedDict

import boto3
import dagster as dg
from dagster_aws.s3 import S3Resource
from redis import Redis
from sqlalchemy import Engine

from strava_assets.mirror.database import engine_for
from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.store import RawStore
from strava_assets.settings import DEFAULTS, Settings, parse_database_url, variable_set
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import TokenStore


def variable(name: str) -> str:
    """The setting as an EnvVar, or its default where it is not set: Dagster's EnvVar has no defaults."""
    name_set = variable_set(os.environ, name)
    return dg.EnvVar(name_set) if name_set else DEFAULTS[name]


class RedisTokens(dg.ConfigurableResource[TokenStore]):
    """The athletes' OAuth tokens, the locks around them and the shared request budget, in Redis."""

    url: str

    def open(self) -> TokenStore:
        """The token store."""
        return TokenStore(self.connect())

    def connect(self) -> Redis:
        """A connection to Redis."""
        return connect(self.url)


class Strava(dg.ConfigurableResource[StravaClient]):
    """Strava's API, over OAuth2Session, within the application's request budget."""

    client_id: str
    client_secret: str
    tokens: dg.ResourceDependency[RedisTokens]

    def open(
        self, *, may_use_reserve: bool, max_wait: timedelta, on_wait: Callable[[str], None] | None = None
    ) -> StravaClient:
        """An API client; see StravaClient.open."""
        return StravaClient.open(
            replace(
                Settings.from_environment(),
                client_id=self.client_id,
                client_secret=self.client_secret,
                redis_url=self.tokens.url,
            ),
            may_use_reserve=may_use_reserve,
            max_wait=max_wait,
            on_wait=on_wait,
        )


class RawBucket(dg.ConfigurableResource[RawStore]):
    """The bucket of raw objects, at the endpoint and with the credentials of the S3 resource."""

    bucket: str
    prefix: str
    s3: dg.ResourceDependency[S3Resource]

    def open(self) -> RawStore:
        """The store of raw objects."""
        return RawStore.open(self._session, **self._place())

    def open_deletion(self) -> RawDeletion:
        """What deletes raw objects with all their versions."""
        return RawDeletion.open(self._session, **self._place())

    @cached_property
    def _session(self) -> boto3.session.Session:
        return boto3.session.Session(
            profile_name=self.s3.profile_name,
            region_name=self.s3.region_name,
            aws_access_key_id=self.s3.aws_access_key_id,
            aws_secret_access_key=self.s3.aws_secret_access_key,
            aws_session_token=self.s3.aws_session_token,
        )

    def _place(self) -> "_Place":
        return {
            "bucket": self.bucket,
            "prefix": self.prefix,
            "endpoint_url": self.s3.endpoint_url or Settings.from_environment().s3_endpoint_url,
        }


class _Place(TypedDict):
    bucket: str
    prefix: str
    endpoint_url: str | None


class Postgres(dg.ConfigurableResource[Engine]):
    """The database of the `strava_activity` table: one SQLAlchemy engine per process."""

    url: str

    def open(self) -> Engine:
        """The engine."""
        return engine_for(parse_database_url(self.url))
