"""Plain functions as model versions: an event in, a value or named outputs out."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeAlias, cast

import numpy as np

from modelwire.loading.formats import Run
from modelwire.loading.tensors import Array
from modelwire.serving.features import Features
from modelwire.serving.rows import Rows
from modelwire.serving.slots import Batch, Event, Inputs
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Tensor

Function: TypeAlias = Callable[[Any], Any]
"""Takes an event, returns its value, or a mapping of output names to values."""

EVENTS = "events"


class FunctionModel:
    """A version that calls a function for each event; it can be made to fail."""

    inputs: tuple[Tensor, ...] = ()
    resident = 0

    def __init__(self, function: Function, outputs: Sequence[str]) -> None:
        self.error: Exception | None = None
        self.outputs = tuple(Tensor(name, "float64", (None,)) for name in outputs)
        self.fast: Run = self.run
        self._function = function

    def run(self, feed: Mapping[str, Array]) -> list[Array]:
        """Return one array an output, one row an event."""
        if self.error is not None:
            raise copy(self.error)  # a raised error keeps what was running in memory
        events = cast("Sequence[Event]", feed[EVENTS])
        answers = [self._named(self._function(event)) for event in events]
        return [np.array([a[tensor.name] for a in answers]) for tensor in self.outputs]

    def close(self) -> None:
        """Give nothing back: there is nothing."""

    def _named(self, answer: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a user's function
        if isinstance(answer, Mapping):
            return cast("Mapping[str, Any]", answer)
        return {self.outputs[0].name: answer}


class WholeEvents(Features):
    """Hands events to functions as they are."""

    def __init__(self) -> None:
        self.one = self._one

    def rows(self, rows: Sequence[Event]) -> Batch:
        """Return many events as they are."""
        return Batch(cast("Inputs", {EVENTS: rows}), len(rows))

    def columns(self, table: object) -> Batch:
        """Return the rows of a table as events."""
        rows = Rows(table, None, None, None)
        return self.rows([rows.fields(row) for row in range(len(rows))])

    def array(self, given: Any) -> Inputs:  # noqa: ANN401 - whatever is no mapping
        """Refuse what is no event."""
        raise Rejected("E_SHAPE", f"the event is a {type(given).__name__}", expected="a mapping")

    def _one(self, event: Event) -> Inputs:
        return cast("Inputs", {EVENTS: [event]})
