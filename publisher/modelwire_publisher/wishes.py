"""The words that `publish` understands beside the file, its name and the log."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from modelwire_publisher.order import Order


class Wishes(TypedDict, total=False):
    """All may be left out; None is the same as left out."""

    fields: Sequence[str] | None
    """The event fields that are the columns of the only input, in this order."""
    contract: str | Path | None
    """A YAML file that says which fields feed which input; else the model's metadata, its names."""
    golden: str | Path | None
    """Inputs and what the model has to answer: a .npz, or JSON lines."""
    sample: str | Path | None
    """Events, CSV or JSON lines: for golden vectors, warm-up, and how inputs are distributed."""
    metrics: Mapping[str, float] | None
    """Of the offline evaluation, by name."""
    require: Sequence[str]
    """Thresholds that metrics have to keep, such as `auc>=0.7`."""
    labels: Mapping[str, str] | None
    parent: str | None
    """The version whose contract it has to fit; by default the newest."""
    commit: str | None
    """The source's commit, for the lineage."""
    store: str | None
    """A folder or a prefix (s3: gs: az:) for the bytes; else the log carries them."""
    idempotency_key: str | None
    """A name for this release: the same key never releases something else."""
    new_contract: bool
    """A contract that breaks with the parent's is meant."""
    keep_form: bool
    """Leave a large model in one file."""
    requirements: Sequence[str]
    """Packages that consumers need, as PEP 508 has it; they are looked for here as well."""
    valid_until: int
    """From then on (ms since 1970 UTC; 0: never) no document may give it more events."""
    artifact_format: str | None
    """A format other than `onnx`; then the file may be a folder of files."""
    allowed_models: Sequence[str]
    """Model classes of the format `python` that may run here."""
    tolerance: float
    """How far off the golden outputs an answer may be, absolute plus relative."""
    author: str | None
    """Who publishes; by default the user of this process."""
    reason: str
    dry_run: bool
    """Check everything and write nothing."""


def order_of(file: str | Path, model: str, version: str, words: Wishes) -> Order:
    """Return the order for a file with these words; raises TypeError for an unknown one."""
    unknown = sorted(words.keys() - Wishes.__optional_keys__)
    if unknown:
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    return Order(
        file=Path(file),
        model=model,
        version=version,
        fields=tuple(words.get("fields") or ()),
        contract=_path(words.get("contract")),
        golden=_path(words.get("golden")),
        sample=_path(words.get("sample")),
        metrics=dict(words.get("metrics") or {}),
        require=tuple(words.get("require") or ()),
        labels=dict(words.get("labels") or {}),
        parent=words.get("parent"),
        commit=words.get("commit"),
        store=words.get("store"),
        idempotency_key=words.get("idempotency_key"),
        new_contract=words.get("new_contract", False),
        keep_form=words.get("keep_form", False),
        requirements=tuple(words.get("requirements") or ()),
        valid_until=words.get("valid_until", 0),
        artifact_format=words.get("artifact_format"),
        allowed_models=tuple(words.get("allowed_models") or ()),
        tolerance=words.get("tolerance", 1e-5),
        author=words.get("author"),
        reason=words.get("reason", ""),
        dry_run=words.get("dry_run", False),
    )


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
