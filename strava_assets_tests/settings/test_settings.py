"""Every setting is checked when it is read: one line says what is wrong, names the variable and repeats no secret."""

import pytest

from strava_assets.errors import ConfigurationError
from strava_assets.settings import Settings
from strava_assets.settings.values import connection_info

WEB_URLS = ("STRAVA_BASE_URL", "STRAVA_API_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
NO_WEB_URLS = (
    "minio:9000", "localhost", "http://", "https:///path", "http://:9000", "ftp://host", "//host", "http:host",
    "http://host:99999", "http://host:-1", "http://host:0", "http://host:port", "http://ho st", "http://host/a b",
    "http://[::1", "http://ü.example", "http://host?query", "http://host#part", "http://user:s3cret@host", "file:///etc",
    "http://host\\path", "http://<host>", "javascript:alert(1)",
)  # fmt: skip

DATABASES = ("DATABASE_URL", "DAGSTER_POSTGRES_URL")
NO_DATABASES = (
    "strava", "postgresql://", "postgresql://host", "postgresql://host/", "mysql://host/db", "sqlite:///file",
    "postgresql://u:s3cret@host:port/db", "postgresql://u:s3cret@host/db?no_such_option=1", "http://host/db",
    "postgresql://u:s3cret@host:99999999999999999999/db?nothing", "postgresql://u:s3cret@h/db?port=x&port=y&sslmod=1",
)  # fmt: skip

BAD = [
    *((name, value) for name in WEB_URLS for value in NO_WEB_URLS),
    *((name, value) for name in DATABASES for value in NO_DATABASES),
    *(
        ("STRAVA_START_DATE", value)
        for value in ("yesterday", "2024-13-01", "2024-02-30", "0001-01-01", "1969-12-31", "9999-12-31", "2024-1-1")
    ),
    *(
        (name, value)
        for name in ("STRAVA_LOOKBACK_DAYS", "STRAVA_CHANGES_INTERVAL", "STRAVA_RETENTION_DAYS")
        for value in ("many", "0", "-1", "nan", "inf", "1e99", "1,5")
    ),
    *(
        (name, value)
        for name in ("STRAVA_BUDGET_RESERVE", "STRAVA_MAX_DELETE_SHARE")
        for value in ("all", "-0.1", "2", "nan")
    ),
    *(("STRAVA_PURGE_ON_REVOKE", value) for value in ("yes", "AUTO", "never")),
    *(
        ("REDIS_URL", value)
        for value in (
            "localhost:6379", "http://localhost", "redis://:s3cret@h:port", "redis://h?no_such_option=1",
            "redis://h?socket_timeout=soon", "redis", "redis://:s3cret@h:99999",
        )
    ),
    *(("S3_BUCKET", value) for value in ("a", "a b", "a/b", "s3://bucket", "x" * 64, "-ab", "büro", "a?b")),
    *(("S3_PREFIX", value) for value in ("a//b", "../a", "a/./b", "a?b", "a#b", "50%", "a\\b", "a*", "{a}", 'a"b')),
    *(("STRAVA_WEB_HOSTS", value) for value in ("http://host", "a b", "host:port", "host/path", "-")),
    *((name, "x\ny") for name in ("STRAVA_CLIENT_ID", "STRAVA_CLIENT_SECRET", "STRAVA_WEBHOOK_VERIFY_TOKEN")),
    *(("AWS_DEFAULT_REGION", value) for value in ("eu west 1", "http://host", "eu_west", "-")),
    ("AWS_ACCESS_KEY_ID", "only-one"),
    ("AWS_SECRET_ACCESS_KEY", "s3cret"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_reported_in_one_line_that_names_its_variable_and_no_secret(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_environment({name: value})
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRAVA_BASE_URL", "http://127.0.0.1:8000/"),
        ("STRAVA_BASE_URL", "https://[::1]:8443/strava"),
        ("AWS_ENDPOINT_URL_S3", "https://s3.eu-central-1.amazonaws.com"),
        ("AWS_ENDPOINT_URL_S3", "http://minio.svc.cluster.local:9000"),
        ("S3_BUCKET", "My_Bucket.2024"),
        ("S3_PREFIX", ""),
        ("S3_PREFIX", "/strava/"),
        ("S3_PREFIX", "my strava/ünter (1)"),
        ("STRAVA_START_DATE", "1970-01-01"),
        ("STRAVA_START_DATE", "20240101"),
        ("REDIS_URL", "unix:///run/my%20redis.sock?db=2"),
        ("REDIS_URL", "rediss://user:pass%2Fword@redis.example:6380/1?ssl_cert_reqs=none"),
        ("DATABASE_URL", "postgres://u:p%40ss@h1:5433/strava"),
        ("DATABASE_URL", "postgresql+psycopg://u@h/strava?sslmode=require"),
        ("DATABASE_URL", "postgresql://u@/strava?host=/run/my%20sockets&options=-c%20search_path%3Dsport"),
        ("DATABASE_URL", "postgresql://u@/strava?host=h1:5432&host=h2:5433&target_session_attrs=read-write"),
        ("STRAVA_WEB_HOSTS", "dagster.example.org, other.example.org:8443"),
    ],
)
def test_a_good_value_is_taken(name: str, value: str) -> None:
    Settings.from_environment({name: value})


def test_white_space_and_slashes_around_values_do_not_count() -> None:
    given = {
        "STRAVA_CLIENT_ID": " 7\n",
        "STRAVA_CLIENT_SECRET": "secret\r\n",
        "STRAVA_BASE_URL": " http://localhost:1/ \n",
        "S3_PREFIX": "/strava/raw/\n",
        "S3_BUCKET": "bucket\n",
        "AWS_ENDPOINT_URL_S3": "http://localhost:9000/\n",
        "AWS_ACCESS_KEY_ID": "key\n",
        "AWS_SECRET_ACCESS_KEY": "\tsecret\n",
        "AWS_DEFAULT_REGION": "eu-west-1\n",
        "REDIS_URL": "redis://localhost:1/0\n",
        "DATABASE_URL": "postgresql://u@h/strava\n",
    }
    trimmed = {name: value.strip().strip("/") for name, value in given.items()}
    assert Settings.from_environment(given) == Settings.from_environment(trimmed)
    assert Settings.from_environment(dict.fromkeys(given, " \n")) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, None),
        ({"AWS_ENDPOINT_URL": "http://a"}, "http://a"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, "http://b"),
    ],
)
def test_the_endpoint_is_the_sdks(environment: dict[str, str], endpoint: str | None) -> None:
    assert Settings.from_environment(environment).s3_endpoint_url == endpoint


@pytest.mark.parametrize(("key_id", "token"), [("ASIA123", "token"), ("AKIA123", ""), ("minio", "")])
def test_a_session_token_belongs_to_a_temporary_key(key_id: str, token: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    assert Settings.from_environment(keys).s3_session_token == token


def test_no_secret_is_in_a_repr() -> None:
    secret = "s3cret"
    settings = Settings.from_environment(
        {
            "STRAVA_CLIENT_SECRET": secret,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": secret,
            "REDIS_URL": f"redis://:{secret}@h",
            "DATABASE_URL": f"postgresql://u:{secret}@h/d",
        }
    )
    assert secret not in f"{settings} {settings!r}"


def test_a_database_url_says_to_libpq_what_it_says_to_sqlalchemy() -> None:
    url = "postgresql://u:p%40ss@/strava?host=/my%20run&options=-c%20search_path%3Dsport&password=other"
    assert connection_info(Settings.from_environment({"DATABASE_URL": url}).database_url) == {
        "user": "u",
        "password": "other",
        "dbname": "strava",
        "host": "/my run",
        "options": "-c search_path=sport",
    }


@pytest.mark.parametrize("name", ["STRAVA_START_DATE", "STRAVA_LOOKBACK_DAYS", "STRAVA_PURGE_ON_REVOKE", "S3_BUCKET"])
def test_a_url_that_was_put_into_another_setting_is_shown_without_its_login(name: str):
    with pytest.raises(ConfigurationError, match=rf"^{name} is '(postgres|redis)://...@host") as error:
        Settings.from_environment({name: "redis://me:hush@host/" + 200 * "x"})
    assert "hush" not in str(error.value)
    assert len(str(error.value)) < 250


def test_only_the_real_strava_has_a_page_to_end_access_on():
    assert Settings.from_environment({}).grants_page == "https://www.strava.com/settings/apps"
    assert Settings.from_environment({"STRAVA_BASE_URL": "http://127.0.0.1:8888"}).grants_page == ""
