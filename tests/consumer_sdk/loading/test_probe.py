"""A probe finds what a model file does, and nothing that it does harms the one who asks."""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from onnx import helper

from modelwire.loading.cache import Cache
from modelwire.loading.probe import Prober, probe_once
from modelwire.loading.tensors import from_array, to_array
from modelwire.loading.verdicts import ProbeRequest, check_of
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.release import Contract, Golden, Tensor
from tests.consumer_sdk.loading.graphs import FLOAT, model, one_node
from tests.consumer_sdk.loading.making import MLP_CONTRACT, rows, stored
from tests.models import hostile
from tests.models.good import mlp
from tests.waiting import eventually


@pytest.fixture(scope="module")
def others() -> set[psutil.Process]:
    """Return the helpers of whoever probes in this process beside these tests."""
    return set(helpers_of(os.getpid()))


@pytest.fixture(scope="module")
def prober(others: set[psutil.Process]) -> Iterator[Prober]:
    del others  # they are counted first
    with closing(Prober()) as made:
        made.start()
        yield made


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


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


def test_a_good_model_is_told_with_its_signature_and_answers(cache: Cache, prober: Prober) -> None:
    given = rows()
    request = replace(mlp_asked(cache), rows=(from_array("features", given),))
    found = prober.probe(request)
    assert (found.ok, found.code, found.detail) == (True, "", "")
    assert found.inputs == MLP_CONTRACT.inputs
    assert found.outputs == MLP_CONTRACT.outputs
    assert found.runtime.startswith("onnxruntime 1.")
    assert found.peak > 10_000_000
    assert 0 < found.milliseconds < 10_000
    (answer,) = found.answers
    again = replace(request, golden=(Golden(request.rows, (answer,), 0.0),))
    assert prober.probe(again).ok
    assert to_array(answer).shape == (3,)


X, Y = MLP_CONTRACT.inputs[0], MLP_CONTRACT.outputs[0]


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        pytest.param(
            Tensor("features", "float32", (None, 5)),
            Y,
            "input 'features' is float32[?, 4], the contract says float32[?, 5]",
            id="shape",
        ),
        pytest.param(
            Tensor("features", "float64", (None, 4)),
            Y,
            "input 'features' is float32[?, 4], the contract says float64[?, 4]",
            id="type",
        ),
        pytest.param(
            Tensor("z", "float32", (None, 4)),
            Y,
            "input 'features' is needed by the model, not named by the contract; "
            "input 'z' is not in the model, which has features",
            id="name",
        ),
        pytest.param(
            X,
            Tensor("score", "float32", (None, 1)),
            "output 'score' is not in the model, which has late",
            id="output",
        ),
    ],
)
def test_a_model_that_breaks_its_contract_is_refused_with_the_difference(
    cache: Cache, prober: Prober, inputs: Tensor, outputs: Tensor, told: str
) -> None:
    contract = Contract((inputs,), (outputs,), ())
    found = prober.probe(replace(mlp_asked(cache), contract=contract))
    assert (found.ok, found.code, found.detail) == (False, "E_CONTRACT", told)


def test_what_a_run_gives_counts_more_than_what_the_file_says(cache: Cache, prober: Prober) -> None:
    made = model(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        {"x": (FLOAT, [None])},
        {"y": (FLOAT, None)},
    )
    contract = Contract((Tensor("x", "float32", (None,)),), (Tensor("y", "float32", (None,)),), ())
    request = replace(asked(cache, made), contract=contract)
    assert prober.probe(request).ok
    found = prober.probe(replace(request, warmup=(from_array("x", np.ones(3, np.float32)),)))
    assert found.code == "E_CONTRACT"
    assert found.detail == "output 'y' gives float32[], the contract says float32[?]"


def test_golden_outputs_must_be_met(cache: Cache, prober: Prober) -> None:
    request = mlp_asked(cache)
    given = (from_array("features", rows()),)
    (right,) = prober.probe(replace(request, rows=given)).answers
    values = to_array(right).copy()
    values[2] += 0.1
    wrong = Golden(given, (from_array("late", values),), 1e-3)
    found = prober.probe(replace(request, golden=(Golden(given, (right,)), wrong)))
    assert found.code == "E_GOLDEN"
    assert found.detail.startswith("output 'late' is np.float32(")
    assert " at [2], expected " in found.detail


def test_golden_inputs_that_the_model_does_not_take_are_a_refusal(
    cache: Cache, prober: Prober
) -> None:
    golden = Golden((from_array("features", rows()[:, :3]),), (from_array("late", [0.0]),))
    found = prober.probe(replace(mlp_asked(cache), golden=(golden,)))
    assert found.code == "E_GOLDEN"
    assert found.detail.startswith("the model raised: ")


def test_nan_is_refused(cache: Cache, prober: Prober) -> None:
    given = (from_array("x", np.array([1.0, -1.0], np.float32)),)
    request = asked(cache, one_node("Sqrt"))
    for asking in (replace(request, warmup=given), replace(request, rows=given)):
        found = prober.probe(asking)
        assert (found.code, found.detail) == ("E_NAN", "output 'y' is NaN at [1]")
        assert found.inputs == (Tensor("x", "float32", (None,)),)


@pytest.mark.parametrize(
    ("requirement", "code"),
    [
        ("numpy", ""),
        ("numpy>=1,<99", ""),
        ("not-a-package; python_version < '3'", ""),
        ("numpy>=99", "E_REQUIREMENT"),
        ("not-a-package", "E_REQUIREMENT"),
        ("!!", "E_REQUIREMENT"),
    ],
)
def test_requirements_are_met_or_refused(
    cache: Cache, prober: Prober, requirement: str, code: str
) -> None:
    found = prober.probe(replace(mlp_asked(cache), requirements=(requirement,)))
    assert (found.ok, found.code) == (not code, code)
    assert not code or requirement in found.detail


def test_a_crash_is_a_verdict_and_the_helper_lives(cache: Cache, prober: Prober) -> None:
    prober.probe(mlp_asked(cache))
    before = helpers_of(os.getpid())
    found = prober.probe(asked(cache, hostile.bomb()))
    assert (found.ok, found.code) == (False, "E_PROBE_CRASH")
    assert found.detail == "the probe died of SIGFPE"
    assert found.runtime.startswith("onnxruntime 1.")
    assert prober.probe(mlp_asked(cache)).ok
    assert helpers_of(os.getpid()) == before


WHY_REFUSED = {
    "bomb": "E_PROBE_CRASH: the probe died of SIGFPE",
    "bomb-at-run": "E_PROBE_CRASH: the probe died of SIGFPE",
    "hang-at-load": "E_PROBE_TIMEOUT: the probe did not end within 0.5 s",
    "hang-at-run": "E_PROBE_TIMEOUT: the probe did not end within 0.5 s",
    "memory": "E_PROBE_MEMORY: it needs more than it may: ",
    "nan": "E_NAN: output 'late' is NaN at [0]",
    "unknown-operator": "E_LOAD: ",
    "future-opset": "E_LOAD: ",
}


@pytest.mark.parametrize("name", hostile.CASES)
def test_a_hostile_file_is_refused_and_the_next_one_is_not(
    cache: Cache, prober: Prober, name: str
) -> None:
    lowest = from_array("features", np.array([[-(2**63)]]))
    few = from_array("features", np.ones((1, 1), np.float32))
    usual = from_array("features", rows())
    given = {"bomb-at-run": lowest, "hang-at-load": few}.get(name, usual)
    make, _ = hostile.CASES[name]
    request = replace(asked(cache, make()), warmup=(given,))
    hangs = name.startswith("hang")
    found = prober.probe(replace(request, seconds=0.5 if hangs else None))
    assert f"{found.code}: {found.detail}".startswith(WHY_REFUSED.get(name, "E_LOAD: "))
    assert not found.ok
    assert "\n" not in found.detail
    assert found.peak < 1_000_000_000
    assert prober.probe(mlp_asked(cache)).ok


def test_a_probe_may_not_take_what_the_machine_has(cache: Cache, prober: Prober) -> None:
    found = prober.probe(
        replace(asked(cache, hostile.memory(gigabytes=3)), warmup=(from_array("features", rows()),))
    )
    assert (found.ok, found.code) == (False, "E_PROBE_MEMORY")
    assert found.peak < 1_000_000_000


def test_an_unknown_format_is_refused(cache: Cache, prober: Prober) -> None:
    request = asked(cache, mlp())
    unknown = replace(request, artifact=replace(request.artifact, format="pickle"))
    assert prober.probe(unknown).code == "E_FORMAT"


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


def test_a_verdict_is_found_again_for_the_same_question_only(cache: Cache, prober: Prober) -> None:
    request = mlp_asked(cache)
    first = probe_once(cache, prober, request)
    assert probe_once(Cache(cache.folder), prober, request) == first
    broken = replace(MLP_CONTRACT, inputs=(Tensor("features", "float64", (None, 4)),))
    assert probe_once(cache, prober, replace(request, contract=broken)).code == "E_CONTRACT"
    assert probe_once(cache, prober, request) == first
    other_runtime = cache.verdicts.find(request.artifact.digest, "other 1.0", check_of(request))
    assert other_runtime is None


def test_a_digest_that_killed_a_probe_is_not_tried_again(cache: Cache, prober: Prober) -> None:
    request = asked(cache, hostile.bomb())
    assert probe_once(cache, prober, request).code == "E_PROBE_CRASH"
    with closing(Prober()) as closed:
        closed.close()
        asked_otherwise = replace(request, warmup=(from_array("features", [1]),))
        assert probe_once(Cache(cache.folder), closed, asked_otherwise).code == "E_PROBE_CRASH"
        cache.forget(request.artifact.digest)
        with pytest.raises(Unavailable, match="E_PROBE"):
            probe_once(cache, closed, request)


def test_what_the_host_lacks_is_looked_at_again(cache: Cache, prober: Prober) -> None:
    request = replace(mlp_asked(cache), requirements=("not-a-package",))
    assert probe_once(cache, prober, request).code == "E_REQUIREMENT"
    assert not list(cache.folder.glob("verdicts/*/*"))


def test_signals_of_the_terminal_do_not_reach_the_helper(
    cache: Cache, prober: Prober, others: set[psutil.Process]
) -> None:
    prober.probe(mlp_asked(cache))
    (helper_process,) = set(helpers_of(os.getpid())) - others
    assert os.getpgid(helper_process.pid) != os.getpgid(os.getpid())
