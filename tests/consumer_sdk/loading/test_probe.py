"""A probe finds what a model file does."""

import os
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from modelwire.loading.cache import Cache
from modelwire.loading.probe import Prober, probe_once
from modelwire.loading.tensors import from_array, to_array
from modelwire.loading.verdicts import check_of
from modelwire_schemas.errors import Unavailable
from modelwire_schemas.release import Contract, Golden, Tensor
from tests.consumer_sdk.loading.graphs import FLOAT, model, one_node
from tests.consumer_sdk.loading.making import MLP_CONTRACT, rows
from tests.consumer_sdk.loading.probing import asked, helpers_of, mlp_asked
from tests.models import hostile
from tests.models.good import mlp


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
