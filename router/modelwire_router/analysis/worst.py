"""Of several outputs or fields the one that matters, look by look."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from modelwire_router.analysis.arithmetic import Flags, Places
from modelwire_router.analysis.measured import Measured

Found: TypeAlias = tuple[Measured, Flags]
"""What was measured at each look, and the looks at which its numbers are unusable."""

T = TypeVar("T", bound=np.generic)


def worst(found: Mapping[str, Found]) -> Found:
    """Return at each look the one that is broken there, or unusable, or else is farthest off."""
    measured = [one for one, _ in found.values()]
    values = _table([one.value for one in measured])
    beyond = _table([np.broadcast_to(one.beyond, one.value.shape) for one in measured])
    lacking = _table([np.broadcast_to(no, one.value.shape) for one, no in found.values()])
    at = np.lexsort((np.nan_to_num(values, nan=-1.0), lacking, beyond), axis=0)[-1]
    names, places = [*found], cast("list[int]", at.tolist())
    return Measured(
        _chosen(values, at),
        _chosen(_table([one.reference for one in measured]), at),
        _chosen(_table([one.samples for one in measured]), at),
        _chosen(_table([one.reference_samples for one in measured]), at),
        _chosen(beyond, at),
        _chosen(_table([np.broadcast_to(one.worse, one.value.shape) for one in measured]), at),
        exact=measured[0].exact,
        of=tuple(names[place] for place in places),
    ), _chosen(lacking, at)


def _table(rows: Sequence[npt.NDArray[T]]) -> npt.NDArray[T]:
    return np.stack(rows)


def _chosen(table: npt.NDArray[T], at: Places) -> npt.NDArray[T]:
    return np.asarray(np.take_along_axis(table, at[None], axis=0)[0])
