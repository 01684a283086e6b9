"""What an application embeds: models that are released, swapped and split under its stream."""

import logging
import typing
from importlib import import_module as _import_module

from modelwire.hooks import Hooks
from modelwire.kafka_message import from_kafka
from modelwire.serving.answer import RAISE, Answer, Answers
from modelwire.version import VERSION as __version__  # noqa: N811 - the name that tools look for
from modelwire_schemas.errors import (
    Conflict,
    Corrupt,
    ModelwireError,
    NotFound,
    NotReady,
    Rejected,
    TimedOut,
    TooNew,
    Unavailable,
)

if typing.TYPE_CHECKING:  # numpy and onnxruntime load at first use: see decision 0003
    from modelwire.door import connect
    from modelwire.models import Models
    from modelwire.serving.route import Route

__all__ = [
    "RAISE",
    "Answer",
    "Answers",
    "Conflict",
    "Corrupt",
    "Hooks",
    "Models",
    "ModelwireError",
    "NotFound",
    "NotReady",
    "Rejected",
    "Route",
    "TimedOut",
    "TooNew",
    "Unavailable",
    "__version__",
    "connect",
    "from_kafka",
]

logging.getLogger("modelwire").addHandler(logging.NullHandler())

_LATE = {
    "Models": "modelwire.models",
    "Route": "modelwire.serving.route",
    "connect": "modelwire.door",
}


def __getattr__(name: str) -> typing.Any:  # noqa: ANN401 - what it gives is typed above
    if name not in _LATE:
        raise AttributeError(f"module 'modelwire' has no attribute {name!r}")
    found = globals()[name] = getattr(_import_module(_LATE[name]), name)
    return found
