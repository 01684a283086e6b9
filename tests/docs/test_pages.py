"""What README and the pages show is run, page by page, in the order shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.broker import Broker

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"<!-- try(?:: (?P<mark>\w+))? -->\n```(?P<kind>sh|python)\n(?P<text>.*?)```", re.DOTALL
)
EXIT = re.compile(r"^(?P<command>modelwire .*?)\s+# exit (?P<code>\d)$", re.MULTILINE)
ORDER = ("operate", "embed")
"""README shows first how it is embedded; something has to be released before."""

PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md"))]
SHOWING = [page for page in PAGES if BLOCK.search((ROOT / page).read_text(encoding="utf-8"))]


def script(page: str) -> str:
    """Return a page's blocks as one shell script that ends at the first surprise."""
    found = list(BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")))
    found.sort(key=lambda block: ORDER.index(block["mark"]) if block["mark"] in ORDER else 0)
    return "set -euo pipefail\n" + "\n".join(_runnable(block) for block in found)


def _runnable(block: re.Match[str]) -> str:
    if block["kind"] == "python":
        return f"python - <<'PYTHON'\n{block['text']}PYTHON\n"
    return EXIT.sub(r"{ code=0; \g<command> || code=$?; test $code = \g<code>; }", block["text"])


@pytest.mark.parametrize("page", [page for page in SHOWING if page != "docs/kafka.md"])
@pytest.mark.timeout(120)
def test_what_a_page_shows_works(page: str, tmp_path: Path) -> None:
    run(page, tmp_path)


@pytest.mark.system
@pytest.mark.timeout(120)
def test_what_the_kafka_page_shows_works(tmp_path: Path, kafka_broker: Broker) -> None:
    run("docs/kafka.md", tmp_path, MODELWIRE_LOG=kafka_broker.url, MODELWIRE_NAMESPACE="pages")


def run(page: str, folder: Path, **variables: str) -> None:
    """Run a page's blocks in a folder that has the examples, with our commands on the path."""
    (folder / "examples").symlink_to(ROOT / "examples")
    commands = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "MODELWIRE_CACHE": str(folder / "cache"),
        **variables,
    }
    done = subprocess.run(
        ["bash", "-c", script(page)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
