"""The example's models and events, and short ways to publish them."""

from pathlib import Path
from typing import Any

from modelwire_log.contract import Log
from modelwire_publisher import PublishedRelease, publish

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
EVENTS = FLIGHTS / "flights_2013_jan_feb.csv.gz"
TENSOR = ("dep_delay", "distance", "sched_hour", "weekday")


def publish_flights(
    log: Log | str,
    version: str = "1",
    **words: Any,  # noqa: ANN401 - what publish takes
) -> PublishedRelease:
    """Publish v1 of the example, or another file of it, as `flights-late`."""
    file = words.pop("file", FLIGHTS / "v1.onnx")
    return publish(file, model="flights-late", version=version, log=log, **words)
