"""What a file is by its first bytes, where it is no model."""

SIGNS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "a git-lfs pointer", "run git lfs pull"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it, or export the model as ONNX"),
    (0, b"\x1f\x8b", "a gzip file", "unpack it"),
    (0, b"BZh", "a bzip2 file", "unpack it"),
    (0, b"\xfd7zXZ", "an xz file", "unpack it"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it"),
    (4, b"ORTM", "an ORT flatbuffer", "publish the .onnx file that it was made from"),
    (4, b"TFL3", "a TensorFlow Lite model", "export the model as ONNX"),
    (0, b"\x89HDF", "an HDF5 file", "export the model as ONNX"),
    (0, b"\x93NUMPY", "a numpy array", "export the model as ONNX"),
    (0, b"\x7fELF", "a program", "export the model as ONNX"),
    (0, b"%PDF", "a PDF", "export the model as ONNX"),
    (8, b'{"', "a safetensors file", "export the model as ONNX"),
)

PICKLES = frozenset(b"\x02\x03\x04\x05")

HEAD = 512
"""How many bytes are looked at."""


def foreign(head: bytes) -> tuple[str, str] | None:
    """Return what a file with these first bytes is, and what to do; None when it may be ONNX."""
    for at, sign, what, todo in SIGNS:
        if head[at:].startswith(sign):
            return what, todo
    if head[:1] == b"\x80" and head[1:2] and head[1] in PICKLES:
        return "a pickle", "export the model as ONNX: a pickle runs code when it is read"
    return _text(head)


def _text(head: bytes) -> tuple[str, str] | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML", "download the model again; this is a web page"
    if start.startswith(b"<"):
        return "XML", "export the model as ONNX"
    if start.startswith((b"{", b"[")):
        return "JSON", "export the model as ONNX"
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return "plain text", "export the model as ONNX"
    return None
