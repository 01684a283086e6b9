"""Where the demo's files lie: in the installed package, or in a checkout."""

from pathlib import Path

from modelwire_schemas.errors import NotFound

PACKAGE = Path(__file__).resolve().parents[1]
EXAMPLE = PACKAGE.parents[1] / "examples" / "flights"
FOLDERS = (PACKAGE / "demo_data", EXAMPLE, EXAMPLE / "demo")


def flights() -> Path:
    """Return the events: a gzipped CSV, one flight a row, in order of departure."""
    return find("flights_2013_jan_feb.csv.gz")


def model(name: str) -> Path:
    """Return the ONNX file `name`: v1, v2, v3, numeric, bomb or not_a_model."""
    return find(f"{name}.onnx")


def rollout(name: str) -> Path:
    """Return the rollout file `name`: canary, shadow, ab, bluegreen or rolling."""
    return find(f"{name}.yaml")


def find(file: str, folders: tuple[Path, ...] = FOLDERS) -> Path:
    """Return `file` from the first of `folders` that has it; raises NotFound `E_DEMO_FILE`."""
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise NotFound(
        "E_DEMO_FILE",
        f"the demo's file {file} is missing",
        where=" and ".join(str(folder) for folder in folders),
        expected="the files that come with modelwire",
        todo="install modelwire again",
    )
