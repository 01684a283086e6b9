"""The flight models are as good, and as bad, as their page says."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from examples.flights import train
from examples.flights.bad_files import WEB_PAGE, bomb
from examples.flights.train import BUILDERS, COLUMNS, HERE, TEXT, WEATHER, Flights

from tests.models.test_models import End, end_of

COMMITTED = tuple(BUILDERS)
ONE_INPUT_A_COLUMN = ("v1", "v2", "v3")
THIRTEEN_ROWS = slice(0, 13)


@cache
def january() -> Flights:
    return train.read_flights(1)


@cache
def february() -> Flights:
    return train.read_flights(2)


def file_of(name: str) -> Path:
    return HERE / f"{name}.onnx"


def some(flights: Flights, **changed: float | str) -> Flights:
    """Return the first rows, with these columns set to one value."""
    columns = {name: column[THIRTEEN_ROWS] for name, column in flights.columns.items()}
    for name, value in changed.items():
        columns[name] = np.full_like(columns[name], value)
    return Flights(columns, flights.late[THIRTEEN_ROWS])


def in_the_table() -> dict[str, tuple[float, float]]:
    """Return model → (AUC, mean score) as the page states them."""
    row = re.compile(
        r"^\| `(\w+)`( as it was checked)? \|.*\| (0\.\d+) \| (0\.\d+) \|", re.MULTILINE
    )
    page = (HERE / "README.md").read_text(encoding="utf-8")
    return {
        found[1] + (found[2] or ""): (float(found[3]), float(found[4]))
        for found in row.finditer(page)
    }


def test_the_page_states_every_model() -> None:
    assert set(in_the_table()) == {*COMMITTED, "v3 as it was checked"}


@pytest.mark.parametrize("name", [*COMMITTED, "v3 as it was checked"])
def test_february_gives_what_the_page_states(name: str) -> None:
    checked = name.endswith("checked")
    flights = train.as_the_warehouse_has_them(february()) if checked else february()
    path = file_of(name.split(maxsplit=1)[0])
    stated_auc, stated_mean = in_the_table()[name]
    assert train.auc(path, flights) == pytest.approx(stated_auc, abs=0.0006)
    assert train.scores(path, flights).mean() == pytest.approx(stated_mean, abs=0.0006)


def test_each_release_beats_the_base_rate_and_v2_is_clearly_better() -> None:
    first, second = (train.auc(file_of(name), february()) for name in ("v1", "v2"))
    assert 0.6 < first < second - 0.2


def test_v3_passes_its_check_and_fails_in_the_stream() -> None:
    warehouse = train.as_the_warehouse_has_them(february())
    v1, v2, v3 = (file_of(name) for name in ONE_INPUT_A_COLUMN)
    assert train.auc(v3, warehouse) >= train.auc(v2, february()) - 0.001
    assert train.auc(v3, february()) < train.auc(v1, february())
    live = train.scores(v3, february())
    assert np.isfinite(live).all()
    assert live.min() >= 0
    assert live.max() <= 1
    assert live.mean() < 0.5 * train.scores(v2, february()).mean()


@pytest.mark.parametrize("name", COMMITTED)
def test_a_model_trained_again_answers_as_the_committed_one(name: str) -> None:
    again = BUILDERS[name](january())
    np.testing.assert_allclose(
        train.scores(again, february()), train.scores(file_of(name), february()), atol=1e-5
    )


def test_training_writes_the_same_bytes_whatever_the_hash_seed() -> None:
    code = (
        "import sys; from examples.flights.train import BUILDERS, read_flights\n"
        "sys.stdout.buffer.write(BUILDERS['v1'](read_flights(1)).SerializeToString())"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=HERE.parents[1],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "6")  # without sorting, these differ
    )
    assert first == second


def test_the_bad_files_are_what_the_script_writes() -> None:
    model = train.with_contract(bomb(list(onnx.load(file_of("v1")).graph.input)))
    assert file_of("bomb").read_bytes() == model.SerializeToString(deterministic=True)
    assert file_of("not_a_model").read_bytes() == WEB_PAGE


def test_the_bomb_kills_whoever_loads_it(tmp_path: Path) -> None:
    assert end_of(file_of("bomb").read_bytes(), tmp_path) == End(-8, "loading")


@pytest.mark.parametrize("name", ONE_INPUT_A_COLUMN)
def test_empty_weather_gives_a_finite_answer(name: str) -> None:
    silent = some(february(), **dict.fromkeys(WEATHER, np.nan))
    assert np.isfinite(train.scores(file_of(name), silent)).all()


@pytest.mark.parametrize("name", ONE_INPUT_A_COLUMN)
@pytest.mark.parametrize("column", TEXT)
def test_a_carrier_or_airport_never_seen_is_no_error(name: str, column: str) -> None:
    assert np.isfinite(train.scores(file_of(name), some(february(), **{column: "??"}))).all()


@pytest.mark.parametrize("name", COMMITTED)
def test_a_row_alone_is_answered_as_in_its_batch(name: str) -> None:
    rows = some(february())
    alone = Flights({c: column[:1] for c, column in rows.columns.items()}, rows.late[:1])
    batch = train.scores(file_of(name), rows)
    assert batch.shape == (13,)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(train.scores(file_of(name), alone), batch[:1], rtol=1e-6)


@pytest.mark.parametrize("name", [*ONE_INPUT_A_COLUMN, "bomb"])
def test_all_releases_take_the_same_event(name: str) -> None:
    graph = onnx.load(file_of(name)).graph
    kinds = [(one.name, one.type.tensor_type.elem_type) for one in graph.input]
    text, number = onnx.TensorProto.STRING, onnx.TensorProto.FLOAT
    assert kinds == [(column, text if column in TEXT else number) for column in COLUMNS]
    assert [one.name for one in graph.output] == ["late"]


@pytest.mark.parametrize("name", [*ONE_INPUT_A_COLUMN, "bomb"])
def test_the_contract_in_a_file_is_the_one_beside_it(name: str) -> None:
    carried = {p.key: p.value for p in onnx.load(file_of(name)).metadata_props}
    beside = (HERE / "contract.yaml").read_text(encoding="utf-8")
    assert json.loads(carried["modelwire.contract"]) == yaml.safe_load(beside)


@pytest.mark.parametrize("name", [*COMMITTED, "bomb"])
def test_the_files_are_small_enough_to_travel_in_their_release(name: str) -> None:
    assert file_of(name).stat().st_size < 100_000
