"""URLs of operators' servers: what is taken, and what is shown of them."""

import pytest

from modelwire_router.outside.address import address
from modelwire_schemas.errors import Rejected


@pytest.mark.parametrize(
    ("url", "place", "target"),
    [
        ("http://prometheus:9090", "http://prometheus:9090", "/"),
        ("https://hooks.example/a/b?c=d&e=%2F", "https://hooks.example:443", "/a/b?c=d&e=%2F"),
        ("HTTP://[::1]:8080/", "http://[::1]:8080", "/"),
        ("http://host/ä?q=ö", "http://host:80", "/%C3%A4?q=%C3%B6"),
        ("http://host/a#part", "http://host:80", "/a"),
        ("https://user:pw@host/", "https://host:443", "/"),
    ],
)
def test_an_address_is_taken_apart(url: str, place: str, target: str) -> None:
    found = address(url)
    assert (found.place, found.target) == (place, target)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://p", "/api?query=a%2Bb"),
        ("http://p/", "/api?query=a%2Bb"),
        ("http://p/under/", "/under/api?query=a%2Bb"),
        ("http://p?tenant=1", "/api?tenant=1&query=a%2Bb"),
    ],
)
def test_a_path_and_a_query_are_added(url: str, target: str) -> None:
    assert address(url, "/api", "query=a%2Bb").target == target


def test_a_login_goes_into_a_header() -> None:
    assert address("http://ann:p%40ss@host").login == "Basic YW5uOnBAc3M="
    assert address("http://host").login == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:9090",
        "/path",
        "ftp://host/",
        "file:///etc/passwd",
        "unix:///run/socket",
        "http://",
        "http://:80/",
        "http://host:0/",
        "http://host:99999/",
        "http://host:port/",
        "http://[::1/",
        "http://ho st/",
        "http://host/a b",
        "http://host/\r\nX-Other: 1",
        "http://host/\x00",
        f"http://{'a' * 64}.example/",
        "http://a..b/",
    ],
)
def test_another_text_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        address(url)
    assert caught.value.code == "E_URL"
    assert not url or url not in caught.value.what


def test_an_address_shows_neither_login_nor_path_nor_query() -> None:
    found = address("https://ann:canary@host/canary?token=canary")
    assert "canary" not in f"{found!r} {found} {found.place}"
