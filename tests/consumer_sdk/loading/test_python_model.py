"""A plain Python class becomes a model: installed, named by its package, and allowed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = '''
"""A model class of a package that was installed."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class Threshold:
    """Late when the departure delay is above what the artifact says."""

    def __init__(self, artifacts: Mapping[str, Path]) -> None:
        self.limit = json.loads(artifacts["settings.json"].read_text())["limit"]

    def predict(self, batch: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return {"late": (batch["dep_delay"] > self.limit).astype(np.float32)}


class Waits:
    """Does not come back, and needs no processor for that."""

    def __init__(self, artifacts: Mapping[str, Path]) -> None:
        import threading
        threading.Event().wait()


class Leaves:
    """Ends its process."""

    def __init__(self, artifacts: Mapping[str, Path]) -> None:
        import os
        os._exit(3)
'''

ENTRY_POINTS = """
[modelwire.models]
threshold = tiny_models:Threshold
leaves = tiny_models:Leaves
waits = tiny_models:Waits
broken = tiny_models:Missing
"""

APPLICATION = """
import json, sys
from contextlib import closing
from pathlib import Path
import numpy as np
from modelwire.loading.cache import Cache
from modelwire.loading.fetch import fetch
from modelwire.loading.formats import LoadOptions, find, named
from modelwire.loading.probe import Prober, probe_once
from modelwire.loading.tensors import from_array, to_array
from modelwire.loading.verdicts import ProbeRequest
from modelwire_schemas.errors import ModelwireError
from tests.consumer_sdk.loading.making import artifact, release

cache = Cache(Path(sys.argv[1]))
delays = np.array([3, 40, 16], np.float32)


def tell(prober, card, allowed):
    files = {"model.json": card.encode(), "settings.json": b'{"limit": 15}'}
    made = artifact(files, kind="python")
    request = ProbeRequest(
        fetch(release(made), None, "artifacts", cache),
        made,
        rows=(from_array("dep_delay", delays),),
        requirements=("tiny-models>=1",),
        allowed_models=tuple(allowed),
        seconds=3.0,
    )
    found = prober.probe(request)
    if not found.ok:
        return [found.code, found.detail]
    model = find("python").load(request.folder, made, LoadOptions(allowed_models=tuple(allowed)))
    outputs = named(model, model.fast({"dep_delay": delays}))
    model.close()
    return ["ok", found.runtime, to_array(found.answers[0]).tolist(), outputs["late"].tolist()]


with closing(Prober()) as prober:
    print(json.dumps([tell(prober, *case) for case in json.loads(sys.argv[2])]))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Install a tiny package where only this test looks."""
    folder = tmp_path / "site"
    info = folder / "tiny_models-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "tiny_models.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


def told(site: Path, *cases: tuple[str, list[str]]) -> list[list[object]]:
    """Return what an application finds for artifacts with these cards and allowed classes."""
    command = [sys.executable, "-c", APPLICATION, str(site.parent / "cache"), json.dumps(cases)]
    path = os.pathsep.join([str(site), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, timeout=25
    )
    assert done.stderr == ""
    answers: list[list[object]] = json.loads(done.stdout)
    return answers


def card(entry_point: str) -> str:
    tensor = {"dtype": "float32", "shape": [None]}
    return json.dumps(
        {
            "entry_point": entry_point,
            "inputs": [{"name": "dep_delay", **tensor}],
            "outputs": [{"name": "late", **tensor}],
        }
    )


def test_an_allowed_class_is_probed_and_serves(site: Path) -> None:
    ((word, runtime, probed, served),) = told(site, (card("threshold"), ["other", "threshold"]))
    assert word == "ok"
    assert re.fullmatch(r"python 3\.\d+\.\d+.*; tiny-models 1\.0.*", str(runtime))
    assert probed == served == [0.0, 1.0, 1.0]


REFUSED: list[tuple[str, list[str], str]] = [
    ("threshold", [], "E_NOT_ALLOWED: model class 'threshold' is not allowed"),
    ("threshold", ["leaves"], "E_NOT_ALLOWED: .* expected one of leaves"),
    ("os:system", ["threshold"], "E_NOT_ALLOWED: "),
    ("missing", ["missing"], "E_REQUIREMENT: no installed package offers"),
    ("broken", ["broken"], "E_LOAD: AttributeError: "),
    ("leaves", ["leaves"], "E_PROBE_CRASH: the probe ended by itself with status 3"),
    ("waits", ["waits"], "E_PROBE_TIMEOUT: the probe did not end within 3 s"),
]


def test_every_other_class_is_refused(site: Path) -> None:
    cases = [(card(name), allowed) for name, allowed, _ in REFUSED]
    for (code, detail), (_, _, pattern) in zip(told(site, *cases), REFUSED, strict=True):
        assert re.match(pattern, f"{code}: {detail}")


def test_a_card_that_cannot_be_read_is_refused(site: Path) -> None:
    texts = ["", "[]", "{}", '{"entry_point": 1, "inputs": [], "outputs": []}']
    for code, detail in told(site, *[(text, ["threshold"]) for text in texts]):
        assert code == "E_LOAD"
        assert str(detail).startswith("model.json cannot be read: ")
