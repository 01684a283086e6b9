"""A real Kafka broker from the jars, started, paused, killed and brought back by a test.

On the command line:

    python -m tests.system.broker fetch          copy the jars into the cache
    python -m tests.system.broker run -- CMD …   run CMD beside a broker, MODELWIRE_LOG names it
"""

import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.system import certificates, jars
from tests.system.ports import free_ports
from tests.waiting import eventually

SUPER_USER = "admin"
PLAIN_USER = "app"
PASSWORD = "not-a-secret"  # noqa: S105 - it guards a test's own broker
START_WITHIN_S = 45.0
STOP_WITHIN_S = 20.0
JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

ClientSettings = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class SecureDoor:
    """The SASL_SSL listener: SASL/PLAIN over TLS, certificates of an authority of our own."""

    port: int
    files: certificates.Certificates

    @property
    def bootstrap(self) -> str:
        """Return host:port of the listener."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return the listener as the URL of a log."""
        return f"kafka://{self.bootstrap}"

    def settings(self, user: str = SUPER_USER) -> ClientSettings:
        """Return the librdkafka settings that let `user` in; PLAIN_USER starts without rights."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(self.files.authority),
        }


@dataclass(slots=True)
class Broker:
    """One broker that is its own controller, with its data in `folder`; a context manager.

    It listens on two free ports that stay its own over restarts; with `secure` on a third one
    for SASL_SSL, with access lists in force for all but anonymous clients and SUPER_USER; with
    `aside` on one that it tells its clients to reach through another, where a test has a detour
    (`side` is both ports, the one to dial first). `extra` are broker settings on top.
    """

    folder: Path
    secure: bool = False
    aside: bool = False
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int = field(init=False)
    door: SecureDoor | None = field(init=False, default=None)
    side: tuple[int, int] = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, controller, sasl, *side = free_ports(5)
        self.side = (side[0], side[1])
        settings = _settings(self.port, controller, self.folder / "data")
        if self.secure:
            self.door = SecureDoor(sasl, certificates.issue(self.folder))
            settings |= _secured(settings, self.door)
        if self.aside:
            settings |= _beside(settings, *self.side)
        settings |= self.extra
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        self._properties.write_text(text, encoding="utf-8")

    @property
    def bootstrap(self) -> str:
        """Return host:port of the plain listener."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return the plain listener as the URL of a log."""
        return f"kafka://{self.bootstrap}"

    @property
    def pid(self) -> int:
        """Return the broker's process id; it must be running."""
        return self._running().pid

    def start(self) -> None:
        """Start the broker, formatting its folder at first; return when it answers."""
        if not (self.folder / "data").exists():
            self._format()
        command = [
            *_dying_with_us(),
            *(jars.java(), *JVM, f"-Dlog4j2.configurationFile={jars.ROOM / 'log4j2.properties'}"),
            *("-cp", jars.classpath(), "kafka.Kafka", str(self._properties)),
        ]
        with self._log.open("ab") as log:
            # A session of its own: an interrupt at the terminal ends the clients first.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it in good order; a broker that is not running is left as it is."""
        if self._process is not None:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop it, if it runs, and start it on the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # the signal alone freezes it a little later

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._running().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _properties(self) -> Path:
        return self.folder / "broker.properties"

    @property
    def _log(self) -> Path:
        return self.folder / "broker.log"

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker is not running"
        return self._process

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
        tool = [jars.java(), *JVM, "-cp", jars.classpath(), "kafka.tools.StorageTool"]
        # One word, since an id may start with a dash.
        arguments = ["format", f"--cluster-id={cluster}", "-c", str(self._properties)]
        done = subprocess.run(
            [*tool, *arguments, "--standalone"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(
                f"Kafka's folder could not be formatted:\n{done.stdout}{done.stderr}"
            )

    def _wait_until_it_answers(self) -> None:
        admin = AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 100,
                "log_level": 0,  # refused connections are what a start looks like
            }
        )

        def answers() -> bool:
            if self._running().poll() is not None:
                raise RuntimeError(f"Kafka ended at its start:\n{self._last_words()}")
            try:
                return bool(admin.list_topics(timeout=1).brokers)
            except KafkaException:
                return False

        eventually(answers, within=START_WITHIN_S, what="a Kafka that answers")

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-2_000:]


def _settings(port: int, controller: int, data: Path) -> dict[str, str]:
    listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker is let in again when the session of its former self has ended.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "group.consumer.heartbeat.interval.ms": "500",
    }


def _secured(settings: dict[str, str], door: SecureDoor) -> dict[str, str]:
    listener = f",SASL_SSL://{door.bootstrap}"
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in (SUPER_USER, PLAIN_USER))
    return {
        "listeners": settings["listeners"] + listener,
        "advertised.listeners": settings["advertised.listeners"] + listener,
        "listener.security.protocol.map": settings["listener.security.protocol.map"]
        + ",SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(door.files.keystore),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{SUPER_USER}",
    }


def _beside(settings: Mapping[str, str], dialled: int, own: int) -> dict[str, str]:
    return {
        "listeners": f"{settings['listeners']},SIDE://127.0.0.1:{own}",
        "advertised.listeners": f"{settings['advertised.listeners']},SIDE://127.0.0.1:{dialled}",
        "listener.security.protocol.map": settings["listener.security.protocol.map"]
        + ",SIDE:PLAINTEXT",
    }


def _dying_with_us() -> list[str]:
    """Return the prefix that ends the broker when a killed test run cannot."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _run_beside_a_broker(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _leave)
    room = tempfile.TemporaryDirectory(prefix="modelwire-kafka-")
    with room as folder, Broker(Path(folder)) as broker:
        environment = os.environ | {"MODELWIRE_LOG": broker.url}
        try:
            return subprocess.run(command, env=environment, check=False).returncode
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """Carry out one command; return the exit code."""
    try:
        match arguments:
            case ["fetch"]:
                sys.stdout.write(f"{jars.fetch()}\n")
                return 0
            case ["run", "--", *command] if command:
                return _run_beside_a_broker(command)
            case _:
                sys.stderr.write("usage: python -m tests.system.broker fetch | run -- CMD …\n")
                return 2
    except jars.KafkaMissing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
