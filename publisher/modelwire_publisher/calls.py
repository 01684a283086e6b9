"""What others call: cheap to import, as the heavy parts load with the first call."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from modelwire_log.contract import Log
from modelwire_publisher.order import Order, PublishedRelease, Watched, WithdrawnRelease
from modelwire_publisher.progress import Never, Progress, Stop, silent


def publish(
    file: str | Path,
    *,
    model: str,
    version: str,
    log: str | Log,
    namespace: str = "default",
    fields: Sequence[str] | None = None,
    contract: str | Path | None = None,
    golden: str | Path | None = None,
    sample: str | Path | None = None,
    metrics: Mapping[str, float] | None = None,
    require: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    parent: str | None = None,
    commit: str | None = None,
    store: str | None = None,
    idempotency_key: str | None = None,
    new_contract: bool = False,
    keep_form: bool = False,
    requirements: Sequence[str] = (),
    artifact_format: str | None = None,
    allowed_models: Sequence[str] = (),
    tolerance: float = 1e-5,
    author: str | None = None,
    reason: str = "",
    kafka: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    timeout: float = 30.0,
) -> PublishedRelease:
    """Release a file as a version of a model; nothing serves it until a document names it.

    `log` is a URL (`kafka` are its settings) or an open log. Which event fields feed which input:
    `fields` (one tensor, columns in this order), `contract` (a YAML file), the model's metadata,
    or the names of its inputs. `golden` (.npz or JSON lines) is what it has to answer, within
    `tolerance`; else golden vectors are its own answers to events of `sample` (CSV or JSON
    lines). `require` are thresholds for `metrics`, such as `auc>=0.7`. `parent` is the version
    whose contract it has to fit, by default the newest; `new_contract` says that it need not.
    `store` is a folder or a prefix (s3: gs: az:) for the bytes, which else travel on the log.
    `keep_form` leaves a large model in one file. `artifact_format` other than `onnx`:
    `allowed_models` are the classes that may run. `timeout` (s) bounds each word with the log.

    Safe to repeat: the same file and contract are published once, whatever happened before.
    Raises ModelwireError, and then nothing was released: Rejected for a bad input, Conflict when
    the version is there with another digest, NotFound for a file, Unavailable when the log or the
    store is away, `E_CHANGED` when the file was written meanwhile.
    """
    from modelwire.loading.probe import Prober
    from modelwire_publisher.publishing import Means, opened, release

    order = Order(
        file=Path(file),
        model=model,
        version=version,
        fields=tuple(fields or ()),
        contract=_path(contract),
        golden=_path(golden),
        sample=_path(sample),
        metrics=dict(metrics or {}),
        require=tuple(require),
        labels=dict(labels or {}),
        parent=parent,
        commit=commit,
        store=store,
        idempotency_key=idempotency_key,
        new_contract=new_contract,
        keep_form=keep_form,
        requirements=tuple(requirements),
        artifact_format=artifact_format,
        allowed_models=tuple(allowed_models),
        tolerance=tolerance,
        author=author,
        reason=reason,
        dry_run=dry_run,
    )
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
    sample: str | Path | None = None,
    labels: Mapping[str, str] | None = None,
    store: str | None = None,
    new_contract: bool = False,
    keep_form: bool = False,
    requirements: Sequence[str] = (),
    author: str | None = None,
    reason: str = "",
    kafka: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    settle: float = 1.0,
    timeout: float = 30.0,
) -> Iterator[Watched]:
    """Release what is dropped into `folder/<model>/<version>.onnx`; yield what became of each.

    A file is whole when it is renamed into place, or when nobody wrote it for `settle` seconds. A
    `contract.yaml` beside it is its contract. What is published already, by whomever, is left in
    peace, so nothing is released twice over restarts. A broken file is told once and tried again
    when it changes; what only failed for want of the log or a disk is tried again by itself. Ends
    when `stop` is set. Raises NotFound for a folder that is not there, Rejected `E_REQUIREMENT`.
    """
    from modelwire.loading.probe import Prober
    from modelwire_publisher.publishing import Means, opened
    from modelwire_publisher.watching import watching

    template = Order(
        file=Path(folder),
        model="",
        version="",
        sample=_path(sample),
        labels=dict(labels or {}),
        store=store,
        new_contract=new_contract,
        keep_form=keep_form,
        requirements=tuple(requirements),
        author=author,
        reason=reason,
        by_digest=True,
    )
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
    from modelwire_publisher.publishing import opened
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


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
