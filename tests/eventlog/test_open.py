"""A log is chosen by its URL, and a URL is no place for secrets."""

from pathlib import Path

import pytest

from modelwire_log.contract import START, Message, Place
from modelwire_log.memory.log import MemoryLog
from modelwire_log.open import open_log
from modelwire_schemas.errors import Rejected


def test_a_named_log_in_memory_is_shared_and_one_without_a_name_is_not() -> None:
    assert open_log("memory:shared") is open_log("memory:shared")
    assert open_log("memory:other") is not open_log("memory:shared")
    assert open_log("memory:") is not open_log("memory:")


def test_a_path_is_relative_or_absolute_as_in_other_urls_of_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_log("sqlite:///a%20log.db") as log:
        log.append("events", Message(b"x"))
    assert (tmp_path / "a log.db").exists()
    with open_log(f"sqlite:///{tmp_path}/a%20log.db") as log:
        assert log.end(Place("events")) == 0
        assert log.read(Place("events"), START)[0].value == b"x"


OTHERS = """
flights.db redis://host sqlite: sqlite://flights.db sqlite:/// sqlite:///a%00b memory
kafka: kafka:// kafka://host:1/topic kafka://host:1?a=b
"""


@pytest.mark.parametrize("url", ["", *OTHERS.split()])
def test_any_other_url_is_refused_with_those_that_there_are(url: str) -> None:
    with pytest.raises(Rejected) as error:
        open_log(url)
    assert error.value.code == "E_LOG_URL"
    for form in ("memory:", "sqlite:///path", "kafka://host:port"):
        assert form in str(error.value)


@pytest.mark.parametrize(
    "url", ["kafka://user:secret@host:9092", "kafka://secret@host", "redis://user:secret@host"]
)
def test_secrets_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Rejected) as error:
        open_log(url)
    assert error.value.code == "E_LOG_URL"
    assert "secret@" not in str(error.value)
    assert ":secret" not in str(error.value)


def test_a_log_in_memory_is_its_own_kind() -> None:
    assert isinstance(open_log("memory:kind"), MemoryLog)
