"""Both S3 clients, in the surroundings that people have: profiles, tokens, certificates, servers of other kinds."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from strava_assets.errors import ConfigurationError, ServiceUnavailable
from strava_assets.hours import HOUR, Window
from strava_assets.raw.activity import split_array
from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.store import RawStore
from strava_assets.services import open_deletion, open_store
from strava_assets.settings import Settings
from strava_assets_tests.raw import s3_proxy
from strava_assets_tests.raw.s3_proxy import Judge, S3Proxy, access_to

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVER = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

KINDS: list[Judge] = [
    # The first two keep no versions.
    s3_proxy.without_versions,
    s3_proxy.deaf_to_versions,
    s3_proxy.wants_md5,
    s3_proxy.without_bulk_deletion,
    s3_proxy.without_newer_checksums,
]


@pytest.fixture
def no_foreign_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "is_versioned"), [*((kind, False) for kind in KINDS), *((kind, True) for kind in KINDS[2:])]
)
def test_a_purge_and_the_retention_leave_no_object_whatever_the_server_knows(
    s3: dict[str, str], bucket: str, kind: Judge, is_versioned: bool
) -> None:
    if is_versioned:
        access_to(s3, bucket).client().put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    with S3Proxy(s3, kind) as proxy:
        store, deletion = RawStore(access_to(proxy.settings, bucket)), RawDeletion(access_to(proxy.settings, bucket))
        for text in ("[]", '[{"id": 1}]'):
            for athlete_id in (42, 43):
                store.write(athlete_id, {NOON + n * HOUR: split_array(text) for n in range(3)})
        assert deletion.count(42) == (6 if is_versioned else 3)
        assert deletion.delete_athlete(42) == (6 if is_versioned else 3)
        assert (deletion.count(42), store.objects(42, EVER)) == (0, {})
        assert deletion.delete_before(NOON + HOUR) == (2 if is_versioned else 1)
        assert list(store.objects(43, EVER)) == [NOON + HOUR, NOON + 2 * HOUR]
        deletion.delete_athlete(43)
    assert RawDeletion(access_to(s3, bucket)).count(43) == 0


def test_a_server_that_denies_deletion_is_not_taken_for_one_that_knows_less(s3: dict[str, str], bucket: str) -> None:
    def denies(request: s3_proxy.Request) -> s3_proxy.Refusal | None:
        return s3_proxy.Refusal(403, "AccessDenied") if "versions" in request.query else None

    with S3Proxy(s3, denies) as proxy, pytest.raises(ConfigurationError, match="denies deletion"):
        RawDeletion(access_to(proxy.settings, bucket)).delete_athlete(42)


def settings_for(s3: dict[str, str], bucket: str, **more: str) -> Settings:
    return Settings.from_environment({**s3, "S3_BUCKET": bucket, **more})


def use_both_clients(settings: Settings) -> None:
    open_store(settings).write(42, {NOON: []})
    assert open_deletion(settings).delete_athlete(42) == 1


@pytest.fixture
def private(s3: dict[str, str], tmp_path: Path) -> Iterator[S3Proxy]:
    """S3 over TLS, with a certificate that no system trusts."""
    with S3Proxy(s3, folder=tmp_path / "tls") as proxy:
        yield proxy


@pytest.mark.usefixtures("no_foreign_settings")
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_private_authority_is_trusted_by_each_variable_and_both_clients(
    private: S3Proxy, bucket: str, variable: str
) -> None:
    use_both_clients(settings_for(private.settings, bucket, **{variable: str(private.certificate)}))


@pytest.mark.usefixtures("no_foreign_settings")
def test_a_private_authority_is_trusted_by_the_sdks_config_file(private: S3Proxy, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {private.certificate}\n")
    use_both_clients(settings_for(private.settings, bucket))


@pytest.mark.usefixtures("no_foreign_settings")
@pytest.mark.parametrize("use", [lambda s: open_store(s).athletes(), lambda s: open_deletion(s).count(42)])
def test_a_certificate_that_is_not_trusted_is_named_with_the_remedy(
    private: S3Proxy, bucket: str, use: Callable[[Settings], object], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"The certificate of S3 at https://.* is not trusted .*AWS_CA_BUNDLE"):
        use(settings_for(private.settings, bucket))
    with pytest.raises(ConfigurationError, match=r"^/nowhere is not a file with certificates"):
        use(settings_for(private.settings, bucket, AWS_CA_BUNDLE="/nowhere"))
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"no\.pem"):
        use(settings_for(private.settings, bucket, AWS_CA_BUNDLE=str(tmp_path / "no.pem")))


@pytest.mark.usefixtures("no_foreign_settings")
def test_plain_http_needs_no_certificates_at_all(
    s3: dict[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    use_both_clients(settings_for(s3, bucket, SSL_CERT_FILE="/nowhere"))


@pytest.mark.usefixtures("no_foreign_settings")
def test_keys_that_are_given_count_whatever_profile_and_token_were_left_behind(
    s3: dict[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_PROFILE": "nobody-knows-it", "AWS_SESSION_TOKEN": "of another login"}.items():
        monkeypatch.setenv(name, value)
    use_both_clients(settings_for(s3, bucket, AWS_PROFILE="nobody-knows-it", AWS_SESSION_TOKEN="of another login"))


@pytest.mark.usefixtures("no_foreign_settings")
@pytest.mark.parametrize("use", [open_store, open_deletion])
def test_without_keys_an_unknown_profile_is_reported_in_one_line(
    bucket: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[Settings], object]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-knows-it")
    with pytest.raises(ConfigurationError, match=r"profile \(nobody-knows-it\) could not be found\. Unset AWS_PROFILE"):
        use(Settings.from_environment({"S3_BUCKET": bucket}))


@pytest.mark.usefixtures("no_foreign_settings")
def test_a_profiles_keys_serve_both_clients(
    s3: dict[str, str], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(
        f"[mine]\naws_access_key_id = {s3['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {s3['AWS_SECRET_ACCESS_KEY']}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    use_both_clients(Settings.from_environment({"S3_BUCKET": bucket, "AWS_ENDPOINT_URL_S3": s3["AWS_ENDPOINT_URL_S3"]}))


@pytest.mark.usefixtures("no_foreign_settings")
def test_values_with_white_space_around_them_are_read_as_meant(s3: dict[str, str], bucket: str) -> None:
    use_both_clients(
        settings_for({name: f" {value}\n" for name, value in s3.items()}, f"{bucket}\n", S3_PREFIX="/a/b/")
    )


def test_a_dead_server_is_reported_with_the_reason(s3: dict[str, str], bucket: str) -> None:
    with pytest.raises(ServiceUnavailable, match=r"does not answer as it should \(Connection refused\)"):
        RawStore(access_to({**s3, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, bucket)).athletes()
