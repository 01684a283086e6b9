"""Which member of a group shall have which partition: a pure rule that moves as few as it can."""

from collections import Counter
from collections.abc import Collection, Mapping

from modelwire_log.contract import Place


def share_out(
    members: Mapping[str, frozenset[str]], places: Collection[Place], held: Mapping[Place, str]
) -> dict[Place, str]:
    """Return who shall have each place; a place whose stream nobody asks for is left out.

    `members` are the streams that each one asks for, `held` is who has what now. Places without
    a living holder go to those who have least, then places move from those who have two more.
    """
    heirs = {p: held[p] for p in places if p.stream in members.get(held.get(p, ""), frozenset())}
    load = Counter(heirs.values())
    in_order = sorted(places, key=lambda p: (p in heirs, p.stream, p.partition))
    moved = True
    while moved:  # once is enough where all ask for the same streams
        moved = False
        for place in in_order:
            takers = [m for m, streams in members.items() if place.stream in streams]
            least = min(takers, key=lambda m: (load[m], m), default=None)
            holder = heirs.get(place)
            if least and (holder is None or load[holder] - load[least] > 1):
                heirs[place] = least
                load[least] += 1
                load[holder or ""] -= 1
                moved = True
    return heirs
