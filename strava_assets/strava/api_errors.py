"""What Strava's error answers mean, as errors of ours. Built here and returned, so that the caller raises them.

Their bodies look like `{"message": "...", "errors": [{"resource": "...", "field": "...", "code": "..."}]}`.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from strava_assets.errors import (
    AccessRefused,
    ApplicationInactive,
    ConfigurationError,
    PermanentError,
    RefreshTokenRefused,
    ScopeMissing,
    StravaAssetsError,
    StravaUnavailable,
)
from strava_assets.strava.transport import Answer

NEEDED_SCOPE = "activity:read_all"

MAY_BE_RETRIED = frozenset({408, *range(500, 600)})
"""Statuses after which the same request may succeed. 429 is the budget's business."""

LOG_IN_AGAIN = "Log in again: strava-assets login"


@dataclass(frozen=True)
class Complaint:
    """One entry of an error answer's `errors`."""

    resource: str
    field: str
    code: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.resource, self.field, self.code) if part)


def complaints(answer: Answer) -> list[Complaint]:
    """What an error answer complains of; empty where the body says nothing of the kind."""
    errors = _body(answer).get("errors")
    return [
        Complaint(*(str(entry.get(name) or "") for name in ("resource", "field", "code")))
        for entry in (errors if isinstance(errors, list) else [])
        if isinstance(entry, dict)
    ]


def of_api(answer: Answer, request: str, athlete_id: int | None) -> StravaAssetsError:
    """The error for an answer of the API that no retry can change. `request` is method and path, `GET /athlete`."""
    listed_errors = complaints(answer)
    if _is_inactive(listed_errors):
        return application_inactive()
    if is_scope_missing(answer):
        return scope_missing(athlete_id)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return AccessRefused(
            f"Strava answers {request} with 401 for {whom(athlete_id)}, although it has just renewed their token, so "
            "the grant lives. Try again later.",
            athlete_id,
        )
    if any(entry.field == "after" and entry.code == "future" for entry in listed_errors):
        return PermanentError("This machine's clock is ahead of Strava's; synchronise it (NTP).")
    if answer.status in range(300, 400):
        return StravaUnavailable(
            f"{request} was answered with a redirect ({answer.status}), which is not followed since it would carry "
            "the token elsewhere; check STRAVA_API_URL."
        )
    return PermanentError(f"Strava refuses {request}: {answer.status} {described(answer)}.")


def is_scope_missing(answer: Answer) -> bool:
    """Whether Strava misses a permission, not a token: 401 with `activity:read_permission missing`."""
    return answer.status == HTTPStatus.UNAUTHORIZED and any(
        entry.field.endswith("_permission") for entry in complaints(answer)
    )


def blames_application(answer: Answer) -> bool:
    """Whether Strava does not accept the application's id or secret, rather than a token."""
    return _body(answer).get("error") == "invalid_client" or any(
        entry.resource == "Application" for entry in complaints(answer)
    )


def of_oauth(answer: Answer, athlete_id: int | None, request: str, *, of_login: bool = False) -> StravaAssetsError:
    """The error for a refused exchange, renewal or revocation of a token."""
    listed_errors = complaints(answer)
    code = _body(answer).get("error")
    if _is_inactive(listed_errors):
        return application_inactive()
    if any(entry.resource == "RefreshToken" or entry.field == "refresh_token" for entry in listed_errors) or (
        code == "invalid_grant" and not of_login
    ):
        return RefreshTokenRefused(f"Strava refuses the refresh token of {whom(athlete_id)}.", athlete_id)
    if of_login and (
        code == "invalid_grant" or any("Code" in entry.resource or entry.field == "code" for entry in listed_errors)
    ):
        return PermanentError(
            "Strava does not accept the code of this login: it works once and not for long. Try again."
        )
    if answer.status == HTTPStatus.UNAUTHORIZED or blames_application(answer):
        return ConfigurationError(
            "Strava does not accept STRAVA_CLIENT_ID with STRAVA_CLIENT_SECRET. "
            "Compare both with https://www.strava.com/settings/api."
        )
    return PermanentError(f"Strava refuses {request}: {answer.status} {described(answer)}.")


def scope_missing(athlete_id: int | None) -> ScopeMissing:
    """The error of a login that may not read everything."""
    return ScopeMissing(
        f"The login of {whom(athlete_id)} lacks {NEEDED_SCOPE}, so Strava would not show every activity. The token "
        "shown on Strava's settings page has only `read`. Run: strava-assets login",
        athlete_id,
    )


def application_inactive() -> ApplicationInactive:
    """The error of an API application that is switched off."""
    return ApplicationInactive(
        "Strava has switched this API application off, or its owner's subscription has lapsed (403 Inactive). "
        "See https://www.strava.com/settings/api."
    )


def described(answer: Answer) -> str:
    """Strava's own words for an error, short; never the whole body."""
    message = _body(answer).get("message")
    listed_errors = ", ".join(str(entry) for entry in complaints(answer))
    words = " ".join(
        part
        for part in (message if isinstance(message, str) else "", f"({listed_errors})" if listed_errors else "")
        if part
    )
    return words[:200] or f"({answer.content_type})"


def _is_inactive(listed_errors: list[Complaint]) -> bool:
    return any(
        entry.resource == "Application" and entry.field.lower() == "status" and entry.code.lower() == "inactive"
        for entry in listed_errors
    )


def whom(athlete_id: int | None) -> str:
    """The athlete in a sentence, where the id may be unknown."""
    return "the athlete" if athlete_id is None else f"athlete {athlete_id}"


def _body(answer: Answer) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
