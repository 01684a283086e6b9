"""The loop around `decide`: look, decide, append. Any number may run; the fold lets one through."""

import logging
import os
import secrets
import socket
import threading
from dataclasses import replace

from modelwire.clock import Clock, SystemClock
from modelwire.control.commands import By, rehearse, request_of, submit
from modelwire.control.horizon import Reading
from modelwire.control.policy import run_out, told_run_out
from modelwire.control.reading import control_place
from modelwire.reporting.reporter import Occasion, Reporter
from modelwire.version import VERSION
from modelwire_log.contract import Log
from modelwire_router.analysis.retraining import retraining
from modelwire_router.decide import Decision, Send, decide
from modelwire_router.observer import Observer
from modelwire_router.outside.asking import Asker
from modelwire_router.outside.notify import Notifier
from modelwire_router.outside.words import Notice, Question, hears
from modelwire_router.rollout import plan_text
from modelwire_router.rollout.plan import HookKind, Plan
from modelwire_router.snapshots import Snapshots
from modelwire_schemas.control import FOLD_VERSION
from modelwire_schemas.errors import ModelwireError, Rejected
from modelwire_schemas.fleet import CONTROLLER, RUN_OUT, FleetReport
from modelwire_schemas.rollout import Phase, Rollout

logger = logging.getLogger("modelwire.controller")

EVERY = 0.5
"""Seconds between two looks, unless the control log has news earlier."""

FRESH_MS = 10_000
"""Ms after which a decision is forgotten: the fold refuses an older one anyway (R23)."""

REMEMBERED = 1000
"""How many answers to one question are kept, the newest ones."""

TIMEOUT = 5.0
"""Seconds that an append may take."""


class LogClock:
    """The log's clock as receipts tell it; before the first one, the machine's."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self.reading: Reading | None = None

    def now(self) -> int:
        """Return the log's time in ms since 1970 UTC."""
        if self.reading is None:
            return self._machine.now()
        return self.reading.log_time(self._machine.monotonic_ns())

    def monotonic_ns(self) -> int:
        """Return the machine's time in ns that never falls."""
        return self._machine.monotonic_ns()


class Controller:
    """Promotes and rolls back the rollouts of a namespace until it is stopped.

    It keeps nothing: plans, steps and evidence are in the documents on the log, so another one
    goes on where this one died.
    """

    def __init__(
        self,
        log: Log,
        namespace: str,
        *,
        every: float = EVERY,
        secret: bytes = b"",
        clock: Clock | None = None,
    ) -> None:
        machine = clock or SystemClock()
        self.name = f"controller-{socket.gethostname()}-{secrets.token_hex(4)}"
        self.sent = 0
        self.looks = 0
        self._log = log
        self._namespace = namespace
        self._every = every
        self._clock = LogClock(machine)
        self._observer = Observer(log, namespace)
        self._snapshots = Snapshots(log, namespace, self.name)
        self._asker = Asker(self._clock, secret=secret)
        self._notifier = Notifier(self._clock, secret=secret)
        self._stop = threading.Event()
        self._trouble = ""
        self._faults: dict[str, str] = {}
        self._run_out: set[str] = set()
        self._reporter = Reporter(log, namespace, self._report, self._note, clock=machine)

    def stop(self) -> None:
        """End after the look that is under way; may be called from anywhere."""
        self._stop.set()

    def run(self) -> None:
        """Look and act until `stop`; a log that is away is waited for."""
        self._reporter.start()
        try:
            while not self._stop.is_set():
                try:
                    self.step()
                    self._wait()
                except ModelwireError as error:
                    self._tell_trouble(str(error))
                    self._stop.wait(self._every)
                else:
                    self._trouble = ""
        finally:
            self._reporter.stop(TIMEOUT)
            self._notifier.close(TIMEOUT)

    def step(self) -> Decision:
        """Look once and append what follows; nothing before the log's clock is known."""
        if self._clock.reading is None:
            return Decision()
        now = self._clock.now()
        decision = decide(self._observer.world(now, self._asker.answers()))
        self._ask(decision.questions)
        self._check_fresh(now)
        for route, fault in decision.faults:
            self._tell_fault(route, fault)
        for send in decision.sends:
            try:
                self._send(send)
            except Rejected as error:  # it cannot be written down; other rollouts go on
                self._tell_fault(send.route, error)
        self._tell_run_out(now)
        self._snapshots.keep(self._observer.state)
        self.looks += 1
        return decision

    def _check_fresh(self, now: int) -> None:
        """Raise Rejected where a look took so long that what it led to would have no effect."""
        took = self._clock.now() - now
        if took > FRESH_MS:
            raise Rejected(
                "E_STALE_DECISION",
                f"a look took {took // 1000} s",
                where=f"namespace {self._namespace}",
                expected=f"at most {FRESH_MS // 1000} s",
                todo="give the controller a processor of its own, or divide the namespace",
            )

    def _wait(self) -> None:
        place = control_place(self._namespace)
        self._log.wait(place, self._observer.state.offset, self._every)

    def _ask(self, questions: frozenset[Question]) -> None:
        living = {
            document.rollout.id
            for route in self._observer.state.routes.values()
            if (document := route.head.document).rollout and not document.rollout.phase.over
        }
        slots = {(q.rollout, q.name): q.slot - REMEMBERED for q in questions}
        self._asker.forget(
            q
            for q in self._asker.answers()
            if q.rollout not in living or q.slot < slots.get((q.rollout, q.name), 0)
        )
        for question in questions:
            self._asker.ask(question)

    def _send(self, send: Send) -> None:
        base = send.change.changes[0].replaces
        by = By(self.name, send.told, role=CONTROLLER, cause=CONTROLLER)
        foreseen = rehearse(self._observer.state, send.change, by, clock=self._clock)
        if not foreseen.winner:
            foreseen.check()  # else each look would write down what is refused
        outcome = submit(
            self._log,
            self._namespace,
            send.change,
            by,
            request_id=request_of(send.route, send.rollout, send.step, base),
            state=self._observer.state,
            expires=FRESH_MS,
            clock=self._clock,
            timeout=TIMEOUT,
        )
        self._faults.pop(send.route, None)
        self._observer.state, verdict = outcome.state, outcome.verdict
        if not verdict.accepted or verdict.repeats >= 0:
            logger.info("%s: %s was not needed: %s", send.route, send.told, verdict.detail)
            return
        self.sent += 1
        logger.info("%s: %s", send.route, send.told)
        self._tell_hooks(send, verdict.offset)

    def _tell_hooks(self, send: Send, offset: int) -> None:
        rollouts = [c.document.rollout for c in send.change.changes if c.document.rollout]
        for rollout in rollouts:
            plan = plan_text.load(rollout.plan)
            ended = rollout.phase is Phase.ROLLED_BACK
            name = f"{self._namespace}@{offset}"
            notice = replace(
                _event(plan, rollout, name, send.change.decided_at, send.told),
                kind=HookKind.ROLLBACK if ended else HookKind.EVENT,
                findings=rollout.findings,
            )
            self._tell(plan, notice)
            why = retraining(plan, rollout)
            if why:
                kind = HookKind.RETRAIN_WANTED
                self._tell(plan, replace(notice, id=f"{notice.id}/{kind}", kind=kind, findings=why))

    def _tell_run_out(self, now: int) -> None:
        """Tell once of every version that answers although its release has run out."""
        state = self._observer.state
        for route, release in run_out(state, state.routes.values(), now):
            name = f"{self._namespace}/{route.route}/{release.version}/{RUN_OUT}"
            if name in self._run_out:
                continue
            self._run_out.add(name)
            text = told_run_out(route, release)
            logger.warning("%s", text)
            rollout = route.rollout
            if rollout is not None and route.route not in self._faults:
                plan = plan_text.load(rollout.plan)
                self._tell(plan, _event(plan, rollout, name, now, text))

    def _tell(self, plan: Plan, notice: Notice) -> None:
        for hook in plan.hooks:
            if hears(hook, notice.kind):
                self._notifier.tell(hook, notice)

    def _note(self, reading: Reading) -> None:
        self._clock.reading = reading

    def _report(self, occasion: Occasion) -> FleetReport:
        """Return what a controller says of itself: it opens no route and serves nothing."""
        state = self._observer.state
        return FleetReport(
            instance=self.name,
            incarnation=self.name.rpartition("-")[2],
            application=CONTROLLER,
            namespace=self._namespace,
            host=socket.gethostname(),
            pid=os.getpid(),
            sdk=VERSION,
            fold=FOLD_VERSION,
            offset=state.offset,
            state_hash="",
            horizon=state.earliest,
            stale_since=0,
            goodbye=occasion is Occasion.GOODBYE,
        )

    def _tell_trouble(self, text: str) -> None:
        if text != self._trouble:
            logger.warning("nothing is decided, it is tried again: %s", text)
        self._trouble = text

    def _tell_fault(self, route: str, fault: ModelwireError) -> None:
        if self._faults.get(route) != str(fault):
            self._faults[route] = str(fault)
            logger.error("the rollout of %s is left alone: %s", route, fault)


def _event(plan: Plan, rollout: Rollout, name: str, at: int, text: str) -> Notice:
    """Return a notice of what happened to a rollout, or to what it left; `at` in ms."""
    return Notice(
        route=plan.route,
        model=plan.model,
        rollout=rollout.id,
        stable=plan.stable,
        candidate=plan.candidate,
        step=rollout.step,
        id=name,
        kind=HookKind.EVENT,
        at=at,
        text=text,
    )
