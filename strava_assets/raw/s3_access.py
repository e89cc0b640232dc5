"""How a bucket is reached, for both S3 clients alike: endpoint, region, credentials, certificates.

Objects are read and written through obstore, many at a time; what obstore does not know (versions, buckets) goes
through boto3. What one of them can reach, the other can: neither reads the environment for itself where it matters.
"""

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.session
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, PartialCredentialsError, ProfileNotFound
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError
from obstore.store import S3Store
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from strava_assets.errors import ConfigurationError, SettingMissing
from strava_assets.loopback import is_loopback

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig

CONNECT_SECONDS, ANSWER_SECONDS = 5, 60

CONNECTIONS = 16
"""Connections that a boto3 client keeps open."""


@dataclass(frozen=True)
class S3Access:
    """A bucket and the way to it. Where no keys are given, the AWS SDK's own chain finds them (profile, role, ...)."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    ca_bundle: str = ""
    """A file of certificates to trust; by default the SDK's `ca_bundle`, else the system's and certifi's."""

    @property
    def _is_local(self) -> bool:
        """Whether the server is on this machine, so that no proxy of the environment leads to it."""
        return is_loopback(self.endpoint_url or "")

    @property
    def where(self) -> str:
        """The endpoint, for messages."""
        return self.endpoint_url or "AWS"

    @cached_property
    def region_name(self) -> str:
        """The region; us-east-1 where nothing names one, which is what other servers than AWS go by."""
        return self.region or self._session.region_name or "us-east-1"

    def client(self) -> "S3Client":
        """A boto3 client. Raises ConfigurationError where there are no usable credentials or certificates."""
        config = Config(
            s3={"addressing_style": "path"} if self.endpoint_url else None,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            max_pool_connections=CONNECTIONS,
            proxies={} if self._is_local else None,
            # Other servers than AWS do not know the checksums that are merely possible.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._require_credentials()
        client = self._session.client(
            "s3", endpoint_url=self.endpoint_url, region_name=self.region_name, config=config, verify=self._verify
        )
        client.meta.events.register("before-call.s3.DeleteObjects", _with_md5)
        return client

    def store(self) -> S3Store:
        """An obstore store on the bucket. Raises ConfigurationError as `client` does."""
        self._require_credentials()
        try:
            return S3Store(
                self.bucket,
                # By this name, it counts before the environment's AWS_ENDPOINT_URL_S3, as with boto3.
                config={"aws_endpoint_url_s3": self.endpoint_url, "virtual_hosted_style_request": False}
                if self.endpoint_url
                else None,
                region=self.region_name,
                credential_provider=Boto3CredentialProvider(self._session),
                client_options=self._client_options,
                retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
            )
        except BaseError as error:
            reason = str(error).strip().partition("\n")[0][:200]
            raise ConfigurationError(
                f"S3 at {self.where} cannot be used ({reason}). Check the AWS_* settings."
            ) from None

    @property
    def _client_options(self) -> "ClientConfig":
        options: ClientConfig = {
            "allow_http": True,
            "connect_timeout": f"{CONNECT_SECONDS}s",
            "timeout": f"{ANSWER_SECONDS}s",
            # Beside the system's; without any, not even plain http would work.
            "root_certificate": Path(self._certificates or DEFAULT_CA_BUNDLE_PATH).read_bytes(),
        }
        if self.endpoint_url and self._is_local:
            # Only with a proxy of its own does it leave the environment's aside. This one is never asked.
            options |= {"proxy_url": self.endpoint_url, "proxy_excludes": urlsplit(self.endpoint_url).hostname or ""}
        return options

    @cached_property
    def _session(self) -> Session:
        return Session(
            aws_access_key_id=self.access_key_id or None,
            aws_secret_access_key=self.secret_access_key or None,
            aws_session_token=self.session_token or None,
            botocore_session=self._core,
        )

    @cached_property
    def _core(self) -> botocore.session.Session:
        core = botocore.session.Session()
        try:
            core.get_scoped_config()
        except ProfileNotFound as error:
            if self.access_key_id:  # keys that are given count, whatever profile was left in the environment
                return botocore.session.Session(session_vars={"profile": (None, None, None, None)})
            raise ConfigurationError(
                f"{error}. Unset AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None
        except BotoCoreError as error:
            raise ConfigurationError(f"The AWS SDK's configuration cannot be read: {error}.") from None
        return core

    def _require_credentials(self) -> None:
        try:
            if self._session.get_credentials() is not None:
                return
        except PartialCredentialsError as error:
            raise ConfigurationError(f"{error}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, both.") from None
        except BotoCoreError as error:
            raise ConfigurationError(f"No S3 credentials can be had: {error}.") from None
        raise SettingMissing(
            "No S3 credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile."
        )

    @property
    def _verify(self) -> str | None:
        """What boto3 is to trust; its own default, certifi, where nothing was chosen and the system has nothing."""
        return self._certificates or ssl.get_default_verify_paths().cafile

    @cached_property
    def _certificates(self) -> str | None:
        chosen = self.ca_bundle or self._core.get_config_variable("ca_bundle")
        if not chosen or not (self.endpoint_url or "https:").startswith("https:"):
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(chosen)
        except OSError:
            raise ConfigurationError(
                f"{chosen} is not a file with certificates. AWS_CA_BUNDLE, ca_bundle in the AWS SDK's config, "
                "REQUESTS_CA_BUNDLE or SSL_CERT_FILE names it."
            ) from None
        return str(chosen)


def _with_md5(params: dict[str, Any], **_: object) -> None:
    """Sign DeleteObjects' body as every S3 server knows it: older MinIO and Ceph ask for it, AWS takes it."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode()
    params["context"].get("checksum", {}).pop("request_algorithm", None)
