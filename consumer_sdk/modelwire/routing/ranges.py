"""From weights to bucket ranges, so that a change moves the fewest keys (R26)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import NamedTuple, TypeAlias

from modelwire_schemas.errors import Rejected
from modelwire_schemas.routing import BUCKETS, Variant

Weight: TypeAlias = tuple[str, str, int]
"""What is wished for: a variant's name, its version, how many of the 10,000 buckets."""

_PER_PERCENT = BUCKETS // 100


class _Piece(NamedTuple):
    """Buckets [start, end) that nobody has taken yet, and the variant that had them before."""

    start: int
    end: int
    name: str
    version: str


# Whose former buckets a variant takes first, as (same name, same version): its own; then those of
# its version, because a change of name moves no key; then those of its name, so that who was in
# "treatment" stays in it when the version behind it changes; then anybody's.
_LADDER = ((True, True), (False, True), (True, False), (False, False))


def reweigh(before: Sequence[Variant], weights: Sequence[Weight]) -> tuple[Variant, ...]:
    """Return variants with these weights, in this order, that move the fewest keys.

    `before` are the variants of the same rule until now, or none. A shrinking variant gives up its
    highest buckets; a growing one takes free ones, lowest first, in the order written. The share
    of keys that change their version is the smallest possible: half the sum of the versions'
    differences. Raises Rejected `E_WEIGHTS` unless the weights are 10,000 buckets together and
    every name is given once.
    """
    _check_weights(weights)
    pieces = _pieces(before)
    taken: list[list[tuple[int, int]]] = [[] for _ in weights]
    short = [count for _, _, count in weights]
    for same_name, same_version in _LADDER:
        for index, (name, version, _) in enumerate(weights):
            of_name, of_version = name if same_name else None, version if same_version else None
            got, pieces = _take(pieces, short[index], of_name, of_version)
            taken[index] += got
            short[index] -= sum(end - start for start, end in got)
    return tuple(
        Variant(name, version, _joined(ranges))
        for (name, version, _), ranges in zip(weights, taken, strict=True)
    )


def carved(before: Sequence[Variant], fixed: Sequence[Variant]) -> tuple[Variant, ...]:
    """Return variants that cover everything once: `fixed` as they are, and what is left of others.

    What nobody had before belongs to a variant without a name.
    """
    owners = [("", "")] * BUCKETS
    for variant in (*before, *fixed):
        for start, end in variant.buckets:
            owners[start:end] = [(variant.name, variant.version)] * (end - start)
    ranges: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for owner, run in groupby(range(BUCKETS), owners.__getitem__):
        buckets = list(run)
        ranges.setdefault(owner, []).append((buckets[0], buckets[-1] + 1))
    return tuple(Variant(*owner, tuple(found)) for owner, found in ranges.items())


def from_percent(weights: Mapping[str, float | Decimal | str]) -> dict[str, int]:
    """Return each weight in buckets: exact, from percent with at most two decimals.

    Raises Rejected `E_WEIGHTS` for anything else, and unless they are 100 together.
    """
    counts = {name: _percent(name, weight) for name, weight in weights.items()}
    total = sum(counts.values())
    if total != BUCKETS:
        raise _wrong_weights(f"weights that make {Decimal(total) / _PER_PERCENT} percent", "100")
    return counts


def check_whole(variants: Sequence[Variant]) -> None:
    """Raise Rejected `E_WEIGHTS` unless the ranges cover [0, 10,000) exactly once.

    Every range holds a bucket or more, and those of a variant are in order.
    """
    for variant in variants:
        _check_ranges(variant)
    at = 0
    for start, end in sorted([range_ for variant in variants for range_ in variant.buckets]):
        if start != at:
            fault = "belong to nobody" if start > at else "belong to two variants"
            first, last = sorted((at, start))
            raise _wrong_weights(f"buckets [{first}, {min(last, end)}) {fault}", _WHOLE)
        at = end
    if at != BUCKETS:
        raise _wrong_weights(f"buckets [{at}, {BUCKETS}) belong to nobody", _WHOLE)


_WHOLE = f"every bucket of [0, {BUCKETS}) once"


def _check_ranges(variant: Variant) -> None:
    at = 0
    for start, end in variant.buckets:
        if not at <= start < end <= BUCKETS:
            raise _wrong_weights(
                f"range [{start}, {end}) of variant {variant.name}",
                f"ranges in order, not empty, within [0, {BUCKETS}]",
            )
        at = end


def _check_weights(weights: Sequence[Weight]) -> None:
    names = [name for name, _, _ in weights]
    if len(set(names)) != len(names):
        raise _wrong_weights(f"a variant twice in {', '.join(names)}", "every variant once")
    if any(count < 0 for _, _, count in weights):
        raise _wrong_weights("a weight below 0", "0 or more")
    total = sum(count for _, _, count in weights)
    if total != BUCKETS:
        raise _wrong_weights(f"weights of {total:,} buckets", f"{BUCKETS:,} buckets together")


def _percent(name: str, weight: float | Decimal | str) -> int:
    try:
        percent = Decimal(str(weight))
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise _wrong_weights(f"weight {weight!r} of {name}", "0 to 100 percent")
    if (buckets := percent * _PER_PERCENT) != int(buckets):
        raise _wrong_weights(f"weight {weight!r} of {name}", "at most two decimals")
    return int(buckets)


def _pieces(before: Sequence[Variant]) -> list[_Piece]:
    """Return all 10,000 buckets in order, cut where their owner before changes."""
    if not any(variant.buckets for variant in before):
        return [_Piece(0, BUCKETS, "", "")]
    check_whole(before)
    return sorted(
        _Piece(*r, variant.name, variant.version) for variant in before for r in variant.buckets
    )


def _take(
    pieces: Sequence[_Piece], count: int, name: str | None, version: str | None
) -> tuple[list[tuple[int, int]], list[_Piece]]:
    """Return the lowest `count` buckets of that name and version, and the pieces that remain.

    None stands for any; where there are fewer, all of them are returned.
    """
    got: list[tuple[int, int]] = []
    rest: list[_Piece] = []
    for piece in pieces:
        wanted = name in {None, piece.name} and version in {None, piece.version}
        cut = min(piece.end, piece.start + count) if wanted else piece.start
        if cut > piece.start:
            got.append((piece.start, cut))
            count -= cut - piece.start
        if cut < piece.end:
            rest.append(piece._replace(start=cut))
    return got, rest


def _joined(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the ranges in order, neighbours made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _wrong_weights(what: str, expected: str) -> Rejected:
    return Rejected("E_WEIGHTS", what, expected=expected, todo="mend the weights")
