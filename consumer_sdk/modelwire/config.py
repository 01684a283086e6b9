"""What an application may set: a frozen value, made once from arguments and environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelwire.loading.policy import MemoryPolicy
from modelwire_schemas.errors import Rejected
from modelwire_schemas.names import name

LOG = "MODELWIRE_LOG"
"""Where the log is: memory:, sqlite:///path or kafka://host:port[,host:port]."""

NAMESPACE = "MODELWIRE_NAMESPACE"
"""The environment or team whose control log is followed; `default` if unset."""

APPLICATION = "MODELWIRE_APPLICATION"
"""What this application is called in the fleet; `application` if unset."""

CACHE = "MODELWIRE_CACHE"
"""Where artifacts are kept on this host; the user's cache folder if unset."""

MEMORY = "MODELWIRE_MEMORY"
"""Bytes that all loaded versions may take; half of what the container has if unset."""

DISK = "MODELWIRE_DISK"
"""Bytes of the cache that versions in no use may take; 20 GB if unset."""

DISK_BYTES = 20_000_000_000

MEMORY_POLICY = "MODELWIRE_MEMORY_POLICY"
"""`availability` (load, then drop) or `resource` (drop, then load)."""

TELEMETRY = "MODELWIRE_TELEMETRY"
"""`off`: nothing is measured and told; anything else, or unset: it is."""

THREADS = "MODELWIRE_THREADS"
"""Threads of one run of a model; 1 if unset, since answers depend on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that an embedded consumer is told; `memory` in bytes, 0: by the container."""

    log: str
    namespace: str = "default"
    application: str = "application"
    cache: Path = field(default_factory=lambda: default_cache(os.environ))
    host: str = field(default_factory=socket.gethostname)
    memory: int = 0
    disk: int = DISK_BYTES
    memory_policy: MemoryPolicy = MemoryPolicy.AVAILABILITY
    threads: int = 1
    allowed_models: tuple[str, ...] = ()
    group: str = ""
    telemetry: bool = True


def read_config(
    environment: Mapping[str, str],
    *,
    log: str | None = None,
    namespace: str | None = None,
    application: str | None = None,
    cache: str | Path | None = None,
    memory: int | None = None,
    disk: int | None = None,
    memory_policy: str | None = None,
    threads: int | None = None,
    allowed_models: tuple[str, ...] = (),
    group: str = "",
    telemetry: bool | None = None,
) -> Config:
    """Return the configuration; arguments win over the environment.

    Raises Rejected `E_CONFIG` or `E_NAME` with the variable or argument at fault.
    """
    url = log or environment.get(LOG, "")
    if not url:
        raise Rejected(
            "E_CONFIG",
            "no log is given",
            expected="memory:, sqlite:///path or kafka://host:port",
            todo=f"pass it, or set {LOG}",
        )
    place = cache or environment.get(CACHE)
    return Config(
        log=url,
        namespace=name("namespace", namespace or environment.get(NAMESPACE) or "default"),
        application=name(
            "application", application or environment.get(APPLICATION) or "application"
        ),
        cache=Path(place) if place else default_cache(environment),
        memory=memory if memory is not None else _number(environment, MEMORY, 0),
        disk=disk if disk is not None else _number(environment, DISK, DISK_BYTES),
        memory_policy=_policy(memory_policy or environment.get(MEMORY_POLICY) or "availability"),
        threads=threads if threads is not None else _number(environment, THREADS, 1),
        allowed_models=allowed_models,
        group=group,
        telemetry=environment.get(TELEMETRY) != "off" if telemetry is None else telemetry,
    )


def default_cache(environment: Mapping[str, str]) -> Path:
    """Return the cache folder of this user."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "modelwire" / "artifacts"


def _number(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, "")
    if not text:
        return default
    if text.isascii() and text.isdigit():
        return int(text)
    raise Rejected("E_CONFIG", f"{variable}={text!r}", expected="a whole number")


def _policy(word: str) -> MemoryPolicy:
    if word in set(MemoryPolicy):
        return MemoryPolicy(word)
    raise Rejected(
        "E_CONFIG", f"memory policy {word!r}", expected=" or ".join(sorted(MemoryPolicy))
    )
