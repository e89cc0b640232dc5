"""The webhook receiver: a small ASGI app that writes events to a Redis stream, and nothing more.

Strava wants every answer within two seconds, tries three times, and then the event is gone. So an event is
checked and written here, and looked at elsewhere: by the sensor `strava_events`.
https://developers.strava.com/docs/webhooks/
"""

import asyncio
import hmac
import time
from http import HTTPStatus
from typing import cast

import uvicorn
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from strava_assets.bounded_server import BoundedServer
from strava_assets.settings import Settings
from strava_assets.state import keys
from strava_assets.webhooks.event_writer import EventWriter
from strava_assets.webhooks.events import posted
from strava_assets.webhooks.guess_brake import GuessBrake
from strava_assets.webhooks.identity import PATH, REFUSED, SUBSCRIPTION, VERIFY_TOKEN

MAX_BODY = 16 * 1024
"""Bytes; Strava's events have some 300."""

MAX_CHALLENGE = 256

DEADLINE = 1.2
"""Seconds after which a request is refused, wherever it is; Strava waits for two."""

BODY_TIMEOUT = 0.5
REDIS_TIMEOUT = 0.6
"""Seconds, to connect and to be answered."""

IDENTITY_MAX_AGE = 1.0
"""Seconds for which the subscription's id is believed to be as it was."""


def create_server(settings: Settings) -> BoundedServer:
    """The app in its web server. No access log: it would show the secret path."""
    return BoundedServer(
        uvicorn.Config(create_app(settings), access_log=False, log_level="error", server_header=False, ws="none")
    )


def create_app(settings: Settings) -> Starlette:
    """The app: the callback, under any path that ends in the secret one, and /healthz."""
    redis = _connect(settings.redis_url)
    receiver = Receiver(redis, settings.webhook_verify_token)

    async def health(_request: Request) -> Response:
        try:
            async with asyncio.timeout(DEADLINE):
                await redis.ping()
        except (RedisError, TimeoutError):
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer")
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/healthz", health), Route("/{path:path}", receiver)])


class Receiver:
    """Answers Strava's handshake and takes its events, always within DEADLINE."""

    def __init__(self, redis: Redis, verify_token: str) -> None:
        self._redis = redis
        self._verify_token = verify_token
        self._writer = EventWriter(redis)
        self._identity = CachedIdentity(redis)
        self._brake = GuessBrake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI calls it."""
        try:
            async with asyncio.timeout(DEADLINE):
                response = await self._answer(Request(scope, receive))
        except (RedisError, TimeoutError):
            # Strava tries again later.
            response = _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer")
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not _equal(request.path_params["path"].rpartition("/")[2], await self._identity.get(PATH)):
            return _refusal(HTTPStatus.NOT_FOUND, "nothing is here")
        if request.method == "GET":
            return await self._shake_hands(request)
        if request.method == "POST":
            return await self._take_event(request)
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GET and POST only", {"Allow": "GET, POST"})

    async def _shake_hands(self, request: Request) -> Response:
        challenge = request.query_params.get("hub.challenge", "")
        if request.query_params.get("hub.mode") != "subscribe" or not 0 < len(challenge) <= MAX_CHALLENGE:
            return _refusal(HTTPStatus.BAD_REQUEST, "this is not a subscription's handshake")
        expected = self._verify_token or await self._identity.get(VERIFY_TOKEN)
        if not _equal(request.query_params.get("hub.verify_token", ""), expected):
            return _refusal(HTTPStatus.FORBIDDEN, "the verify token is another one")
        return JSONResponse({"hub.challenge": challenge})

    async def _take_event(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await _body(request)
        except TimeoutError:
            return _refusal(HTTPStatus.REQUEST_TIMEOUT, "the body does not come")
        if body is None:
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an event has at most {MAX_BODY} bytes")
        try:
            event, subscription_id = posted(body)
        except ValueError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, f"this is not an event: {error}")
        if not await self._brake.turn():
            return _refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many events name a wrong subscription")
        if not await self._is_ours(subscription_id):
            self._brake.count_wrong()
            await self._redis.hincrby(keys.WEBHOOK, REFUSED, 1)
            return _refusal(HTTPStatus.FORBIDDEN, "the subscription is another one")
        await self._writer.write(event)
        return Response(status_code=HTTPStatus.OK)

    async def _is_ours(self, subscription_id: int) -> bool:
        if await self._identity.get(SUBSCRIPTION) == str(subscription_id):
            return True
        # It may have been made this very moment.
        return await self._identity.get(SUBSCRIPTION, max_age=0) == str(subscription_id)


class CachedIdentity:
    """The webhook's identity as Redis had it a moment ago, read once for all requests that wait for it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._fields: dict[str, str] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def get(self, field: str, max_age: float = IDENTITY_MAX_AGE) -> str:
        """A field, read again when it is older than `max_age` seconds; empty if unset."""
        if time.monotonic() - self._read_at > max_age:
            reading = self._reading
            if reading is None or reading.done():
                self._reading = reading = asyncio.create_task(self._read())
            # A request that gives up must not end the reading of the others.
            await asyncio.wait([reading])
            reading.result()
        return self._fields.get(field, "")

    async def _read(self) -> None:
        self._fields = cast("dict[str, str]", await self._redis.hgetall(keys.WEBHOOK))
        self._read_at = time.monotonic()


def _connect(redis_url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        redis_url,
        decode_responses=True,
        max_connections=8,
        timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
        socket_timeout=REDIS_TIMEOUT,
        # Once more where a connection turns out to be closed, never where Redis hangs.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis(connection_pool=pool)


async def _body(request: Request) -> bytes | None:
    """The body, None if it is too large. It is never held as a whole to find that out."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _equal(given: str, expected: str) -> bool:
    """Whether both are the same and not empty, in a time that does not tell how much of them is."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _refusal(status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": reason}, status, headers)
