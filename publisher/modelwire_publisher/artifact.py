"""From what the publisher has to an artifact: read, recognised, put into its form, named."""

import hashlib
import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelwire_publisher import mapped, sniff, staging
from modelwire_publisher.onnx_file import OnnxFile, Outside, look
from modelwire_publisher.progress import Progress, Stage
from modelwire_schemas import names
from modelwire_schemas.errors import NotFound, Rejected
from modelwire_schemas.release import Artifact, ArtifactFile, manifest_digest

GRAPH = "model.onnx"

METADATA = "modelwire.contract"
"""The key under which a model's own metadata holds its contract, as JSON."""


@dataclass(frozen=True, slots=True)
class Staged:
    """An artifact whose files lie in `folder`, not sent yet.

    `original` is the sha256 of the file as it was given, where it was put into another form;
    `contract` is what its metadata says of the event fields, as JSON.
    """

    folder: Path
    artifact: Artifact
    original: str = ""
    contract: str = ""


def stage(
    path: Path,
    work: Path,
    *,
    format: str | None,  # noqa: A002
    keep_form: bool,
    progress: Progress,
) -> Staged:
    """Return the artifact of a file, staged in the empty folder `work`.

    A format that is not `onnx` is one file, or a folder of files without folders. Raises
    ModelwireError: `E_NO_FILE`, `E_EMPTY`, `E_NOT_FILE`, `E_READ`, `E_NOT_REGULAR`, `E_CHANGED`,
    `E_TOO_BIG`, `E_FORMAT`, `E_LOAD`, `E_EXTERNAL`, `E_PATH`, `E_NO_SPACE`.
    """
    folder = work / "artifact"
    folder.mkdir()
    if format not in (None, "onnx"):
        return _stage_others(path, folder, format or "", progress)
    original = work / "original"
    with staging.opened(path) as source:
        _refuse_foreign(source)
        staging.copy(source, original, _counter(Stage.READ, source.size, progress))
    with original.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        seen = _look(path, data)
        beside = _bring_outside(path, folder, seen.outside, progress)
        mappable = not beside and not keep_form and mapped.pays(seen)
        if mappable:
            told = _counter(Stage.MAP, mapped.weight_bytes(seen), progress)
            mapped.split(data, seen, original, folder, told)
    digest = _sha256(original) if mappable else ""
    if not mappable:
        original.rename(folder / GRAPH)
    heavy = sum((folder / name).stat().st_size for name in beside) >= mapped.WORTH
    form = "mapped" if mappable or (heavy and not keep_form) else "packed"
    artifact = _artifact(folder, "onnx", form)
    return Staged(folder, artifact, digest, seen.metadata.get(METADATA, ""))


def _stage_others(path: Path, folder: Path, format: str, progress: Progress) -> Staged:  # noqa: A002
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    if not paths:
        raise Rejected("E_EMPTY", "the folder is empty", where=str(path), expected="files")
    for one in paths:
        names.name("file", one.name)
        with staging.opened(one) as source:
            told = _counter(Stage.READ, source.size, progress)
            staging.copy(source, folder / one.name, told)
    artifact = _artifact(folder, names.name("format", format), "packed")
    return Staged(folder, artifact)


def _refuse_foreign(source: staging.Opened) -> None:
    found = sniff.foreign(os.pread(source.handle, sniff.HEAD, 0))
    if found is not None:
        what, todo = found
        where = str(source.path)
        raise Rejected("E_FORMAT", f"this is {what}", where=where, expected="ONNX", todo=todo)


def _look(path: Path, data: mmap.mmap) -> OnnxFile:
    try:
        seen = look(data)
    except ValueError as error:
        raise Rejected(
            "E_LOAD",
            f"the file is cut or damaged: {error}",
            where=str(path),
            expected="a whole ONNX model",
            todo="copy or export it again",
        ) from None
    if seen.graph is None:
        raise Rejected("E_FORMAT", "the file holds no graph", where=str(path), expected="ONNX")
    return seen


def _bring_outside(
    path: Path, folder: Path, outside: Sequence[Outside], progress: Progress
) -> list[str]:
    """Copy the files of weights that lie beside the model; return their names."""
    tensors = {one.location: one.tensor for one in reversed(outside)}
    for location, tensor in sorted(tensors.items()):
        name = _beside(path, location, tensor)
        source = path.parent / name
        try:
            with staging.opened(source) as opened:
                told = _counter(Stage.READ, opened.size, progress)
                staging.copy(opened, folder / name, told)
        except NotFound:
            raise Rejected(
                "E_EXTERNAL",
                f"the values of tensor {tensor!r} lie in a file that is not there",
                where=str(source),
                todo="put the file beside the model",
            ) from None
    return sorted(tensors)


def _beside(path: Path, location: str, tensor: str) -> str:
    """Return a location that is a plain name; raises Rejected `E_PATH`."""
    plain = names.PATTERN.fullmatch(location) is not None
    if plain and PurePosixPath(location).name == location and location != GRAPH:
        return location
    raise Rejected(
        "E_PATH",
        f"tensor {tensor!r} has its values in {location!r:.120}",
        where=str(path),
        expected="the plain name of a file beside the model",
        todo="save the model again with its weights beside it",
    )


def _artifact(folder: Path, format: str, form: str) -> Artifact:  # noqa: A002
    files = tuple(
        ArtifactFile(path.name, path.stat().st_size, _sha256(path))
        for path in sorted(folder.iterdir())
    )
    return Artifact(format, form, manifest_digest(format, form, files), files)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _counter(stage: Stage, total: int, progress: Progress) -> Callable[[int], None]:
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        progress(stage, done, total)

    progress(stage, 0, total)
    return told
