"""Memory that this process may really use: by cgroup, rlimit and what is free."""

import resource
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = 1 << 60
"""What cgroups of version 1 write for no limit is above this."""


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the most bytes that this process may have, None without a limit below the machine's.

    The smallest of the cgroup's limits, those above it, and RLIMIT_AS.
    """
    limits = [limit for limit, _ in _cgroup_memory(root)]
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits, default=None)


def memory_free(root: Path = Path("/")) -> int:
    """Return the bytes that may still be taken: of the machine, and of each cgroup around."""
    free = [limit - used for limit, used in _cgroup_memory(root)]
    told = _text(root / "proc/meminfo").splitlines()
    free += [int(line.split()[1]) * 1024 for line in told if line.startswith("MemAvailable:")]
    return max(0, min(free, default=UNLIMITED))


def _cgroup_memory(root: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and use (bytes) of every cgroup around this process that has a limit."""
    names = {
        "": ("memory.max", "memory.current"),
        "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    }
    for controller, (limit_file, used_file) in names.items():
        for folder in _cgroups(root, controller):
            limit = _number(folder / limit_file)
            if limit is not None and limit < UNLIMITED:
                yield limit, _number(folder / used_file) or 0


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Yield this process's cgroup and those above it; the controller "" is version 2's tree."""
    mount = root / "sys/fs/cgroup" / controller
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and controller in controllers.split(","):
            inside = mount / path.lstrip("/")
            # In a container the path may be the host's, and not be there: its root is ours then.
            yield from (folder for folder in (inside, *inside.parents) if _under(folder, mount))


def _under(folder: Path, mount: Path) -> bool:
    return folder.is_relative_to(mount) and folder.is_dir()


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
