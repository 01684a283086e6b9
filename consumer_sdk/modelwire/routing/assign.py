"""Which version answers an event, under one document (R26 to R28)."""

from collections.abc import Iterator, Mapping

from modelwire.routing.assignment import Arm, Assignment, Counts, Reason
from modelwire.routing.keys import Coordinates, Key
from modelwire.routing.predicate import (
    HEADER,
    Test,
    choices,
    compile_predicate,
    fields,
    header_text,
)
from modelwire.routing.samples import Sample
from modelwire.routing.splits import Split, compile_split, whole_variant
from modelwire_schemas.routing import RoutingDocument, Rule


class CompiledRule:
    """A rule ready to be asked; its arms begin at `first_arm` among those of the document."""

    __slots__ = ("choices", "first_arm", "match", "split")

    def __init__(self, rule: Rule, revision: int, counts: Counts, first_arm: int) -> None:
        self.choices = choices(rule.match)
        self.match: Test | None = None
        if rule.match is not None:
            self.match = compile_predicate(rule.match, counts.missing)
        self.split: Split = compile_split(rule, revision, counts)
        self.first_arm = first_arm


class CompiledDocument:
    """A checked routing document, made once into what answers in well under a microsecond.

    `sole` is the answer to every event where one rule gives one variant everything and no header
    may force another: who finds it there need not ask. `arms` are all ways through the document.
    `reads` are the fields of events that its rules look at, headers as `header.<name>`. `samples`
    are the draws of its shadows. `counts` grows while events are assigned.
    """

    __slots__ = (
        "_forced",
        "_last",
        "_tests",
        "arms",
        "counts",
        "document",
        "forced_arms",
        "reads",
        "revision",
        "rules",
        "samples",
        "sole",
    )

    def __init__(
        self, document: RoutingDocument, revision: int, counts: Counts | None = None
    ) -> None:
        self.document = document
        self.revision = revision
        self.counts = counts or Counts()
        self.rules = tuple(self._compiled(document.rules))
        self._tests = tuple((r.match, r.split.choose) for r in self.rules if r.match is not None)
        self._last = self.rules[-1].split.choose
        own = tuple(arm for rule in self.rules for arm in rule.split.arms)
        forced = _forced(document)
        self.forced_arms = {arm.version: len(own) + i for i, arm in enumerate(forced)}
        self._forced = {arm.version: arm.assignment(None, revision) for arm in forced}
        sole = _sole(document)
        self.sole = sole and sole.assignment(None, revision)
        self.arms = (sole,) if sole else own + forced
        self.reads = frozenset(_reads(document))
        self.samples = tuple(Sample(shadow) for shadow in document.shadows if shadow.sample)

    def assign(
        self,
        key: Key | None,
        attributes: Mapping[str, object],
        headers: Mapping[str, object],
        coordinates: Coordinates | None,
    ) -> Assignment:
        """Return the version of one event, and why.

        Raises Rejected `E_KEY` for a key that has no bytes and `E_NO_KEY` where a split has
        neither a key nor coordinates to go by.
        """
        if self.sole is not None:
            return self.sole
        if self._forced and (version := self.forced(headers)) is not None:
            return self._forced[version]
        for match, choose in self._tests:
            if match(attributes, headers):
                return choose(key, attributes, coordinates)
        return self._last(key, attributes, coordinates)

    def forced(self, headers: Mapping[str, object]) -> str | None:
        """Return the version that the headers force; one that the document lacks is counted."""
        value = headers.get(self.document.force_header)
        if value is None:
            return None
        version = header_text(value)
        if version in self._forced:
            return version
        self.counts.unknown_forced += 1
        return None

    def _compiled(self, rules: tuple[Rule, ...]) -> Iterator[CompiledRule]:
        first_arm = 0
        for rule in rules:
            compiled = CompiledRule(rule, self.revision, self.counts, first_arm)
            first_arm += len(compiled.split.arms)
            yield compiled


def _sole(document: RoutingDocument) -> Arm | None:
    rule = document.rules[0]
    variant = whole_variant(rule)
    if variant is None or len(document.rules) > 1 or document.force_header:
        return None
    return Arm(rule.name, variant.name, variant.version, Reason.SOLE)


def _forced(document: RoutingDocument) -> tuple[Arm, ...]:
    """Return an arm for each version that a header may force, where the document allows it."""
    if not document.force_header:
        return ()
    variants = {
        v.version: (r.name, v.name) for r in reversed(document.rules) for v in reversed(r.variants)
    }
    return tuple(
        Arm(*variants.get(version, ("", "")), version, Reason.FORCED)
        for version in document.versions()
    )


def _reads(document: RoutingDocument) -> Iterator[str]:
    for rule in document.rules:
        if rule.match is not None:
            yield from fields(rule.match)
        if rule.split.field:
            yield rule.split.field
    if document.force_header:
        yield HEADER + document.force_header
