"""The door: `connect` to a log."""

import os
from collections.abc import Mapping
from pathlib import Path

from modelwire.clock import SystemClock
from modelwire.config import read_config
from modelwire.hooks import Hooks
from modelwire.models import Models
from modelwire_log.open import open_log


def connect(
    log: str | None = None,
    *,
    namespace: str | None = None,
    application: str | None = None,
    cache: str | Path | None = None,
    memory: int | None = None,
    disk: int | None = None,
    memory_policy: str | None = None,
    threads: int | None = None,
    allowed_models: tuple[str, ...] = (),
    telemetry: bool | None = None,
    hooks: Hooks | None = None,
    kafka: Mapping[str, str] | None = None,
) -> Models:
    """Return the models of a namespace; returns at once, whether the log is there or not.

    `log` is `memory:NAME`, `sqlite:///path` or `kafka://host:port[,host:port]`. Every argument
    has an environment variable (`MODELWIRE_LOG`, `_NAMESPACE`, `_APPLICATION`, `_CACHE`,
    `_MEMORY` and `_DISK` in bytes, `_MEMORY_POLICY`, `_THREADS`); arguments win. `allowed_models`
    names entry points of Python model classes that may run. `telemetry=False`, or
    `MODELWIRE_TELEMETRY=off`, measures and tells nothing. `kafka` holds librdkafka's settings.
    Raises Rejected `E_CONFIG`, `E_NAME` or `E_LOG_URL` for what can never work.
    """
    config = read_config(
        os.environ,
        log=log,
        namespace=namespace,
        application=application,
        cache=cache,
        memory=memory,
        disk=disk,
        memory_policy=memory_policy,
        threads=threads,
        allowed_models=allowed_models,
        telemetry=telemetry,
    )
    # A consumer that made a missing log file would not know the real one when it is back.
    there = open_log(config.log, kafka=kafka, make=False)
    return Models(config, there, clock=SystemClock(), hooks=hooks or Hooks())
