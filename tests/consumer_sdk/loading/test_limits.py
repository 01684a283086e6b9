"""Memory is what the cgroup leaves, of either version."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelwire.loading import limits

MEGABYTE = 1024 * 1024


def system(root: Path, files: dict[str, str]) -> Path:
    """Lay out what the system would tell."""
    for name, content in ({"proc/meminfo": "MemAvailable: 8192 kB\n"} | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_without_cgroups_the_machine_is_the_limit(tmp_path: Path) -> None:
    root = system(tmp_path, {})
    assert limits.memory_limit(root) is None
    assert limits.memory_free(root) == 8 * MEGABYTE


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/pods/one"
    root = system(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pods/one\n",
            f"{group}/memory.max": "max\n",
            f"{group}/memory.current": "1000\n",
            "sys/fs/cgroup/pods/memory.max": f"{6 * MEGABYTE}\n",
            "sys/fs/cgroup/pods/memory.current": f"{2 * MEGABYTE}\n",
        },
    )
    assert limits.memory_limit(root) == 6 * MEGABYTE
    assert limits.memory_free(root) == 4 * MEGABYTE


def test_a_container_sees_its_group_as_the_root(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../docker/abc\n",
            "sys/fs/cgroup/memory.max": f"{512 * MEGABYTE}\n",
            "sys/fs/cgroup/memory.current": f"{510 * MEGABYTE}\n",
        },
    )
    assert limits.memory_limit(root) == 512 * MEGABYTE
    assert limits.memory_free(root) == 2 * MEGABYTE


def test_cgroups_of_version_1_are_read(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{4 * MEGABYTE}\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{5 * MEGABYTE}\n",
        },
    )
    assert limits.memory_limit(root) == 4 * MEGABYTE
    assert limits.memory_free(root) == 0
    (root / "sys/fs/cgroup/memory/job/memory.limit_in_bytes").unlink()
    assert limits.memory_limit(root) is None


@pytest.mark.parametrize("content", ["", "garbage", "0::", "\xff", "1:2"])
def test_what_cannot_be_read_limits_nothing(tmp_path: Path, content: str) -> None:
    root = system(tmp_path, {"proc/self/cgroup": content})
    assert limits.memory_limit(root) is None


def test_a_limit_on_the_address_space_counts() -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "from modelwire.loading import limits; print(limits.memory_limit())"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(said.stdout) <= 1 << 30
