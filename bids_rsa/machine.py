"""The CPUs and the memory this process may really use: the smallest of all limits that apply.

Every limit is read by a pure function of the environment and of a file tree, so that trees
recorded on other machines are read the same way. Formats: cgroups(7), proc(5), sbatch(1).
"""

import math
import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3
_MIB = 1024**2
# cgroup v1 writes "no limit" as the largest multiple of the page size; nothing real is near it
_UNLIMITED = 2**60


@dataclass(frozen=True)
class Limit:
    """One limit, a number of CPUs or of bytes, and in words where it comes from."""

    value: float
    origin: str


@dataclass(frozen=True)
class Machine:
    """What this process may use, and where each of the two numbers comes from."""

    n_cpus: int
    cpus_from: str
    memory_bytes: int
    memory_from: str

    @property
    def memory_gb(self) -> float:
        """The memory in GiB, as Nipype counts it."""
        return self.memory_bytes / GIB

    def sentence(self) -> str:
        """Say what was found, for the first lines of the log."""
        return (
            f"This process may use {self.n_cpus} CPU{'s' if self.n_cpus != 1 else ''} "
            f"({self.cpus_from}) and {self.memory_gb:.1f} GB of memory ({self.memory_from})."
        )


def find_machine(
    environ: Mapping[str, str] | None = None,
    root: str | Path = "/",
    affinity: int | None = None,
    address_space: int | None = None,
) -> Machine:
    """Find the CPUs and the memory this process may use.

    Parameters
    ----------
    environ : mapping, optional
        The environment (default: this process's).
    root : path
        Where ``proc`` and ``sys`` are.
    affinity : int, optional
        CPUs this process may be scheduled on (default: asked from the system).
    address_space : int, optional
        Bytes of ``RLIMIT_AS`` (default: asked from the system).

    Returns
    -------
    Machine
        The smallest of all limits found. A CPU quota is rounded up, as joblib does.
    """
    environ = os.environ if environ is None else environ
    root = Path(root)
    cpus = min(cpu_limits(environ, root, affinity), key=lambda limit: limit.value)
    memory = min(memory_limits(environ, root, address_space), key=lambda limit: limit.value)
    return Machine(max(1, math.ceil(cpus.value)), cpus.origin, int(memory.value), memory.origin)


def cpu_limits(environ: Mapping[str, str], root: Path, affinity: int | None) -> list[Limit]:
    """List every limit on the number of CPUs: affinity, SLURM's allocation, cgroup quotas."""
    limits = [_affinity() if affinity is None else Limit(affinity, "CPU affinity")]
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if (value := _positive(environ.get(name))) is not None:
            limits.append(Limit(value, name))
            break
    for folder in cgroup_folders(root, "cpu"):
        quota = _cpu_quota(folder)
        if quota is not None:
            limits.append(Limit(quota, "cgroup CPU quota"))
    return limits


def memory_limits(environ: Mapping[str, str], root: Path, address_space: int | None) -> list[Limit]:
    """List every limit on memory in bytes: the machine's, SLURM's, cgroups', ``ulimit -v``."""
    limits = [Limit(_total_memory(root), "all of the machine's")]
    if (value := _positive(environ.get("SLURM_MEM_PER_NODE"))) is not None:
        limits.append(Limit(value * _MIB, "SLURM_MEM_PER_NODE"))
    if (value := _positive(environ.get("SLURM_MEM_PER_CPU"))) is not None:
        n_cpus = _positive(environ.get("SLURM_CPUS_ON_NODE"))
        n_cpus = n_cpus or _positive(environ.get("SLURM_CPUS_PER_TASK")) or 1
        limits.append(Limit(value * n_cpus * _MIB, "SLURM_MEM_PER_CPU"))
    for folder in cgroup_folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            value = _positive(_text(folder / name))
            if value is not None and value < _UNLIMITED:
                limits.append(Limit(value, "cgroup memory limit"))
    if address_space is None:
        address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 < address_space < _UNLIMITED:
        limits.append(Limit(address_space, "ulimit -v"))
    return limits


def cgroup_folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield this process's cgroup folder of a controller and its parents, v1 and v2.

    A limit anywhere on the way up binds; what is above the mount (a container's) is not seen,
    and need not be, as the container runtime mounts the limited group itself.
    """
    mounts = list(_cgroup_mounts(root))
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        unified = hierarchy == "0" and not controllers
        if not unified and controller not in controllers.split(","):
            continue
        for kind, options, mount_root, mount_point in mounts:
            if (kind == "cgroup2") is unified and (unified or controller in options):
                yield from _upwards(root / mount_point.lstrip("/"), mount_root, path)


def _upwards(mount: Path, mount_root: str, path: str) -> Iterator[Path]:
    """Yield the folder of cgroup ``path`` under its mount, then its parents up to the mount."""
    prefix = mount_root.rstrip("/")
    inside = path == prefix or path.startswith(f"{prefix}/")
    folder = mount / path[len(prefix) :].strip("/") if inside else mount
    while folder != mount:
        yield folder
        folder = folder.parent
    yield mount


def _cgroup_mounts(root: Path) -> Iterator[tuple[str, list[str], str, str]]:
    """Yield type, controllers, root and mount point of each cgroup mount in mountinfo."""
    for line in (_text(root / "proc/self/mountinfo") or "").splitlines():
        mounted, _, filesystem = line.partition(" - ")
        before, after = mounted.split(), filesystem.split()
        if len(before) >= 5 and after and after[0] in ("cgroup", "cgroup2"):
            yield after[0], after[-1].split(","), before[3], before[4]


def _affinity() -> Limit:
    """Count the CPUs this process may be scheduled on; all where the system cannot say (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return Limit(len(os.sched_getaffinity(0)), "CPU affinity")
    return Limit(os.cpu_count() or 1, "all of the machine's")


def _cpu_quota(folder: Path) -> float | None:
    """Read how many CPUs a cgroup folder (v1 or v2) grants; None without a limit."""
    fields = (_text(folder / "cpu.max") or "").split()
    if len(fields) != 2:
        fields = [_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    quota, period = (_positive(field) for field in fields)
    return quota / period if quota and period else None


def _total_memory(root: Path) -> float:
    """Read the machine's memory in bytes."""
    for line in (_text(root / "proc/meminfo") or "").splitlines():
        name, _, amount = line.partition(":")
        if name == "MemTotal":
            return float(amount.split()[0]) * 1024
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _text(path: Path) -> str | None:
    """Read a small file; None where it is missing or may not be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _positive(text: str | None) -> float | None:
    """Turn text into a positive number; None for anything else (``max``, ``-1``, empty)."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value > 0 and math.isfinite(value) else None
