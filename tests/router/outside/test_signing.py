"""The signature under what is posted: two implementations agree, and the page's verifies it."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwire_router.outside.signing import read_secret, signature
from modelwire_schemas.errors import Rejected
from tests.router.outside.verifying import hmac_sha256, verified

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
VARIABLE = "MODELWIRE_WEBHOOK_SECRET"
FILE = "MODELWIRE_WEBHOOK_SECRET_FILE"


def test_the_second_implementation_is_right() -> None:
    """By test case 2 of RFC 4231."""
    wanted = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?") == wanted


@pytest.mark.parametrize("secret", [b"s", b"k" * 64, b"long" * 40])
@pytest.mark.parametrize("body", [b"", b"{}", bytes(range(256))])
def test_two_implementations_agree(secret: bytes, body: bytes) -> None:
    assert verified(secret, signature(secret, body, 1_700_000_000_999), body) == 1_700_000_000_000


def the_pages() -> Callable[[bytes, str, bytes], bool]:
    block = re.search(r"```python\n(.*?def verified.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block
    names: dict[str, Callable[[bytes, str, bytes], bool]] = {}
    exec(block[1], names)  # noqa: S102 - our own page
    return names["verified"]


def test_what_the_page_shows_verifies_what_we_sign() -> None:
    verified_by_page, now = the_pages(), int(time.time() * 1000)
    header = signature(b"secret", b"{}", now)
    assert verified_by_page(b"secret", header, b"{}")
    assert not verified_by_page(b"other", header, b"{}")
    assert not verified_by_page(b"secret", header, b"{} ")
    assert not verified_by_page(b"secret", signature(b"secret", b"{}", now - 3_600_000), b"{}")


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file\n", encoding="utf-8")
    assert read_secret({}) == b""
    assert read_secret({VARIABLE: "from there"}) == b"from there"
    assert read_secret({FILE: str(file)}) == b"from a file"


def test_a_secret_that_is_set_wrongly_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n", encoding="utf-8")
    for environment in (
        {VARIABLE: "canary", FILE: str(empty)},
        {FILE: str(empty)},
        {FILE: str(tmp_path / "none")},
        {FILE: str(tmp_path)},
    ):
        with pytest.raises(Rejected) as caught:
            read_secret(environment)
        assert caught.value.code == "E_CONFIG"
        assert "canary" not in str(caught.value)
