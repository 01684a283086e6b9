"""The test models are what they say: the hostile ones do harm, the good ones answer."""

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models import good, hostile, load_once
from tests.models.hostile import Fate

ROWS = np.array([[1, 2, 3, 4], [-4, 0, 0.5, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class End:
    """How a process to spare ended: its exit code (minus the signal), what it said last."""

    code: int
    last: str


def end_of(model: bytes, folder: Path) -> End:
    path = folder / "model.onnx"
    path.write_bytes(model)
    command = [sys.executable, load_once.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    return End(done.returncode, done.stdout.split("\n")[-2])


def fits(fate: Fate, end: End) -> bool:
    ends = {
        Fate.REFUSED: end.code == 0 and end.last.startswith("raised"),
        Fate.KILLED_AT_LOAD: end == End(-signal.SIGFPE, "loading"),
        Fate.KILLED_AT_RUN: end == End(-signal.SIGFPE, "running"),
        Fate.HANGS_AT_LOAD: end == End(-signal.SIGXCPU, "loading"),
        Fate.HANGS_AT_RUN: end == End(-signal.SIGXCPU, "running"),
        Fate.EATS_MEMORY: end.code == 0 and end.last.startswith("raised"),
        Fate.ANSWERS_NAN: end == End(0, "array([nan, nan], dtype=float32)"),
    }
    return ends[fate]


def answers(model: bytes | Path, rows: NDArray[np.float32] = ROWS) -> list[NDArray[np.float64]]:
    source = str(model) if isinstance(model, Path) else model
    given = load_once.session_of(source).run(None, {"features": rows})
    return [np.asarray(one, np.float64) for one in given]


@pytest.mark.parametrize("name", hostile.CASES)
def test_a_hostile_file_does_the_harm_that_it_stands_for(name: str, tmp_path: Path) -> None:
    build, fate = hostile.CASES[name]
    end = end_of(build(), tmp_path)
    assert fits(fate, end), end


def test_a_good_model_comes_back_from_the_process_to_spare(tmp_path: Path) -> None:
    end = end_of(good.constant_answer(0.25), tmp_path)
    assert end == End(0, "array([0.25, 0.25], dtype=float32)")


def test_other_seeds_give_other_answers_and_the_same_seed_the_same_bytes() -> None:
    (first,), (second,) = answers(good.mlp(seed=1)), answers(good.mlp(seed=2))
    assert not np.allclose(first, second)
    assert good.mlp(seed=1) == good.mlp(seed=1)


def test_a_model_with_a_version_id_says_who_it_is_for_every_row() -> None:
    late, version_id = answers(good.with_version_id(7))
    np.testing.assert_allclose(late, ROWS.mean(axis=1))
    assert version_id.tolist() == [7, 7]


def test_a_slow_model_answers_what_it_says() -> None:
    (late,) = answers(good.slow(3), ROWS / np.float32(10))
    np.testing.assert_allclose(late, 1 / (1 + np.exp(-4 * ROWS.sum(axis=1) / 10)), rtol=1e-5)


def test_a_sized_model_has_its_size_and_the_same_answers_in_both_forms(tmp_path: Path) -> None:
    whole = good.save_sized(tmp_path / "whole.onnx", 8)
    graph, weights = good.save_mapped(tmp_path / "mapped.onnx", 8)
    assert 8_000_000 <= weights.stat().st_size <= whole.stat().st_size < 8_500_000
    assert graph.stat().st_size < 50_000
    np.testing.assert_allclose(answers(whole)[0], answers(graph)[0], rtol=1e-5)
