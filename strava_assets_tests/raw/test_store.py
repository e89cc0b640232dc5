from datetime import UTC, datetime

import pytest

from strava_assets.errors import ConfigurationError, ServiceUnavailable, UnreadableObject
from strava_assets.hours import HOUR, Window
from strava_assets.raw.activity import RawActivity, split_array
from strava_assets.raw.bucket import OBJECTS_PER_BATCH
from strava_assets.raw.s3_access import S3Access
from strava_assets.raw.store import RawStore, Written
from strava_assets_tests.raw.s3_proxy import access_to

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVER = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def open_store(s3: dict[str, str], bucket: str, **other: str) -> RawStore:
    return RawStore(access_to({**s3, **other}, bucket))


@pytest.fixture
def store(s3: dict[str, str], bucket: str) -> RawStore:
    return open_store(s3, bucket)


def texts(activities: list[RawActivity]) -> list[str]:
    return [activity.text for activity in activities]


def test_what_was_written_is_read_to_the_letter(store: RawStore):
    parsed = split_array(
        '[{"id":154504250376823,"upload_id": 987654321234567891234,"distance":50.0,"name":"Zürich 🏃"}]'
    )
    assert store.write(42, {NOON: parsed, NOON + HOUR: []})[0].objects == 2
    assert {hour: texts(found) for hour, found in store.read(42, [NOON, NOON + HOUR])} == {
        NOON: texts(parsed),
        NOON + HOUR: [],
    }


def test_the_key_is_the_contract(store: RawStore, s3: dict[str, str], bucket: str):
    store.write(42, {NOON: split_array('[{"id": 1}]')})
    client = access_to(s3, bucket).client()
    stored = client.get_object(Bucket=bucket, Key="stravaact/42/20261122T120000.json")
    assert stored["Body"].read() == b'[{"id": 1}]'
    assert stored["ContentType"] == "application/json"
    assert store.url(42, NOON) == f"s3://{bucket}/stravaact/42/20261122T120000.json"


def test_listing_gives_only_the_windows_hours_of_the_athlete(store: RawStore, s3: dict[str, str], bucket: str):
    hours = [NOON + n * HOUR for n in range(-2, 3)]
    store.write(42, {hour: [] for hour in hours})
    store.write(4, {NOON: []})
    client = access_to(s3, bucket).client()
    client.put_object(Bucket=bucket, Key="stravaact/20261122T120000.json", Body=b"[]")  # the Airflow DAG's
    assert list(store.objects(42, Window(NOON - HOUR, NOON + HOUR))) == [NOON - HOUR, NOON]
    assert list(store.objects(42, EVER)) == hours
    assert store.athletes() == [4, 42]


def test_an_unchanged_object_is_not_written_again(store: RawStore):
    hours = {NOON: split_array('[{"id": 1}]'), NOON + HOUR: split_array('[{"id": 2}]')}
    store.write(42, hours)
    hours[NOON] = split_array('[{"id": 3}]')
    written, etags = store.write(42, hours, store.objects(42, EVER))
    assert written == Written(objects=1, unchanged=1, bytes=11)
    assert etags == {hour: found.etag for hour, found in store.objects(42, EVER).items()}


def test_more_objects_than_fit_a_batch_keep_their_order(store: RawStore):
    hours = {NOON + n * HOUR: split_array(f'[{{"id": {n}}}]') for n in range(OBJECTS_PER_BATCH + 10)}
    store.write(42, hours)
    assert [(hour, found[0].id) for hour, found in store.read(42, list(hours))] == [
        (hour, n) for n, hour in enumerate(hours)
    ]
    assert len(store.objects(42, EVER)) == len(hours)


def test_an_object_that_vanished_is_left_out(store: RawStore):
    store.write(42, {NOON: []})
    assert [hour for hour, _ in store.read(42, [NOON, NOON + HOUR])] == [NOON]


def test_an_object_that_is_no_array_is_named(store: RawStore, s3: dict[str, str], bucket: str):
    client = access_to(s3, bucket).client()
    client.put_object(Bucket=bucket, Key="stravaact/42/20261122T120000.json", Body=b"{}")
    with pytest.raises(UnreadableObject) as caught:
        list(store.read(42, [NOON]))
    assert str(caught.value) == (
        f"s3://{bucket}/stravaact/42/20261122T120000.json is not a JSON array of activities: a JSON array was "
        "expected, not '{}'. Materialise raw_activities for that hour again."
    )


def test_a_missing_bucket_wrong_keys_and_a_dead_server_each_say_what_to_do(s3: dict[str, str], bucket: str):
    with pytest.raises(ConfigurationError, match=r"The bucket 'nowhere' does not exist at http.* strava-assets init"):
        open_store(s3, "nowhere").objects(42, EVER)
    with pytest.raises(ConfigurationError, match="denies access to the bucket"):
        open_store(s3, bucket, AWS_SECRET_ACCESS_KEY="wrong").write(42, {NOON: []})
    with pytest.raises(ServiceUnavailable, match=r"S3 at http://127.0.0.1:1 does not answer"):
        open_store(s3, bucket, AWS_ENDPOINT_URL_S3="http://127.0.0.1:1").athletes()


def test_no_credentials_are_a_clear_error(monkeypatch: pytest.MonkeyPatch, bucket: str):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="No S3 credentials were found"):
        RawStore(S3Access(bucket))
