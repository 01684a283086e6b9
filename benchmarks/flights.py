"""The flights of the example as events, and models that score them."""

from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from modelwire_router.feed import read_events

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "flights"
FILE = EXAMPLE / "flights_2013_jan_feb.csv.gz"
FOUR = ("dep_delay", "distance", "sched_hour", "weekday")
"""What the example's `numeric` model takes: one tensor of four columns."""

TWELVE = (*FOUR, "month", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
"""All numbers of a flight; weather may be empty."""

Event = dict[str, object]


def lines(count: int) -> list[bytes]:
    """Return flights as JSON, one a line."""
    return [fed.value for fed in islice(read_events(FILE, key_field="tailnum"), count)]


def events(count: int) -> list[Event]:
    """Return flights as mappings of fields."""
    return [orjson.loads(line) for line in lines(count)]


def matrix(count: int, fields: tuple[str, ...] = FOUR) -> npt.NDArray[np.float32]:
    """Return flights as rows of numbers; empty weather is NaN."""
    return np.array([[event[field] for field in fields] for event in events(count)], np.float32)
