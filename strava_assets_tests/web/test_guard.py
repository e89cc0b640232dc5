"""Which requests reach Dagster's web server: a table of decisions, without a server."""

from typing import Any

import pytest

from strava_assets.web.guard import Authority, refusal

PROXY = frozenset({Authority.of("dagster.example.org"), Authority.of("internal.example.org:8443")})
MUTATION = "query=mutation+%7B+x+%7D"
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def scope(method: str = "GET", path: str = "/", query: str = "", **headers: str) -> dict[str, Any]:
    """An ASGI scope; a header's name is written with `_`, its default Host is loopback."""
    named = {"Host": "127.0.0.1:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "websocket" if method == "WEBSOCKET" else "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
    }


def passes(request: dict[str, Any], **options: Any) -> bool:
    return refusal(request, hosts=PROXY, **options) is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:3000", "LOCALHOST:4000", "127.0.0.1", "[::1]:3000", "dagster.example.org",
     "dagster.example.org:443", "dagster.example.org.", "internal.example.org:8443"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "WEBSOCKET"])
def test_names_of_this_machine_and_of_the_proxy_are_answered(host: str, method: str):
    assert passes(scope(method, "/graphql", Host=host))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost",
     "192.168.1.5:3000", "0.0.0.0:3000", "[::2]", "", "localhost@evil.example", "evil.example#localhost",
     "localhost:3000:evil", "evil.example, localhost", "dagster.example.org.evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "WEBSOCKET"])
def test_a_name_that_can_be_pointed_here_is_refused_for_every_method(host: str, method: str):
    assert not passes(scope(method, "/server_info", Host=host))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "WEBSOCKET"])
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:8000", "http://127.0.0.1",
     "", "https://127.0.0.1:3000@evil.example", "file://", "//127.0.0.1:3000", "http://[::1"],
)  # fmt: skip
def test_another_page_is_refused_also_one_on_another_port_of_this_machine(method: str, origin: str):
    for path in ("/", "/graphql", "/report_asset_materialization/strava_activity"):
        assert not passes(scope(method, path, Origin=origin))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("localhost:9999", "http://localhost:9999"),  # through an ssh tunnel
        ("[::1]:3000", "http://[::1]:3000"),
        ("dagster.example.org", "https://dagster.example.org"),
        ("127.0.0.1:3000", "https://dagster.example.org"),  # a proxy that puts its own Host
        ("127.0.0.1:3000", "https://internal.example.org:8443"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "WEBSOCKET"])
def test_dagsters_own_pages_are_answered(host: str, origin: str, method: str):
    assert passes(scope(method, "/graphql", Host=host, Origin=origin, Sec_Fetch_Site="same-origin"))


def test_a_link_from_elsewhere_opens_a_page():
    for path in ("/", "/runs/0e1b", "/assets/strava_activity", "/locations/strava_assets/jobs/x"):
        assert passes(scope("GET", path, **LINK))


@pytest.mark.parametrize(
    "path",
    ["/graphql", "/report_asset_materialization/a", "/report_asset_check/a", "/logs/x/y.out", "/server_info",
     "/download_debug/0e1b", "/notebook", "/dagit/notebook"],
)  # fmt: skip
def test_a_link_from_elsewhere_to_anything_but_a_page_is_refused(path: str):
    assert not passes(scope("GET", path, **LINK))
    assert not passes(scope("GET", f"/prefix{path}", **LINK), path_prefix="/prefix")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        LINK | {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "a value of tomorrow"},
    ],
)
def test_what_another_page_loads_without_saying_its_origin_is_refused(headers: dict[str, str]):
    assert not passes(scope("GET", "/", **headers))


def test_a_form_on_another_page_is_refused_also_as_a_navigation():
    assert not passes(scope("POST", "/report_asset_materialization/a", **LINK))


@pytest.mark.parametrize("name", ["Host", "Origin", "Sec-Fetch-Site"])
def test_a_header_given_twice_is_refused(name: str):
    request = scope(Origin="http://127.0.0.1:3000", Sec_Fetch_Site="same-origin")
    assert passes(request)
    request["headers"].append((name.lower().encode(), b"127.0.0.1:3000"))
    assert not passes(request)


@pytest.mark.parametrize(
    "query",
    [MUTATION, "query=query+a+%7Bx%7D+mutation+b+%7Bx%7D&operationName=a", f"query=%7Bx%7D&{MUTATION}",
     "query=%23c%0Amutation%7Bx%7D", "query=subscription+%7Bx%7D"],
)  # fmt: skip
def test_what_changes_something_is_taken_by_post_only(query: str):
    for method in ("GET", "HEAD"):
        refused = refusal(scope(method, "/graphql", query), hosts=PROXY)
        assert refused
        assert refused.status == 405
    assert passes(scope("POST", "/graphql", query))


@pytest.mark.parametrize("query", ["", "query=%7Bversion%7D", "query=not+graphql", "query=", "other=mutation%7Bx%7D"])
def test_reading_by_get_is_answered(query: str):
    assert passes(scope("GET", "/graphql", query))


@pytest.mark.parametrize("text", ["", "a b", "https://example.org", "a/b", "[::1", "a:b", "a:123456"])
def test_what_is_no_host_name_is_not_read_as_one(text: str):
    with pytest.raises(ValueError, match="not a host name"):
        Authority.of(text)
