"""A whole Kafka as jars, fetched once with Maven into the user's cache."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOM = Path(__file__).parent / "kafka"
POM = ROOM / "pom.xml"


class KafkaMissing(Exception):
    """Java, Maven or the jars are not there; the text says how to get them."""


def home() -> Path:
    """Return the folder of the jars, whether it exists or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = re.search(r"<kafka\.version>(.+?)<", POM.read_text(encoding="utf-8"))
    assert version is not None
    return cache / "modelwire" / f"kafka-{version[1]}"


def java() -> str:
    """Return the path of the Java runtime; raise KafkaMissing if there is none."""
    return _tool("java", "install a Java runtime, 17 or newer")


def classpath() -> str:
    """Return the class path of the broker; raise KafkaMissing if the jars are not fetched."""
    libs = home()
    if not libs.is_dir():
        raise KafkaMissing(f"the Kafka jars are not in {libs}: run `make kafka`")
    return f"{libs}/*"


def fetch() -> Path:
    """Copy the jars into the cache, unless they are there; return their folder."""
    libs = home()
    if libs.is_dir():
        return libs
    maven = _tool("mvn", "install Maven")
    libs.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when whole, so that a broken download is never taken for the jars.
    with tempfile.TemporaryDirectory(dir=libs.parent) as room:
        copied = Path(room) / libs.name
        subprocess.run(
            [
                *(maven, "--batch-mode", "--quiet", "-f", str(POM), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={copied}"),
            ],
            check=True,
        )
        try:
            copied.rename(libs)
        except OSError:
            if not libs.is_dir():  # another run was first, which is as good
                raise
    return libs


def _tool(name: str, remedy: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise KafkaMissing(f"`{name}` is not on the path: {remedy}")
    return found
