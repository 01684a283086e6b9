"""What a release has to pass before anything is written: pure checks that tell all faults."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt

from modelwire_publisher.order import Check
from modelwire_schemas.contracts import differences
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract

THRESHOLD = re.compile(r"\s*([^<>=!\s]+)\s*(>=|<=|==|>|<)\s*([-+.0-9eE]+)\s*")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": ge, "<=": le, "==": eq, ">": gt, "<": lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a release is refused."""

    code: str
    what: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a metric has to keep: `auc >= 0.7`."""

    metric: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.bound:g}"


def refuse(faults: Sequence[Fault], where: str) -> None:
    """Raise Rejected with all faults, and with the code of the first; return if there is none."""
    if not faults:
        return
    others = [f.what if f.code == faults[0].code else f"{f.code}: {f.what}" for f in faults[1:]]
    todo = "; ".join(dict.fromkeys(fault.todo for fault in faults if fault.todo))
    raise Rejected(faults[0].code, "; ".join([faults[0].what, *others]), where=where, todo=todo)


def metric_faults(metrics: Mapping[str, object], require: Sequence[str]) -> Iterator[Fault]:
    """Yield the metrics that are no numbers, and the thresholds that they miss."""
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield Fault("E_TYPE", f"metric {name} is {value!r}, which is no number")
        elif not math.isfinite(value):
            yield Fault("E_NAN", f"metric {name} is {value}", "measure it again")
    for text in require:
        wanted = threshold(text)
        value = metrics.get(wanted.metric)
        if not isinstance(value, int | float):
            known = ", ".join(metrics) or "none"
            what = f"{wanted} is required, and metric {wanted.metric} is not given, only {known}"
            yield Fault("E_METRIC", what, f"give --metric {wanted.metric}=…")
        elif not _keeps(value, wanted):
            what = f"{wanted.metric} is {value}, and {wanted} is required"
            yield Fault("E_METRIC", what, "train it better, or ask for less")


def contract_faults(
    contract: Contract, before: Contract | None, named: str, *, meant: bool
) -> Iterator[Fault]:
    """Yield how a contract breaks with the one `named`, unless that is meant."""
    if before is None or meant:
        return
    for difference in differences(before, contract):
        todo = "say --new-contract if it is meant"
        yield Fault("E_CONTRACT", f"it does not fit in the place of {named}: {difference}", todo)


def contract_check(contract: Contract, before: Contract | None, named: str) -> Check:
    """Return how a contract compares with the one `named`, for people."""
    if before is None:
        return Check("contract", "is the model's first")
    changes = differences(before, contract)
    if changes:
        return Check("contract", f"breaks with {named} as was meant: {'; '.join(changes)}")
    return Check("contract", f"equals {named}'s" if before == contract else f"fits {named}'s")


def metric_checks(metrics: Mapping[str, float], require: Sequence[str]) -> Iterator[Check]:
    """Yield the thresholds that were kept."""
    for wanted in map(threshold, require):
        yield Check("metric", f"{wanted} ({metrics[wanted.metric]:g})")


def text_faults(kind: str, texts: Mapping[str, object]) -> Iterator[Fault]:
    """Yield the labels that are not text."""
    for name, value in texts.items():
        if not isinstance(value, str):
            yield Fault("E_TYPE", f"{kind} {name!r} is {value!r}, which is no text", "quote it")


def threshold(text: str) -> Threshold:
    """Return what `auc>=0.7` asks for; raises Rejected `E_METRIC`."""
    found = THRESHOLD.fullmatch(text)
    try:
        if found:
            return Threshold(found[1], found[2], float(found[3]))
    except ValueError:
        pass
    raise Rejected("E_METRIC", f"{text!r} is no threshold", expected="metric>=number, or <= > < ==")


def _keeps(value: float, wanted: Threshold) -> bool:
    return not math.isnan(value) and COMPARE[wanted.sign](value, wanted.bound)
