"""Making and checking the topics of a namespace: what the operator's command does."""

from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.topics import Fault, faults, missing, own_topics
from modelwire_schemas.errors import NotFound

_WITHIN_S = 10.0
BROKERS_OWN = -1
"""As a replication: what the brokers give a topic by default."""


def create_topics(log: KafkaLog, namespace: str, replication: int = BROKERS_OWN) -> list[str]:
    """Make the topics of a namespace that are not there; return the names of those made."""
    session = log.session()
    made: list[str] = []
    for topic in own_topics(namespace):
        settings = topic.settings(replication)
        if session.admin.create(topic.name, topic.partitions, replication, settings):
            made.append(topic.name)
        session.query.wait_for(topic.name)
    return made


def check_topics(log: KafkaLog, namespace: str) -> list[Fault]:
    """Return all that is wrong with the topics of a namespace; none if all is well."""
    session, found = log.session(), list[Fault]()
    servers = session.clients.servers
    for topic in own_topics(namespace):
        try:
            partitions = session.query.partitions(topic.name, _WITHIN_S)
        except NotFound:
            found.append(missing(servers, topic, BROKERS_OWN))
            continue
        found += faults(servers, topic, partitions, session.admin.settings(topic.name))
    return found
