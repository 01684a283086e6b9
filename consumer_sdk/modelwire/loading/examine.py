"""What a probe looks at, in order: requirements, load, contract, golden outputs, NaN."""

import contextlib
import time
from collections.abc import Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from modelwire.loading import fits, formats, tensors
from modelwire.loading.formats import LoadOptions, Model
from modelwire.loading.tensors import Array
from modelwire.loading.verdicts import ProbeRequest, ProbeResult
from modelwire_schemas.errors import ModelwireError, Rejected, Unavailable, one_line
from modelwire_schemas.release import Tensor, TensorValue

DETAIL = 2000
"""Characters of a refusal that are told."""


def examine(request: ProbeRequest) -> ProbeResult:
    """Return what is found; every exception becomes a refusal, a crash does not come back."""
    started = time.perf_counter()
    seen = _Seen()
    refusal = _look(request, seen)
    return ProbeResult(
        ok=refusal is None,
        code=refusal.code if refusal else "",
        detail=_detail(refusal) if refusal else "",
        runtime=seen.runtime,
        inputs=seen.inputs,
        outputs=seen.outputs,
        answers=seen.answers,
        milliseconds=(time.perf_counter() - started) * 1000,
    )


def check_requirements(requirements: Sequence[str]) -> None:
    """Raise Rejected `E_REQUIREMENT` for the first package that is not there as asked for."""
    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise _missing(text, f"cannot be read: {error}") from None
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            raise _missing(text, "is not installed") from None
        if not wanted.specifier.contains(version, prereleases=True):
            raise _missing(text, f"is not met by the installed {version}")


class _Seen:
    """What a probe has found so far."""

    runtime: str = ""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    answers: tuple[TensorValue, ...] = ()


def _look(request: ProbeRequest, seen: _Seen) -> ModelwireError | None:
    try:
        check_requirements(request.requirements)
        form = formats.find(request.artifact.format)
        seen.runtime = form.runtime
        options = LoadOptions(request.threads, request.allowed_models)
        model = form.load(request.folder, request.artifact, options)
        seen.inputs, seen.outputs = model.inputs, model.outputs
        answers = _try_out(model, request)
        seen.answers = tuple(tensors.from_array(name, array) for name, array in answers.items())
    except ModelwireError as error:
        return _too_much(error) if error.code == "E_NO_MEMORY" else error
    except Exception as error:  # a model may raise anything
        if formats.out_of_memory(error):
            return _too_much(error)
        return Rejected("E_LOAD", f"{type(error).__name__}: {error}")
    return None


def _try_out(model: Model, request: ProbeRequest) -> dict[str, Array]:
    """Run the model on all that the request holds; return its outputs for the rows."""
    if request.contract is not None:
        _refuse("E_CONTRACT", fits.misfits(request.contract, model.inputs, model.outputs))
    for golden in request.golden:
        outputs = _run(model, request, golden.inputs, "E_GOLDEN")
        found = tensors.compare(outputs, golden.outputs, golden.tolerance)
        _refuse("E_GOLDEN", [found] if found else [])
    answers: dict[str, Array] = {}
    for rows in (request.warmup, request.rows):
        if rows:
            answers = _run(model, request, rows, "E_CONTRACT")
            found = tensors.first_nan(answers)
            _refuse("E_NAN", [found] if found else [])
    if not (request.golden or request.warmup or request.rows):
        _run_blank(model)
    return answers if request.rows else {}


def _run(
    model: Model, request: ProbeRequest, rows: Sequence[TensorValue], code: str
) -> dict[str, Array]:
    try:
        outputs = formats.named(model, model.run(tensors.feed(rows)))
    except Exception as error:
        if formats.out_of_memory(error) or isinstance(error, ModelwireError):
            raise
        raise Rejected(code, f"the model raised: {formats.told(error)}") from None
    if request.contract is not None:
        _refuse("E_CONTRACT", fits.wrong_answers(request.contract, outputs))
    return outputs


def _run_blank(model: Model) -> None:
    # Nothing says what fits this model, so an error means nothing; a hang or a crash does.
    with contextlib.suppress(Exception):
        model.run(formats.blank(model.inputs))


def _refuse(code: str, faults: Sequence[str]) -> None:
    if faults:
        raise Rejected(code, "; ".join(faults))


def _too_much(error: Exception) -> ModelwireError:
    return Unavailable("E_PROBE_MEMORY", f"it needs more than it may: {formats.told(error)}")


def _missing(text: str, why: str) -> Rejected:
    return Rejected("E_REQUIREMENT", f"{text!r} {why}", todo="install it where the model runs")


def _detail(refusal: ModelwireError) -> str:
    return one_line(str(refusal).removeprefix(f"{refusal.code}: "))[:DETAIL]
