"""Names that lead here, and pages of other sites: DNS rebinding and forged requests are refused."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from tests.serve.conftest import make_photos

from wordsight.base.errors import UsageError
from wordsight.serve.app import make_app
from wordsight.serve.safety.origins import Sites
from wordsight.serve.safety.settings import SafetySettings
from wordsight.serve.settings import ServeSettings, named_libraries

ASK, OWN = "/api/libraries/photos/search", "http://127.0.0.1:7070"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of one server for all: nothing here changes it."""
    photos = make_photos(tmp_path_factory.mktemp("sites") / "photos")
    with TestClient(make_app(ServeSettings(libraries=named_libraries([photos]), engine="fake")), base_url=OWN) as one:
        yield one


def asked(client, headers, **options):
    return client.post(ASK, json={"query": "red"}, headers=headers, **options).status_code


def served(settings, **safety):
    return TestClient(make_app(replace(settings, safety=SafetySettings(**safety))), base_url=OWN)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7070", "localhost", "LOCALHOST:1", "localhost.:80", "[::1]:7070", "127.0.0.1"]
)
def test_own_names_are_answered(client, host):
    assert asked(client, {"host": host}) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "evil.example:7070", "xn--a"],
)
def test_other_names_are_not(client, host):
    refused = client.post(ASK, json={"query": "red"}, headers={"host": host})
    assert refused.status_code == 421
    assert "--allow-host" in refused.json()["error"]["cure"]
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "user@localhost", "localhost:port", "[::1", "ö", "localhost:7070:1"]
)
def test_what_is_no_name_is_refused(client, host):
    assert asked(client, {"host": host.encode()}) == 400


def test_names_can_be_allowed(settings):
    with served(settings, allow_hosts=("Photos.example.org",)) as client:
        assert asked(client, {"host": "photos.example.org"}) == 200
        assert asked(client, {"host": "sub.photos.example.org"}) == 421
    with served(settings, allow_hosts=("*",)) as client:
        assert asked(client, {"host": "anything.example"}) == 200


def test_everywhere_means_addresses_and_the_own_name_but_no_others(settings, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "nas.home.lan")
    sites = Sites(replace(settings, host="0.0.0.0"))
    for host in ("192.168.1.5:7070", "[fe80::1]:7070", "nas", "nas.local:7070", "nas.home.lan", "localhost"):
        assert sites.check_host({b"host": host.encode()}) == host
    with pytest.raises(Exception, match="is not called"):
        sites.check_host({b"host": b"evil.example"})
    with pytest.raises(Exception, match="is not called"):
        Sites(replace(settings, host="192.168.1.5")).check_host({b"host": b"192.168.1.6"})


def test_own_pages_may_ask(client):
    for headers in (
        {"origin": OWN},
        {"origin": OWN, "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ):
        assert asked(client, headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://127.0.0.1"},
        {"origin": "file://127.0.0.1:7070"},
        {"origin": OWN + ".evil.example"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "unheard-of"},
    ],
)
def test_pages_of_other_sites_may_not(client, headers):
    refused = client.post(ASK, json={"query": "red"}, headers=headers)
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]


def test_a_link_may_lead_to_a_page_and_to_nothing_else(client):
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status_code == 403
    assert client.get("/page/base.css", headers=link).status_code == 403


def test_a_form_of_a_browser_is_no_json(client):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post(ASK, content=b'{"query": "red"}', headers=form).status_code == 200, "as curl -d sends it"
    assert client.post(ASK, content=b'{"query": "red"}', headers={**form, "origin": OWN}).status_code == 415
    assert client.post(ASK, content=b"{}", headers={"content-type": "text/plain", "origin": OWN}).status_code == 415


def test_nobody_is_let_in_from_elsewhere_unless_allowed(client, settings):
    before = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert client.options(ASK, headers=before).status_code in (403, 405)
    with served(settings, allow_origins=("https://app.example",)) as allowing:
        answer = allowing.options(ASK, headers=before)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-credentials" not in answer.headers
        headers = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
        answer = allowing.post(ASK, json={"query": "red"}, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert asked(allowing, {"origin": "https://evil.example"}) == 403
        assert "access-control-allow-origin" not in allowing.post(ASK, json={}, headers={"origin": OWN}).headers


@pytest.mark.parametrize("origin", ["app.example", "ftp://a", "https://a/b", "*", "https://"])
def test_an_origin_is_written_as_browsers_write_it(settings, origin):
    with pytest.raises(UsageError, match="as browsers do"):
        Sites(replace(settings, safety=SafetySettings(allow_origins=(origin,))))


def test_forwarded_headers_are_believed_of_a_proxy_only(photos, settings, listening, tmp_path):
    import httpx

    from wordsight.serve.safety.keys import NewKey, add_key

    key = add_key(tmp_path / "keys.json", NewKey("phone"))
    for proxies, secure in (((), False), (("127.0.0.1",), True)):
        safety = SafetySettings(proxies=proxies)
        with listening(replace(settings, keys=tmp_path / "keys.json", safety=safety)) as address:
            headers = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
            answer = httpx.post(f"{address}/api/session", json={"key": key}, headers=headers, trust_env=False)
            assert ("Secure" in answer.headers["set-cookie"]) == secure
