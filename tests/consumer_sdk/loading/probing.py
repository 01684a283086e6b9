"""What a probe is asked, and the processes that do it."""

from dataclasses import replace

import psutil

from modelwire.loading.cache import Cache
from modelwire.loading.verdicts import ProbeRequest
from tests.consumer_sdk.loading.making import MLP_CONTRACT, stored
from tests.models.good import mlp


def asked(cache: Cache, content: bytes) -> ProbeRequest:
    folder, made = stored(cache, content)
    return ProbeRequest(folder, made)


def mlp_asked(cache: Cache) -> ProbeRequest:
    return replace(asked(cache, mlp()), contract=MLP_CONTRACT)


def helpers_of(pid: int) -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process(pid).children()
        if "probe_helper" in " ".join(process.cmdline())
    ]


def ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
