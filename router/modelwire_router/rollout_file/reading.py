"""Files with rollouts and templates, read and compiled: whole, or refused with all their faults."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from modelwire_publisher.plain_yaml import Document, Steps, misread, read, read_file
from modelwire_router.rollout.plan import Plan
from modelwire_router.rollout_file.asking import Given, fields
from modelwire_router.rollout_file.compiling import compiled
from modelwire_router.rollout_file.near import nearest
from modelwire_router.rollout_file.places import told
from modelwire_router.rollout_file.rollout import Rollout
from modelwire_router.rollout_file.template import AnalysisTemplate
from modelwire_schemas.errors import Fault, Rejected, RejectedFile

KINDS: dict[str, type[Rollout] | type[AnalysisTemplate]] = {
    "Rollout": Rollout,
    "AnalysisTemplate": AnalysisTemplate,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rollout that a file asks for; `namespace` is empty where the file names none."""

    namespace: str
    plan: Plan
    file: str
    document: Document

    def fault(self, error: Rejected, steps: Steps = ("metadata", "name")) -> Fault:
        """Return what is wrong with a part of it as a fault with its place."""
        spot = self.document.values[steps]
        place = (self.file, spot.line, spot.column)
        return Fault(*place, error.code, error.what, error.expected, error.todo)


class _Found(NamedTuple):
    file: str
    document: Document


def read_rollouts(paths: Sequence[Path], now: int | None) -> tuple[Wanted, ...]:
    """Return the rollouts of YAML files, in order; templates may stand in any of the files.

    `now` (ms) is what a schedule must come after, None asks for nothing. Raises RejectedFile with
    every fault of every file, NotFound `E_NO_FILE`, and what else opening a file raises.
    """
    return rollouts([(str(path), read_file(path)) for path in paths], now)


def rollouts(files: Iterable[tuple[str, bytes]], now: int | None) -> tuple[Wanted, ...]:
    """Return the rollouts of files, given by name and content; see `read_rollouts`."""
    found: list[_Found] = []
    faults: list[Fault] = []
    for file, content in files:
        documents, wrong = read(content, file)
        faults += wrong
        found += [_Found(file, document) for document in documents if document.value is not None]
        if not wrong and all(document.value is None for document in documents):
            faults.append(Fault(file, 1, 1, "E_EMPTY", "the file says nothing", "kind: Rollout"))
    given = Given(frozenset(_template_names(found)), now)
    models = [(one, model) for one in found if (model := _validated(one, given, faults))]
    faults += _doubled(models)
    wanted = () if faults else tuple(_compiled(models, faults))
    if faults:
        raise RejectedFile(_in_order(faults))
    return wanted


def _template_names(found: Iterable[_Found]) -> Iterator[str]:
    """Yield the names of all templates, right or not: a rollout that names one is not at fault."""
    for said in (fields(one.document.value) for one in found):
        name = fields(said.get("metadata")).get("name")
        if said.get("kind") == "AnalysisTemplate" and isinstance(name, str):
            yield name


def _validated(one: _Found, given: Given, faults: list[Fault]) -> Rollout | AnalysisTemplate | None:
    """Return the model of a document, or None; its faults are added to those of the YAML."""
    said = one.document.value
    kind = fields(said).get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        faults.append(_no_kind(one, kind))
        return None
    odd = dict(misread(one.document, one.file))
    around = {steps[:i] for steps in odd for i in range(len(steps))}
    places = {(f.file, f.line, f.column) for f in faults}
    wrong: set[Steps] = set()
    model = None
    try:
        model = KINDS[kind].model_validate(said, context=given)
    except ValidationError as error:
        for steps, fault in told(error, one.document, one.file):
            # What follows from a fault that is told already is not told again.
            follows = fault.code == "E_TYPE" and steps in around
            if not follows and (fault.file, fault.line, fault.column) not in places:
                faults.append(fault)
                wrong.add(steps)
    faults += [fault for steps, fault in odd.items() if steps not in wrong]
    return model


def _no_kind(one: _Found, kind: object) -> Fault:
    spots = one.document
    spot = spots.values.get(("kind",), spots.values[()])
    what = "no kind" if kind is None else f"kind {kind!r}"
    todo = nearest(str(kind), KINDS)
    expected = " or ".join(KINDS)
    return Fault(one.file, spot.line, spot.column, "E_KIND", what, expected, todo)


def _doubled(models: Iterable[tuple[_Found, Rollout | AnalysisTemplate]]) -> Iterator[Fault]:
    seen: set[tuple[str, str, str]] = set()
    for one, model in models:
        space = model.metadata.namespace or "" if isinstance(model, Rollout) else ""
        name = (model.kind, space, model.metadata.name)
        if name in seen:
            spot = one.document.values[("metadata", "name")]
            what = f"{model.kind} {model.metadata.name} twice"
            yield Fault(one.file, spot.line, spot.column, "E_TWICE", what, "each once")
        seen.add(name)


def _compiled(
    models: Iterable[tuple[_Found, Rollout | AnalysisTemplate]], faults: list[Fault]
) -> Iterator[Wanted]:
    templates = {
        model.metadata.name: model.template()
        for _, model in models
        if isinstance(model, AnalysisTemplate)
    }
    for one, model in models:
        if not isinstance(model, Rollout):
            continue
        try:
            plan = compiled(model, templates)
            yield Wanted(model.metadata.namespace or "", plan, one.file, one.document)
        except Rejected as error:
            spot = one.document.values[("spec",)]
            place = (one.file, spot.line, spot.column)
            faults.append(Fault(*place, error.code, error.what, error.expected, error.todo))


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults by place, each once, files in the order given."""
    files = [*dict.fromkeys(fault.file for fault in faults)]
    return sorted(
        dict.fromkeys(faults), key=lambda fault: (files.index(fault.file), fault.line, fault.column)
    )
