"""What S3's errors mean, of whichever client, in one line that says what to do. None of them holds a secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, SSLError
from obstore.exceptions import BaseError, UnauthenticatedError

from strava_assets.errors import ConfigurationError, ServiceUnavailable, StravaAssetsError

DENIED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "403"}
)
NO_BUCKET = frozenset({"NoSuchBucket", "404"})

_INNER_REASON = re.compile(r'(?:message|error): "([^"]+)"|InvalidCertificate\(\s*(\w+)')


@contextmanager
def clear_errors(where: str, bucket: str, doing: str = "access") -> Iterator[None]:
    """Turn both clients' errors into ours. `doing` names what is denied where it is denied."""
    try:
        yield
    except (BaseError, OSError, BotoCoreError, ClientError) as error:
        raise clear_error(error, where, bucket, doing) from None


def clear_error(error: Exception, where: str, bucket: str, doing: str = "access") -> StravaAssetsError:
    """The error of this project for an error of boto3 or obstore."""
    message = str(error)
    code = error_code(error)
    # Listing gives obstore's general error for these; the answer's own code tells them apart.
    if code in NO_BUCKET or isinstance(error, FileNotFoundError) or "NoSuchBucket" in message or "code: 404" in message:
        return ConfigurationError(
            f"The bucket {bucket!r} does not exist at {where}. "
            "Create it with: strava-assets init, or check S3_BUCKET and AWS_ENDPOINT_URL_S3."
        )
    if code in DENIED or isinstance(error, PermissionError | UnauthenticatedError) or "code: 403" in message:
        return ConfigurationError(
            f"S3 at {where} denies {doing} {'to' if doing == 'access' else 'in'} the bucket {bucket!r}. "
            "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the key's permissions."
        )
    if isinstance(error, SSLError) or "InvalidCertificate" in message:
        return ConfigurationError(
            f"The certificate of S3 at {where} is not trusted ({_reason(message)}). Name the file of the certificate "
            "authority's certificate in AWS_CA_BUNDLE."
        )
    return ServiceUnavailable(
        f"S3 at {where} does not answer as it should ({code or _reason(message)}). Check AWS_ENDPOINT_URL_S3."
    )


def error_code(error: Exception) -> str:
    """S3's own code of an error that boto3 raised; empty where there is none."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _reason(message: str) -> str:
    # obstore's first line says only that there was an error, and the rest of it is for its developers.
    inner = [plain or certificate for plain, certificate in _INNER_REASON.findall(message)]
    return (inner[-1] if inner else message.strip().partition("\n")[0])[:200]
