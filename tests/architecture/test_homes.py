"""Threads live in few houses, and each is known."""

import pytest

from tests.architecture.sources import Source, imported, product

THREADS = {"asyncio", "concurrent.futures", "multiprocessing", "threading"}

# Who may import one of these, and what for.
HOMES: dict[str, str] = {
    "consumer_sdk/modelwire/control/follower.py": "follows the control log",
    "consumer_sdk/modelwire/loading/cache.py": "forces artifacts to the disk behind their users",
    "consumer_sdk/modelwire/loading/line.py": "cuts a connection when its time is over",
    "consumer_sdk/modelwire/loading/pipeline.py": "loads and drops versions",
    "consumer_sdk/modelwire/loading/probe.py": "has one probe done at a time",
    "consumer_sdk/modelwire/loading/sink.py": "hashes a file behind its writer",
    "consumer_sdk/modelwire/models.py": "starts anew after a fork",
    "consumer_sdk/modelwire/reporting/calls.py": "counts answers of several threads",
    "consumer_sdk/modelwire/reporting/recorder.py": "adds up what several threads noted",
    "consumer_sdk/modelwire/reporting/reporter.py": "reports to the fleet",
    "consumer_sdk/modelwire/reporting/telemetry.py": "reports what was measured",
    "consumer_sdk/modelwire/runtime.py": "makes one snapshot at a time",
    "consumer_sdk/modelwire/scoring/labelling.py": "is told to stop from anywhere",
    "consumer_sdk/modelwire/scoring/scorer.py": "is told to stop from anywhere",
    "consumer_sdk/modelwire/serving/live.py": "wakes those who wait for a snapshot",
    "consumer_sdk/modelwire/serving/past.py": "reads history once for many threads",
    "consumer_sdk/modelwire/serving/route.py": "keeps the event loop free (asyncio)",
    "consumer_sdk/modelwire/serving/servable.py": "counts predictions of batches",
    "consumer_sdk/modelwire/serving/shadowing.py": "runs shadows behind what answers",
    "consumer_sdk/modelwire/serving/shelf.py": "swaps the snapshot, retires what nobody borrows",
    "eventlog/modelwire_log/kafka/admin.py": "waits for answers of Kafka's administration",
    "eventlog/modelwire_log/kafka/client.py": "keeps the list of open clients",
    "eventlog/modelwire_log/kafka/pool.py": "lends a reader to one thread at a time",
    "eventlog/modelwire_log/kafka/query.py": "lends a client to one question at a time",
    "eventlog/modelwire_log/kafka/sender.py": "shares a producer between threads",
    "eventlog/modelwire_log/kafka/session.py": "opens anew after a fork",
    "eventlog/modelwire_log/memory/store.py": "is a log that many threads share",
    "eventlog/modelwire_log/sqlite/file.py": "lends a connection to one thread at a time",
    "eventlog/modelwire_log/sqlite/life.py": "beats for the members of groups",
    "eventlog/modelwire_log/sqlite/notice.py": "waits for notices and for a turn to write",
    "eventlog/modelwire_log/sqlite/queue.py": "appends for several threads at once",
    "router/modelwire_router/cli/publish.py": "ends a watch by a signal",
    "router/modelwire_router/cli/simulate.py": "plays runs in several processes",
    "router/modelwire_router/cli/stopping.py": "ends long verbs by a signal",
    "router/modelwire_router/controller.py": "is told to stop from anywhere",
    "router/modelwire_router/drill/play.py": "plays a drill's application and controller",
    "router/modelwire_router/outside/asking.py": "asks the world outside, a few at a time",
    "router/modelwire_router/outside/notify.py": "tells webhooks behind the controller",
}


@pytest.mark.parametrize("source", product(), ids=[source.path for source in product()])
def test_threads_are_imported_in_their_homes_only(source: Source) -> None:
    used = imported(source.tree) & THREADS
    assert not used or source.path in HOMES, f"{source.path} imports {used}: not one of HOMES"


def test_every_home_of_threads_is_still_one() -> None:
    found = {source.path for source in product() if imported(source.tree) & THREADS}
    assert set(HOMES) - found == set()
