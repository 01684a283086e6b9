"""Whether every generation of a schema reads every other one: full transitive compatibility."""

import json
from collections.abc import Mapping
from itertools import permutations

import avro.schema
from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityType,
)


def incompatibilities(generations: Mapping[int, object]) -> list[str]:
    """Return what keeps one generation from reading another, with its place in the reader.

    `generations` are schemas as parsed from JSON, by number; both directions of each pair count.
    """
    schemas = {n: avro.schema.parse(json.dumps(source)) for n, source in generations.items()}
    return [
        f"{reader} cannot read {writer}: {fault}"
        for reader, writer in permutations(schemas, 2)
        for fault in _faults(schemas[reader], schemas[writer])
    ]


def _faults(reader: avro.schema.Schema, writer: avro.schema.Schema) -> list[str]:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(kind.value for kind in result.incompatibilities)
    return [f"{kinds} at {' '.join(sorted(result.locations))}"]
