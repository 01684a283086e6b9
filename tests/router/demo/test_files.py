"""The demo finds its files in a checkout and in an installed package."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from modelwire_router.demo import files
from modelwire_router.rollout_file.reading import read_rollouts
from modelwire_schemas.errors import NotFound

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "flights"
MODELS = ("v1", "v2", "v3", "numeric", "bomb", "not_a_model")
ROLLOUTS = ("canary", "shadow", "ab", "bluegreen", "rolling")


@pytest.mark.parametrize("name", MODELS)
def test_a_checkout_plays_its_own_example(name: str) -> None:
    assert files.model(name) == EXAMPLE / f"{name}.onnx"


@pytest.mark.parametrize("name", ROLLOUTS)
def test_a_rollout_file_of_the_demo_is_one_that_lint_passes(name: str) -> None:
    path = files.rollout(name)
    assert path == EXAMPLE / "demo" / f"{name}.yaml"
    (wanted,) = read_rollouts((path,), None)
    assert wanted.plan.strategy.lower() == name


def test_the_flights_of_a_checkout_are_the_example_s() -> None:
    assert files.flights() == EXAMPLE / "flights_2013_jan_feb.csv.gz"


def test_a_missing_file_is_named_with_the_places_that_were_looked_at(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"^E_DEMO_FILE: .*v9\.onnx") as raised:
        files.find("v9.onnx", (tmp_path,))
    assert str(tmp_path) in str(raised.value)


def test_a_wheel_brings_the_files_to_where_they_are_looked_for(tmp_path: Path) -> None:
    wheel = built_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "from modelwire_router.demo import files\n"
        f"print(files.flights(), *map(files.model, {MODELS!r}), "
        f"*map(files.rollout, {ROLLOUTS!r}), sep='\\n')"
    )
    printed = subprocess.run(
        [sys.executable, "-S", "-c", code],  # -S: nothing of this environment, only the wheel
        env={"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    data = tmp_path / "site" / "modelwire_router" / "demo_data"
    assert [Path(line).parent for line in printed] == [data] * 12
    brought = [Path(line) for line in printed]
    folders = [EXAMPLE / "demo" if path.suffix == ".yaml" else EXAMPLE for path in brought]
    assert all(
        path.read_bytes() == (folder / path.name).read_bytes()
        for path, folder in zip(brought, folders, strict=True)
    )


def built_wheel(folder: Path) -> Path:
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / done.stdout.split()[-1]
