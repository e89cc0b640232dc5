"""The one way to reach Redis, and to say so when it does not answer.

A password in REDIS_URL never appears in a message: only host and port, or the socket's path, do.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from strava_assets.errors import ConfigurationError, ServiceUnavailable

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 10.0


def connect(redis_url: str) -> Redis:
    """A connection to Redis, made when first used. Raises ConfigurationError if REDIS_URL is not a Redis URL."""
    try:
        return Redis.from_url(
            redis_url,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=ANSWER_TIMEOUT,
            health_check_interval=30,
        )
    except ValueError:
        raise ConfigurationError("REDIS_URL is not a Redis URL. Write it like redis://localhost:6379/0.") from None


def address(redis: Redis) -> str:
    """Where a connection leads: `localhost:6379` or a socket's path, without any password."""
    parameters = redis.connection_pool.connection_kwargs
    if "path" in parameters:
        return str(parameters["path"])
    return f"{parameters.get('host', 'localhost')}:{parameters.get('port', 6379)}"


@contextmanager
def answering(redis: Redis) -> Iterator[None]:
    """Turn Redis's errors into ours: ConfigurationError for a refused password, else ServiceUnavailable."""
    try:
        yield
    except (AuthenticationError, AuthorizationError) as error:
        raise ConfigurationError(f"Redis at {address(redis)} refuses the login; check REDIS_URL.") from error
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise ServiceUnavailable(
            f"Redis at {address(redis)} does not answer; check that it runs, and REDIS_URL."
        ) from error
    except ResponseError as error:
        if str(error).startswith(("NOAUTH", "NOPERM", "WRONGPASS")):
            raise ConfigurationError(f"Redis at {address(redis)} refuses the login; check REDIS_URL.") from error
        raise ServiceUnavailable(f"Redis at {address(redis)} refuses a command: {error}") from error
    except RedisError as error:
        raise ServiceUnavailable(f"Redis at {address(redis)} failed: {type(error).__name__}") from error
