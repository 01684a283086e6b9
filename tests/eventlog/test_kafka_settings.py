"""How Kafka's clients are set up, without any broker."""

import os
import subprocess
import sys

import pytest

from modelwire_log.kafka import settings as kafka_settings
from modelwire_log.kafka.log import KafkaLog
from modelwire_log.kafka.settings import (
    for_a_member,
    for_asking,
    for_following,
    for_writing,
    kafka_settings as settings_of,
    scrubbed,
    servers,
)
from modelwire_schemas.errors import Rejected

CANARY = "canary-5f1d"
AWAY = "kafka://127.0.0.1:1"


def test_the_environment_names_settings_and_arguments_win() -> None:
    environment = {
        "MODELWIRE_KAFKA_SASL_PASSWORD": CANARY,
        "MODELWIRE_KAFKA_CLIENT_ID": "ours",
        "MODELWIRE_KAFKA_LOG_LEVEL": "3",
        "MODELWIRE_LOG": "kafka://h:1",
        "KAFKA_CLIENT_ID": "another's",
    }
    assert settings_of(environment, {"client.id": "mine"}) == {
        "sasl.password": CANARY,
        "client.id": "mine",
        "log_level": "3",
    }
    assert settings_of({}, None) == {}


def test_every_setting_reaches_every_client_over_ours() -> None:
    settings = {"client.id": "mine", "sasl.password": CANARY}
    for made in (
        for_writing("h:1", settings, 0),
        for_following("h:1", settings),
        for_a_member("h:1", settings, "g"),
        for_asking("h:1", settings),
    ):
        assert (made["client.id"], made["sasl.password"]) == ("mine", CANARY)
        assert made["bootstrap.servers"] == "h:1"


def test_the_promises_do_not_hang_on_the_clients_defaults() -> None:
    writing, reading = for_writing("h:1", {}, 0), for_a_member("h:1", {}, "g")
    assert (writing["acks"], writing["enable.idempotence"]) == ("all", "true")
    assert (reading["check.crcs"], reading["enable.auto.commit"]) == ("true", "false")
    assert reading["session.timeout.ms"] == "6000"


def test_a_member_of_the_newer_protocol_leaves_the_session_to_the_broker() -> None:
    assert "session.timeout.ms" not in for_a_member("h:1", {"group.protocol": "consumer"}, "g")


@pytest.mark.parametrize("name", sorted(kafka_settings.OURS))
def test_settings_that_carry_a_promise_are_refused(name: str) -> None:
    with pytest.raises(Rejected, match=f"E_KAFKA_SETTING: the Kafka setting {name} "):
        KafkaLog(AWAY, {name: "x"})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        pytest.param({"no.such.setting": "x"}, "no.such.setting", id="unknown"),
        pytest.param({"security.protocol": "x"}, "security.protocol", id="wrong-value"),
    ],
)
def test_a_setting_that_kafka_does_not_know_is_refused_at_once(
    settings: dict[str, str], complaint: str
) -> None:
    with pytest.raises(Rejected, match="E_KAFKA_SETTING") as caught:
        KafkaLog(AWAY, {**settings, "sasl.password": CANARY})
    assert complaint in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["sasl.password", "ssl.key.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"],
)
def test_secrets_are_never_shown(name: str) -> None:
    settings = {name: CANARY, "client.id": "mine"}
    assert scrubbed(f"refused {CANARY}, mine", settings) == "refused ***, mine"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("kafka://127.0.0.1:9092", "127.0.0.1:9092"),
        ("kafka://a:1,b:2/", "a:1,b:2"),
        ("kafka://broker", "broker"),
        ("kafka://[::1]:9092", "[::1]:9092"),
    ],
)
def test_a_url_names_the_brokers(url: str, expected: str) -> None:
    assert servers(url) == expected


@pytest.mark.parametrize(
    "url",
    ["kafka://", "kafka://:1", "kafka://a:b", "kafka://a:0", "kafka://a:1/topic", "kafka://a,,b"],
)
def test_a_url_without_brokers_is_refused(url: str) -> None:
    with pytest.raises(Rejected, match="E_LOG_URL"):
        servers(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(Rejected, match="E_LOG_URL") as caught:
        servers(f"kafka://user:{CANARY}@host:9092")
    assert CANARY not in str(caught.value)


def test_a_log_without_the_client_says_what_to_install() -> None:
    script = (
        "import sys\n"
        "sys.modules['confluent_kafka'] = None\n"  # as if it were not installed
        "from modelwire_log.open import open_log\n"
        f"open_log({AWAY!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert "E_REQUIREMENT" in done.stderr
    assert "modelwire[kafka]" in done.stderr


def test_opening_a_log_reads_the_environment_below_the_arguments() -> None:
    script = (
        "from modelwire_log.open import open_log\n"
        f"open_log({AWAY!r}, kafka={{'client.id': 'mine'}})\n"
    )
    environment = os.environ | {"MODELWIRE_KAFKA_GROUP_ID": "theirs"}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, env=environment
    )
    assert "E_KAFKA_SETTING: the Kafka setting group.id" in done.stderr
