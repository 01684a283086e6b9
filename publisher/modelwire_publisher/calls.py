"""What others call: cheap to import, as the heavy parts load with the first call."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from modelwire_log.contract import Log
from modelwire_publisher.order import PublishedRelease, Watched, WithdrawnRelease
from modelwire_publisher.progress import Never, Progress, Stop, silent
from modelwire_publisher.wishes import Wishes, order_of


def publish(
    file: str | Path,
    *,
    model: str,
    version: str,
    log: str | Log,
    namespace: str = "default",
    kafka: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    **words: Unpack[Wishes],
) -> PublishedRelease:
    """Release a file as a version of a model; nothing serves it until a document names it.

    `log` is a URL (`kafka` are its settings) or an open log. Further words: fields, contract,
    golden, sample, metrics, require, labels, parent, commit, store, idempotency_key,
    new_contract, keep_form, requirements, valid_until, artifact_format, allowed_models, tolerance,
    author, reason, dry_run; `modelwire_publisher.Wishes` says what each is. `timeout` (s) bounds
    each word with the log.

    Safe to repeat: the same file and contract are published once, whatever happened before.
    Raises ModelwireError, and then nothing was released: Rejected for a bad input, Conflict when
    the version is there with another digest, NotFound for a file, Unavailable when the log or the
    store is away, or the file was written meanwhile (`E_CHANGED`).
    """
    from modelwire.loading.probe import Prober
    from modelwire_publisher.means import Means, opened
    from modelwire_publisher.publishing import release

    order = order_of(file, model, version, words)
    prober = Prober()
    try:
        with opened(log, kafka) as there:
            return release(order, Means(there, namespace, prober, timeout, progress or silent))
    finally:
        prober.close()


def watch(
    folder: str | Path,
    *,
    log: str | Log,
    namespace: str = "default",
    kafka: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    timeout: float = 30.0,
    stop: Stop | None = None,
    settle: float = 1.0,
    **words: Unpack[Wishes],
) -> Iterator[Watched]:
    """Release what is dropped into `folder/<model>/<version>.onnx`; yield what became of each.

    A file is whole when it is renamed into place, or when nobody wrote it for `settle` seconds. A
    `contract.yaml` beside it is its contract; further words hold for all files. What is published
    already, by whomever, is left in peace, so nothing is released twice over restarts. A broken
    file is told once and tried again when it changes; what only failed for want of the log or a
    disk is tried again by itself. Ends when `stop` is set. Raises NotFound for a folder that is
    not there, Rejected `E_REQUIREMENT` without watchfiles.
    """
    from modelwire.loading.probe import Prober
    from modelwire_publisher.means import Means, opened
    from modelwire_publisher.watching import watching

    template = replace(order_of(folder, "", "", words), by_digest=True)
    prober = Prober()
    try:
        with opened(log, kafka) as there:
            means = Means(there, namespace, prober, timeout, progress or silent)
            yield from watching(Path(folder), template, means, stop or Never(), settle)
    finally:
        prober.close()


def withdraw(
    model: str,
    version: str,
    reason: str,
    log: str | Log,
    *,
    namespace: str = "default",
    author: str | None = None,
    idempotency_key: str | None = None,
    kafka: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> WithdrawnRelease:
    """Say that no document may name a version any more; its bytes stay until they are pruned.

    Raises NotFound `E_UNKNOWN_VERSION`, Rejected `E_IN_USE` with the routes that name it,
    Unavailable when the log is away.
    """
    from modelwire_publisher.means import opened
    from modelwire_publisher.withdrawing import withdrawn

    with opened(log, kafka) as there:
        return withdrawn(
            there,
            namespace,
            model,
            version,
            reason=reason,
            author=author,
            idempotency_key=idempotency_key,
            timeout=timeout,
        )
