"""What a model does in the probe: its signature, its answers, and what consumers will ask of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from modelwire.loading.probe import Prober
from modelwire.loading.verdicts import ProbeRequest, ProbeResult
from modelwire_publisher.order import Check
from modelwire_publisher.samples import Rows
from modelwire_schemas.errors import Rejected
from modelwire_schemas.release import Contract, Golden, Tensor, TensorValue
from modelwire_schemas.telemetry import Output

UNFIT = frozenset({"E_NAN", "E_CONTRACT"})
"""Refusals of which made-up rows may be the cause."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a release carries so that every consumer can see for itself that the model works."""

    contract: Contract
    golden: tuple[Golden, ...]
    warmup: tuple[TensorValue, ...]
    checks: tuple[Check, ...]
    sample: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a model is tried out: the probe, the question behind all others, the file's name."""

    prober: Prober
    base: ProbeRequest
    where: str

    def ask(self, request: ProbeRequest) -> ProbeResult:
        """Return what a probe found; raises Rejected with the code of its refusal."""
        result = self.prober.probe(request)
        if result.ok:
            return result
        what, _, expected = result.detail.partition("; expected ")
        what = what.replace(f"{request.folder}/", "")
        todo = "" if expected else "load and run it once where it was made"
        raise Rejected(result.code, what, where=self.where, expected=expected, todo=todo)

    def signature(self) -> ProbeResult:
        """Return what the model takes and gives; raises Rejected when it cannot be loaded."""
        return self.ask(self.base)


def prove(
    bench: Bench, contract: Contract, rows: Rows, golden: Golden | None, tolerance: float
) -> Proof:
    """Return golden vectors and warm-up rows that the model keeps, and the contract made exact.

    Golden outputs are what the model answers now, unless they are given: then it has to match
    them. The last question is the one that consumers will ask. Raises Rejected `E_GOLDEN`,
    `E_NAN`, `E_CONTRACT` or what the probe found.
    """
    try:
        return _prove(bench, contract, rows, golden, tolerance)
    except Rejected as error:
        if rows.real or error.code not in UNFIT:
            raise
    note = Check(rows.check.name, f"{rows.check.found}; made-up rows do not warm it up")
    return _prove(bench, contract, replace(rows, warmup=(), check=note), golden, tolerance)


def _prove(
    bench: Bench, contract: Contract, rows: Rows, golden: Golden | None, tolerance: float
) -> Proof:
    answers = _answers(bench, rows, golden)
    exact = replace(contract, outputs=tuple(_exact(t, answers) for t in contract.outputs))
    given = golden is not None
    if golden is None and rows.golden:
        wanted = {tensor.name for tensor in exact.outputs}
        outputs = tuple(value for value in answers if value.name in wanted)
        golden = Golden(rows.golden, outputs, tolerance)
    every = (golden,) if golden else ()
    question = replace(bench.base, contract=exact, golden=every, warmup=rows.warmup)
    try:
        bench.ask(question)
    except Rejected as error:
        if error.code == "E_GOLDEN" and not given:
            raise _fickle(error) from None
        raise
    checks = (rows.check, *_checks(every, rows.warmup))
    return Proof(exact, every, rows.warmup, checks, rows.sample)


def _answers(bench: Bench, rows: Rows, golden: Golden | None) -> tuple[TensorValue, ...]:
    """Return what the model answers to rows, if there are any."""
    tried = golden.inputs if golden else rows.golden or rows.warmup
    if not tried:
        return ()
    return bench.ask(replace(bench.base, rows=tried)).answers


def _exact(tensor: Tensor, answers: Sequence[TensorValue]) -> Tensor:
    """Return an output whose shape the model does not tell with the shape of its answers."""
    answer = next((value for value in answers if value.name == tensor.name), None)
    if tensor.shape or answer is None or not answer.shape:
        return tensor
    return replace(tensor, shape=(None, *answer.shape[1:]))


def _fickle(error: Rejected) -> Rejected:
    return Rejected(
        "E_GOLDEN",
        f"the model answers the same rows differently each time: {error.what}",
        where=error.where,
        todo="export it without random operators, or give a wider tolerance",
    )


def _checks(golden: Sequence[Golden], warmup: Sequence[TensorValue]) -> tuple[Check, ...]:
    checks = [Check("golden", f"{_rows(g.inputs)} rows within {g.tolerance:g}") for g in golden]
    if warmup:
        checks.append(Check("warm-up", f"{_rows(warmup)} rows"))
    return tuple(checks)


def _rows(values: Sequence[TensorValue]) -> int:
    return values[0].shape[0] if values and values[0].shape else 0
