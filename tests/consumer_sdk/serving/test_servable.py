"""A version takes one event at a time, and counts its answers in any number of threads."""

import threading
import tracemalloc

import numpy as np
import pytest

from modelwire.reporting.calls import NOTED
from modelwire.serving.features import Features, compile_features
from modelwire.serving.rows import Rows
from modelwire.serving.servable import Servable
from modelwire.testing.functions import FunctionModel, WholeEvents
from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import ModelVersion
from tests.consumer_sdk.serving.making import column_contract, tensor_contract

THREADS, TIMES = 4, 5 * NOTED


def made(features: Features) -> Servable:
    model = FunctionModel(lambda _: 0.5, ["late"])
    version = ModelVersion("flights-late", "8")
    return Servable(version, "ab" * 32, tensor_contract(["x"]), model, features)


@pytest.fixture
def servable() -> Servable:
    return made(WholeEvents())


def test_answers_one_by_one_and_in_batches_are_counted_together(servable: Servable) -> None:
    servable.tick()
    servable.count(64)
    assert [servable.predictions(), servable.predictions()] == [65, 65]
    servable.count(2 * NOTED)
    servable.tick()
    assert servable.predictions() == 66 + 2 * NOTED


def test_no_answer_of_several_threads_is_lost_or_counted_twice(servable: Servable) -> None:
    begin, read = threading.Barrier(THREADS), [0]

    def answer() -> None:
        begin.wait()
        for number in range(TIMES):
            servable.tick()
            servable.count(3)
            if number % 100 == 0:
                read.append(servable.predictions())

    threads = [threading.Thread(target=answer) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(read) <= servable.predictions() == 4 * THREADS * TIMES


def test_batches_that_nobody_asks_about_take_no_memory(servable: Servable) -> None:
    sizes = range(300, 300 + 20 * NOTED)
    tracemalloc.start()
    for size in sizes:
        servable.count(size)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100 * NOTED
    assert servable.predictions() == sum(sizes)


def test_one_of_a_batch_of_values_feeds_an_input_with_one_axis() -> None:
    alone = made(compile_features(column_contract(rank=1, x="float32")))
    values = Rows(np.array([0.5, 1.5, 2.5], np.float32), None, None, None)
    assert alone.feed(values.body(1))["x"].tolist() == [1.5]
    with pytest.raises(Rejected, match="E_SHAPE: the event is 2 rows"):
        alone.feed(np.zeros(2, np.float32))
