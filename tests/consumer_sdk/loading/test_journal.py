"""What a host remembers beside its artifacts: loads that ended a process, and the last state."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelwire.loading.cache import Cache
from modelwire_schemas.errors import Rejected
from tests.consumer_sdk.loading.making import stored

KILLED_WHILE_LOADING = """
import os, signal, sys
from pathlib import Path
from modelwire.loading.cache import Cache
with Cache(Path(sys.argv[1])).journal.loading(sys.argv[2]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


LOADING_OFTEN = """
import sys
from pathlib import Path
from modelwire.loading.cache import Cache
journal = Cache(Path(sys.argv[1])).journal
for _ in range(5000):
    with journal.loading(sys.argv[2]):
        pass
"""


def killed_while_loading(cache: Cache, digest: str) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_LOADING, str(cache.folder), digest]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def test_a_digest_that_ended_the_process_twice_is_not_loaded_again(cache: Cache) -> None:
    digest = stored(cache, b"weights")[1].digest
    killed_while_loading(cache, digest)
    assert len(cache.journal.unclean(digest)) == 1
    killed_while_loading(cache, digest)
    with pytest.raises(Rejected, match=r"E_QUARANTINED: .* 2 times"):
        cache.journal.loading(digest).__enter__()
    with Cache(cache.folder).journal.loading("0" * 64):
        pass
    cache.forget(digest)
    with cache.journal.loading(digest):
        pass


def test_a_load_that_ends_cleanly_clears_what_was_before(cache: Cache) -> None:
    digest = stored(cache, b"weights")[1].digest
    killed_while_loading(cache, digest)
    with pytest.raises(ZeroDivisionError), cache.journal.loading(digest):
        raise ZeroDivisionError
    killed_while_loading(cache, digest)
    with cache.journal.loading(digest), cache.journal.loading(digest):
        pass
    assert list((cache.folder / "loading").iterdir()) == []


def test_a_load_that_ends_while_one_looks_is_no_trace_of_one_that_ended_its_process(
    cache: Cache,
) -> None:
    digest = "0" * 64
    command = [sys.executable, "-c", LOADING_OFTEN, str(cache.folder), digest]
    loading = [subprocess.Popen(command) for _ in range(3)]
    seen = set[str]()
    while any(each.poll() is None for each in loading):
        seen |= {path.name for path in cache.journal.unclean(digest)}
    assert [each.returncode for each in loading] == [0, 0, 0]
    assert seen == set()


def test_nobody_who_loads_at_the_same_time_is_taken_for_one_who_ended(cache: Cache) -> None:
    digest = "0" * 64

    def load_often() -> None:
        for _ in range(100):
            with cache.journal.loading(digest):
                pass

    with ThreadPoolExecutor(8) as pool:
        for loads in [pool.submit(load_often) for _ in range(8)]:
            loads.result()


def test_the_state_that_was_kept_last_comes_back(cache: Cache) -> None:
    assert cache.states.load("prod") is None
    cache.states.save("prod", b"one")
    cache.states.save("prod", b"two")
    cache.states.save("staging", b"other")
    assert Cache(cache.folder).states.load("prod") == b"two"


def test_a_damaged_state_is_no_state(cache: Cache) -> None:
    cache.states.save("prod", b"state")
    file = cache.folder / "states" / "prod"
    content = bytearray(file.read_bytes())
    for place in range(len(content)):
        damaged = content.copy()
        damaged[place] ^= 1
        file.write_bytes(damaged)
        assert cache.states.load("prod") is None
    file.write_bytes(b"")
    assert cache.states.load("prod") is None
