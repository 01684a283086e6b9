"""A member of a Kafka group: its share of the partitions, and positions behind outputs."""

import time
from collections import deque
from collections.abc import Iterable, Sequence

from confluent_kafka import Consumer as Client, KafkaError, KafkaException, TopicPartition

from modelwire_log.contract import START, Group, Message, Place, Position, Record
from modelwire_log.kafka.client import Clients, logger
from modelwire_log.kafka.errors import DENIED, NOT_THERE, reason
from modelwire_log.kafka.position import from_topic, place_of, to_topic, topic_of
from modelwire_log.kafka.reader import record
from modelwire_log.kafka.session import Sessions
from modelwire_log.member import fenced
from modelwire_schemas.errors import Conflict, ModelwireError, NotFound

_PATIENCE_S = 5.0
_OUTPUTS_WITHIN_S = 30.0
_TRIES = 2


class KafkaConsumer:
    """A Consumer of a KafkaLog. Every wait is bounded, also while the brokers are frozen.

    Kafka's client changes the assignment in callbacks of `poll`. What goes is handed over inside
    the callback; of what comes the group is told behind it, before its first record.
    """

    def __init__(self, sessions: Sessions, group: Group) -> None:
        self._sessions = sessions
        self._group = group
        self._clients: Clients = sessions.current().clients
        self._client: Client | None = None
        self._leaving = False
        self._assigned: set[Place] = set()
        self._coming: list[Position] = []
        self._ahead: deque[Record] = deque()
        self._trouble: Exception | None = None
        self._astray = False
        sessions.tell(self)
        self._joined()

    def poll(self, limit: int, timeout: float) -> list[Record]:
        if self._leaving:
            return []
        if not self._ahead:
            self._take(limit, timeout)
        if self._astray:
            self._leave()
        self._tell()
        if self._trouble and not self._ahead:
            trouble, self._trouble = self._trouble, None
            raise trouble
        return [self._ahead.popleft() for _ in range(min(limit, len(self._ahead)))]

    def assignment(self) -> frozenset[Place]:
        return frozenset(self._assigned)

    def pause(self, places: Iterable[Place]) -> None:
        self._joined().pause([topic_of(place) for place in self._assigned.intersection(places)])

    def resume(self, places: Iterable[Place]) -> None:
        self._joined().resume([topic_of(place) for place in self._assigned.intersection(places)])

    def seek(self, place: Place, after: int) -> None:
        if place not in self._assigned:
            raise fenced(self._group.name, place)
        self._ahead = deque(r for r in self._ahead if Place(r.stream, r.partition) != place)
        try:
            self._joined().seek(TopicPartition(place.stream, place.partition, after + 1))
        except KafkaException as failure:
            raise self._worded(reason(failure), "going to", place) from None

    def commit(
        self, positions: Sequence[Position], outputs: Sequence[tuple[str, Message]] = ()
    ) -> None:
        for position in positions:
            if position.place not in self._assigned:
                raise fenced(self._group.name, position.place)
        if outputs:
            session = self._sessions.current()
            for stream in {stream for stream, _ in outputs}:
                session.query.partitions(stream, _PATIENCE_S)
            session.bulk.send(outputs, _OUTPUTS_WITHIN_S)
        if positions:
            self._store(positions)

    def close(self) -> None:
        self._leaving = True
        self._leave()

    def __del__(self) -> None:
        # A member that is freed without having left holds the interpreter for good: the client
        # waits for its own thread, which waits for somebody to hear of the partitions it loses.
        self.close()

    def let_go(self) -> None:
        """In a forked child: join anew at the next poll."""
        self._client = None
        self._forget()

    def _joined(self) -> Client:
        if self._client is None:
            session = self._sessions.current()
            session.bulk.prepare()
            self._clients = session.clients
            self._client = self._clients.member(self._group.name)
            self._client.subscribe(
                list(self._group.streams),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
        return self._client

    def _leave(self) -> None:
        """Leave the group; the next poll joins anew, unless the member was closed."""
        client, self._client = self._client, None
        self._forget()
        if client is not None:
            self._clients.forget(client)
            client.close()

    def _forget(self) -> None:
        self._astray = False
        self._assigned.clear()
        self._coming.clear()
        self._ahead.clear()

    def _take(self, limit: int, timeout: float) -> None:
        client = self._joined()
        first = client.poll(timeout)
        if first is None:
            return
        # The first is waited for, the others are taken only if they are there.
        for message in (first, *(client.consume(limit - 1, 0) if limit > 1 else ())):
            error = message.error()
            if error is None:
                self._ahead.append(record(message))
            else:
                self._hear(error)

    def _hear(self, error: KafkaError) -> None:
        """Keep what the caller must know; the rest passes by itself."""
        if error.code() in NOT_THERE:
            self._astray = True  # it joins anew, which is how it sees a topic that came late
            self._look_again()
        elif error.fatal() or error.code() in DENIED:
            self._astray = True
            self._trouble = self._trouble or self._worded(error, "reading", self._group.streams)
        else:
            logger.info("Kafka, group %s: %s", self._group.name, error.name())

    def _look_again(self) -> None:
        """A client that lost sight of a topic may be wrong, so a broker is asked."""
        try:
            self._sessions.current().query.look_again(self._group.streams, _PATIENCE_S)
        except NotFound as error:
            self._trouble = self._trouble or error
        except ModelwireError as error:
            logger.info("group %s: %s", self._group.name, error)

    def _tell(self) -> None:
        if self._coming:
            self._group.on_assigned(sorted(self._coming, key=lambda p: str(p.place)))
            self._coming.clear()

    def _on_assign(self, client: Client, topics: list[TopicPartition]) -> None:
        try:
            positions = self._begin(client, topics)
        except ModelwireError as error:
            # Without knowing where to go on it must not go on: poll leaves and joins again.
            self._trouble, self._astray = error, True
            return
        self._coming += positions
        self._assigned.update(position.place for position in positions)
        places = [to_topic(position) for position in positions]
        if self._clients.cooperative:
            client.incremental_assign(places)
        else:
            client.assign(places)

    def _on_revoke(self, client: Client, topics: list[TopicPartition]) -> None:
        places = {place_of(topic) for topic in topics}
        if self._client is not None:  # else it is leaving
            self._hand_over(places)
        self._assigned -= places
        if self._clients.cooperative:
            client.incremental_unassign(topics)
        else:
            client.unassign()

    def _on_lost(self, client: Client, topics: list[TopicPartition]) -> None:
        self._assigned -= {place_of(topic) for topic in topics}  # so that commits are fenced
        self._on_revoke(client, topics)

    def _hand_over(self, places: set[Place]) -> None:
        """Tell of what goes: inside Kafka's callback, so that it can still be committed."""
        unheard = {position.place for position in self._coming} & places
        self._coming = [p for p in self._coming if p.place not in unheard]
        self._ahead = deque(r for r in self._ahead if Place(r.stream, r.partition) not in places)
        if not places - unheard:
            return
        try:
            self._group.on_revoked(sorted(places - unheard, key=str))
        except Conflict as error:
            logger.info("group %s: %s", self._group.name, error)
        except Exception as error:
            self._trouble = self._trouble or error

    def _begin(self, client: Client, topics: list[TopicPartition]) -> list[Position]:
        """Return where to go on; what has no position gets one by the group's `begin`."""
        stored = self._stored(client, topics, _PATIENCE_S)
        fresh = [p.place for p in stored if p.after < START]
        known = [p for p in stored if p.after >= START]
        begun = [Position(place, self._first(place) - 1) for place in fresh]
        if begun and self._group.begin != "start":
            # Written down at once: another member begins where this one did.
            client.commit(offsets=[to_topic(position) for position in begun], asynchronous=True)
        return known + begun

    def _first(self, place: Place) -> int:
        query = self._sessions.current().query
        if self._group.begin == "start":
            return 0
        if isinstance(self._group.begin, int):
            return query.offset_at(place, self._group.begin, _PATIENCE_S)
        return query.end(place, _PATIENCE_S) + 1

    def _store(self, positions: Sequence[Position]) -> None:
        """Store positions, and see that they are stored.

        Kafka's synchronous commit waits as long as brokers are frozen. So it is sent without
        waiting, and the question behind it on the same connection, whose wait is bounded, tells
        how it went.
        """
        client = self._joined()
        wanted = {position.place: position for position in positions}
        deadline = time.monotonic() + _PATIENCE_S
        for _ in range(_TRIES):
            left = max(0.1, deadline - time.monotonic())
            client.commit(offsets=[to_topic(p) for p in wanted.values()], asynchronous=True)
            stored = self._stored(client, [topic_of(place) for place in wanted], left)
            if {position.place: position for position in stored} == wanted:
                return
        raise fenced(self._group.name, next(iter(wanted)))

    def _stored(
        self, client: Client, topics: list[TopicPartition], timeout: float
    ) -> list[Position]:
        try:
            found = client.committed(topics, timeout=timeout)
        except KafkaException as failure:
            raise self._worded(reason(failure), "asking for positions of", topics) from None
        for topic in found:
            if topic.error is not None:
                raise self._worded(topic.error, "asking for a position of", place_of(topic))
        return [from_topic(topic) for topic in found]

    def _worded(self, error: KafkaError, doing: str, where: object) -> ModelwireError:
        return self._clients.error(error, f"as group {self._group.name} {doing}", where)
