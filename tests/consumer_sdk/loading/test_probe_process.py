"""The process for probes lives as long as its application, and stays out of its way."""

import multiprocessing
import os
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from modelwire.loading.cache import Cache
from modelwire.loading.probe import Prober
from modelwire.loading.verdicts import ProbeRequest
from modelwire_schemas.errors import Unavailable
from tests.consumer_sdk.loading.probing import asked, ended, helpers_of, mlp_asked
from tests.models import hostile
from tests.models.good import mlp
from tests.waiting import eventually


def test_nothing_is_printed_into_the_application(
    cache: Cache, prober: Prober, capfd: pytest.CaptureFixture[str]
) -> None:
    for content in (b"<html>", hostile.bomb(), mlp()[:-10]):
        prober.probe(asked(cache, content))
    assert capfd.readouterr() == ("", "")


def test_a_helper_that_was_killed_is_replaced(
    cache: Cache, prober: Prober, others: set[psutil.Process]
) -> None:
    prober.probe(mlp_asked(cache))
    (helper_process,) = set(helpers_of(os.getpid())) - others
    helper_process.kill()
    assert prober.probe(mlp_asked(cache)).ok
    (other,) = set(helpers_of(os.getpid())) - others
    assert other.pid != helper_process.pid


def test_a_child_that_died_while_it_waited_is_replaced(cache: Cache) -> None:
    before = psutil.Process().children()
    with closing(Prober()) as prober:
        prober.start()
        (helper_process,) = set(psutil.Process().children()) - set(before)
        eventually(helper_process.children, what="a child in waiting")
        (child,) = helper_process.children()
        child.kill()
        eventually(lambda: ended(child), what="its end")
        assert prober.probe(mlp_asked(cache)).ok


def test_threads_may_ask_at_the_same_time(cache: Cache, prober: Prober) -> None:
    good, bad = mlp_asked(cache), asked(cache, hostile.bomb())
    found: list[bool] = []

    def ask(request: ProbeRequest, code: str) -> None:
        found.append(prober.probe(request).code == code)

    threads = [
        threading.Thread(target=ask, args=case) for case in [(good, ""), (bad, "E_PROBE_CRASH")] * 5
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 10


def test_a_closed_prober_says_so(cache: Cache) -> None:
    before = psutil.Process().children()
    prober = Prober()
    prober.start()
    (started,) = set(psutil.Process().children()) - set(before)
    prober.close()
    prober.close()
    assert not started.is_running()
    with pytest.raises(Unavailable, match="E_PROBE: the prober is closed"):
        prober.probe(mlp_asked(cache))


APPLICATION = """
import os, sys
from pathlib import Path
from modelwire.loading.cache import Cache
from modelwire.loading.probe import Prober
from modelwire.loading.verdicts import ProbeRequest
from modelwire.loading.onnx import TINY
from tests.consumer_sdk.loading.making import stored
prober = Prober()
cache = Cache(Path(sys.argv[1]))
prober.probe(ProbeRequest(*stored(cache, TINY)))
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print("ready", flush=True)
prober.probe(ProbeRequest(*stored(cache, Path(sys.argv[2]).read_bytes())))
"""


def test_nothing_outlives_an_application_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "hangs").write_bytes(hostile.hang_at_run())
    command = [sys.executable, "-c", APPLICATION, str(tmp_path), str(tmp_path / "hangs")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as application:
        assert application.stdout is not None
        assert application.stdout.readline() == "ready\n"
        (helper_process,) = helpers_of(application.pid)
        eventually(
            lambda: any(child.cpu_times().user > 0.05 for child in helper_process.children()),
            what="a probe that loops",
        )
        left = [helper_process, *helper_process.children()]
        application.kill()
        # The fork of the application is still there, and does not keep the helper.
        assert psutil.wait_procs(left, timeout=10)[1] == []


def probe_in_a_child(request: ProbeRequest, prober: Prober | None = None) -> None:
    with closing(prober or Prober()) as asking:
        assert asking.probe(request).ok
        assert len(helpers_of(os.getpid())) == 1


def test_a_fork_of_the_application_has_a_helper_of_its_own(cache: Cache, prober: Prober) -> None:
    request = mlp_asked(cache)
    prober.probe(request)
    before = helpers_of(os.getpid())
    child = multiprocessing.get_context("fork").Process(
        target=probe_in_a_child, args=(request, prober)
    )
    child.start()
    child.join()
    assert child.exitcode == 0
    assert prober.probe(request).ok
    assert helpers_of(os.getpid()) == before


def test_a_fork_in_the_middle_of_a_probe_does_not_wait_for_it(cache: Cache, prober: Prober) -> None:
    request = mlp_asked(cache)
    hangs = replace(asked(cache, hostile.hang_at_run()), seconds=1.0)
    thread = threading.Thread(target=prober.probe, args=(hangs,))
    thread.start()
    eventually(
        lambda: any(
            child.cpu_times().user > 0.05
            for helper_process in helpers_of(os.getpid())
            for child in helper_process.children()
        ),
        what="a probe that loops",
    )
    child = multiprocessing.get_context("fork").Process(
        target=probe_in_a_child, args=(request, prober)
    )
    child.start()
    child.join(20)
    assert child.exitcode == 0
    thread.join()


def test_a_daemonic_worker_may_probe(cache: Cache) -> None:
    request = mlp_asked(cache)
    for method in (multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")):
        child = method.Process(target=probe_in_a_child, args=(request,), daemon=True)
        child.start()
        child.join()
        assert child.exitcode == 0


UNGUARDED = """
import sys
from pathlib import Path
from modelwire.loading.cache import Cache
from modelwire.loading.probe import Prober
from modelwire.loading.verdicts import ProbeRequest
from modelwire.loading.onnx import TINY
from tests.consumer_sdk.loading.making import stored
print("once")
prober = Prober()
assert prober.probe(ProbeRequest(*stored(Cache(Path(sys.argv[1])), TINY))).ok
prober.close()
"""


def test_an_application_needs_no_main_guard(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(UNGUARDED)
    said = subprocess.run(
        [sys.executable, "-W", "error", str(tmp_path / "application.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (said.stdout, said.stderr) == ("once\n", "")


def test_signals_of_the_terminal_do_not_reach_the_helper(
    cache: Cache, prober: Prober, others: set[psutil.Process]
) -> None:
    prober.probe(mlp_asked(cache))
    (helper_process,) = set(helpers_of(os.getpid())) - others
    assert os.getpgid(helper_process.pid) != os.getpgid(os.getpid())
