"""Every schema that modelwire ever wrote, by kind of record, generation and fingerprint.

A generation is the file `avro/<kind>.<generation>.avsc`. A control record's generation is the
version of the fold that brought it, so a reader that lacks the schema has stopped already (R25).
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import cast

from modelwire_schemas.avro_schema import Json, Record, parse


class Kind(StrEnum):
    """What a record is."""

    RELEASE_PUBLISHED = "release_published"
    RELEASE_WITHDRAWN = "release_withdrawn"
    ROUTING_CHANGED = "routing_changed"
    ROUTING_PROPOSED = "routing_proposed"
    ROUTING_APPROVED = "routing_approved"
    ROUTE_CONFIRMED = "route_confirmed"
    ROUTE_FROZEN = "route_frozen"
    ROLLOUT_ABORTED = "rollout_aborted"
    POLICY_SET = "policy_set"
    FLEET_REPORT = "fleet_report"
    ARTIFACT_CHUNK = "artifact_chunk"
    TELEMETRY = "telemetry"
    SNAPSHOT_CHUNK = "snapshot_chunk"


GENERATIONS: Mapping[Kind, Mapping[int, str]] = {
    Kind.RELEASE_PUBLISHED: {1: "0d9e72d38d122b5d", 2: "edbe5f1acb5891e2"},
    Kind.RELEASE_WITHDRAWN: {1: "3e3180d2d039af20"},
    Kind.ROUTING_CHANGED: {1: "14fb15a4f2971091", 2: "e0e98448e528aa69"},
    Kind.ROUTING_PROPOSED: {2: "df8be289c581507e"},
    Kind.ROUTING_APPROVED: {2: "74524b088aea6c36"},
    Kind.ROUTE_CONFIRMED: {2: "647a751ac4a3a7a7"},
    Kind.ROUTE_FROZEN: {2: "eceda7979f4aeace"},
    Kind.ROLLOUT_ABORTED: {2: "06854099c376aabc"},
    Kind.POLICY_SET: {1: "8f553a9636fede04", 2: "bf3bcf795695a971"},
    Kind.FLEET_REPORT: {1: "4bdc69b8752c32df"},
    Kind.ARTIFACT_CHUNK: {1: "a2d5eae9f5ccdd11"},
    Kind.TELEMETRY: {1: "c2fcc1e282f7a2b3"},
    Kind.SNAPSHOT_CHUNK: {1: "48db0bc347db0866"},
}
"""CRC-64-AVRO of each schema's parsing canonical form, in the order of its bytes on the wire."""

FOLDER = Path(__file__).parent / "avro"


def newest(kind: Kind) -> int:
    """Return the generation that is written."""
    return max(GENERATIONS[kind])


def schema(kind: Kind, generation: int) -> Record:
    """Read a schema that ships with the package."""
    source = (FOLDER / f"{kind}.{generation}.avsc").read_bytes()
    return parse(cast("Json", json.loads(source)))
