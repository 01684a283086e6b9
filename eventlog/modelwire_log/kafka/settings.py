"""How Kafka's clients are set up: the application's settings over ours, and no secret in print."""

from collections.abc import Mapping

from modelwire_schemas.errors import Rejected

SCHEME = "kafka://"
ENVIRONMENT = "MODELWIRE_KAFKA_"
_UNDERSCORED = frozenset({"log_level"})  # the only name of a setting that has an underscore
_SECRET_WORDS = ("password", "passphrase", "secret", "jaas", "key.pem", "oauthbearer.config")
_HIDDEN = "***"
_SHORTEST_SECRET = 4
_LARGEST_MESSAGE = 8 * 1024 * 1024

OURS: Mapping[str, str] = {
    "bootstrap.servers": "is named by the log's URL",
    "metadata.broker.list": "is named by the log's URL",
    "group.id": "is the name of the group",
    "enable.auto.commit": "stays off: positions are stored behind their outputs",
    "enable.auto.offset.store": "stays off: positions are stored behind their outputs",
    "enable.partition.eof": "belongs to the reading of a log",
    "enable.idempotence": "stays on: a repeated send must not double a record",
    "acks": "stays all: an appended record survives a broker",
    "request.required.acks": "stays all: an appended record survives a broker",
    "transactional.id": "is chosen by modelwire",
}
"""Settings that the log's promises stand on, and why an application may not set them."""

_EVERYONE: Mapping[str, str] = {
    "client.id": "modelwire",
    "socket.keepalive.enable": "true",
    "socket.timeout.ms": "10000",
    "socket.connection.setup.timeout.ms": "10000",
    "reconnect.backoff.ms": "50",
    "reconnect.backoff.max.ms": "1000",
    "retry.backoff.ms": "20",
    "message.max.bytes": str(_LARGEST_MESSAGE),
}

_WRITING: Mapping[str, str] = {
    "acks": "all",
    "enable.idempotence": "true",
    "partitioner": "murmur2_random",  # as Kafka's own clients place a key
    "topic.metadata.propagation.max.ms": "2000",
}

_READING: Mapping[str, str] = {
    "check.crcs": "true",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "allow.auto.create.topics": "false",
    "auto.offset.reset": "earliest",
    "fetch.error.backoff.ms": "50",
    "fetch.queue.backoff.ms": "2",
    "queued.max.messages.kbytes": "32768",
    "fetch.max.bytes": str(4 * _LARGEST_MESSAGE),
    "receive.message.max.bytes": str(4 * _LARGEST_MESSAGE + 512),
}

_FOLLOWING: Mapping[str, str] = {
    "enable.partition.eof": "true",
    "fetch.message.max.bytes": str(2 * 1024 * 1024),
    "queued.max.messages.kbytes": "16384",
}

_CLASSIC: Mapping[str, str] = {
    "session.timeout.ms": "6000",
    "heartbeat.interval.ms": "500",
    "partition.assignment.strategy": "cooperative-sticky",
}

_OF_MEMBERS = frozenset({*_CLASSIC, "group.protocol", "group.remote.assignor", "group.instance.id"})


def kafka_settings(env: Mapping[str, str], explicit: Mapping[str, str] | None) -> dict[str, str]:
    """Return the librdkafka settings of `MODELWIRE_KAFKA_<SETTING>` under the explicit ones.

    `MODELWIRE_KAFKA_SASL_PASSWORD` is `sasl.password`.
    """
    return {
        _setting(name.removeprefix(ENVIRONMENT)): value
        for name, value in env.items()
        if name.startswith(ENVIRONMENT)
    } | dict(explicit or {})


def refuse_ours(settings: Mapping[str, str]) -> None:
    """Raise Rejected `E_KAFKA_SETTING` for a setting that an application may not set."""
    for name in settings:
        if name in OURS:
            raise Rejected(
                "E_KAFKA_SETTING",
                f"the Kafka setting {name} {OURS[name]}",
                todo=f"leave {name} out",
            )


def servers(url: str) -> str:
    """Return `host:port[,host:port]` of a log's URL; raises Rejected `E_LOG_URL`.

    The text of the error names no user or password that the URL may hold.
    """
    rest = url.removeprefix(SCHEME)
    wanted = f"{SCHEME}host:port[,host:port]"
    if "@" in rest:
        raise Rejected(
            "E_LOG_URL",
            "the log's URL holds a user or a password",
            expected=wanted,
            todo="give kafka={'sasl.username': …} or MODELWIRE_KAFKA_SASL_USERNAME",
        )
    hosts = rest.rstrip("/").split(",")
    if not url.startswith(SCHEME) or not all(map(_is_server, hosts)):
        raise Rejected("E_LOG_URL", f"{url!r} names no Kafka", expected=wanted)
    return ",".join(hosts)


def for_writing(servers: str, settings: Mapping[str, str], linger_ms: int) -> dict[str, str]:
    """Return the settings of a producer that waits `linger_ms` for a batch to fill."""
    ours = {**_EVERYONE, **_WRITING, "linger.ms": str(linger_ms)}
    return {"bootstrap.servers": servers, **ours, **settings}


def for_following(servers: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a consumer that reads a place without a group.

    The client wants a group's name all the same; nothing is ever committed under it.
    """
    ours = {**_EVERYONE, **_READING, **_FOLLOWING, "group.id": "modelwire"}
    # Whatever says how a group shares its work has no meaning here.
    rest = {name: value for name, value in settings.items() if name not in _OF_MEMBERS}
    return {"bootstrap.servers": servers, **ours, **rest}


def for_a_member(servers: str, settings: Mapping[str, str], group: str) -> dict[str, str]:
    """Return the settings of a group's member.

    The classic protocol, since the newer one leaves the session's length to the broker (45 s).
    """
    classic = settings.get("group.protocol", "classic") == "classic"
    ours = {**_EVERYONE, **_READING, **(_CLASSIC if classic else {}), "group.id": group}
    return {"bootstrap.servers": servers, **ours, **settings}


def for_asking(servers: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of an administrator's client."""
    return {"bootstrap.servers": servers, **_EVERYONE, **settings}


def is_secret(name: str) -> bool:
    """Tell whether the value of this setting must never be shown."""
    return any(word in name for word in _SECRET_WORDS)


def scrubbed(text: str, settings: Mapping[str, str]) -> str:
    """Return `text` without any secret of the settings that may have come into it."""
    for name, value in settings.items():
        if is_secret(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, _HIDDEN)
    return text


def _setting(variable: str) -> str:
    name = variable.lower()
    return name if name in _UNDERSCORED else name.replace("_", ".")


def _is_server(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "9092"
    known = host and not any(c in host for c in "/?#") and not any(map(str.isspace, host))
    return bool(known) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
