"""The keeper of a log by its URL; each is imported when it is asked for."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelwire_log.contract import Log
from modelwire_log.kafka.settings import kafka_settings
from modelwire_log.memory.log import MemoryLog
from modelwire_schemas.errors import Rejected

FORMS = "memory: or sqlite:///path or kafka://host:port[,host:port]"

_shared: dict[str, MemoryLog] = {}


def open_log(url: str, *, kafka: Mapping[str, str] | None = None, make: bool = True) -> Log:
    """Return the log at `url`; it need not be there yet.

    `memory:NAME` is one log for all who ask for it in this process, `memory:` a new one;
    `sqlite:///path` is relative to the working directory, `sqlite:////path` absolute. `kafka` are
    settings of librdkafka, secrets among them, on top of those in `MODELWIRE_KAFKA_<SETTING>`.
    Without `make` a log file that is not there counts as away, and is not made.
    Raises Rejected `E_LOG_URL`, `E_KAFKA_SETTING`, `E_REQUIREMENT`.
    """
    kind, colon, rest = url.partition(":")
    match kind if colon else "":
        case "memory":
            return _shared.setdefault(rest, MemoryLog(rest)) if rest else MemoryLog()
        case "sqlite":
            return _sqlite(url, make=make)
        case "kafka":
            return _kafka(url, kafka or {})
        case _:
            raise _no_url(_without_secrets(url), "is no log URL")


def _sqlite(url: str, *, make: bool) -> Log:
    from modelwire_log.sqlite.log import SqliteLog

    path = unquote(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or path in {"", "/"} or "\0" in path:
        raise _no_url(url, "names no file")
    return SqliteLog(Path(path), make=make)


def _kafka(url: str, settings: Mapping[str, str]) -> Log:
    if "@" in url:
        raise Rejected(
            "E_LOG_URL",
            f"{_without_secrets(url)} has a user in it",
            expected="no secrets in a URL",
            todo="give sasl.username and sasl.password by kafka={…} or MODELWIRE_KAFKA_<SETTING>",
        )
    parts = urlsplit(url)
    if not parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise _no_url(url, "names no brokers")
    try:
        from modelwire_log.kafka.log import KafkaLog
    except ImportError:
        raise Rejected(
            "E_REQUIREMENT",
            "a log on Kafka needs the package confluent-kafka",
            todo="pip install 'modelwire[kafka]'",
        ) from None
    return KafkaLog(url, kafka_settings(os.environ, settings))


def _without_secrets(url: str) -> str:
    """Leave out what stands before the last @."""
    before, at, behind = url.rpartition("@")
    return f"{before.partition('://')[0]}://…@{behind}" if at else url


def _no_url(url: str, what: str) -> Rejected:
    return Rejected("E_LOG_URL", f"{url!r} {what}", expected=FORMS)
