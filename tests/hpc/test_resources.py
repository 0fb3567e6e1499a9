"""The limits that apply to this process are found, on recorded trees and on this machine."""

import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import joblib
import pytest

from bids_rsa.machine import GIB, find_machine

MEMINFO = "MemTotal:       65536000 kB\nMemFree:        1000000 kB\n"
CONTAINER = "/libpod_parent/libpod-0199ca61"

# podman 4 under runc, cgroup v1, `--memory 700m --cpus 1`: the container's own group is mounted
V1_CONTAINER = {
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": f"4:memory:{CONTAINER}\n1:cpu:{CONTAINER}\n0::{CONTAINER}\n",
    "proc/self/mountinfo": (
        "88 80 0:47 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755\n"
        f"89 88 0:29 {CONTAINER} /sys/fs/cgroup/cpu ro,relatime - cgroup cgroup rw,cpu\n"
        f"92 88 0:32 {CONTAINER} /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n"
    ),
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "734003200\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
}
# a bare cgroup v1 machine: the limits are written, and mean that there are none
V1_HOST = {
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "9:name=systemd:/\n4:memory:/user/1000\n1:cpu,cpuacct:/\n0::/\n",
    "proc/self/mountinfo": (
        "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/user/1000/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
}
# Docker on cgroup v2 with a cgroup namespace, `--memory 2g --cpus 1.5`
V2_CONTAINER = {
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "1510 1 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n",
    "sys/fs/cgroup/memory.max": "2147483648\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
}
# SLURM's cgroup/v2 plugin: the job's group carries the limit, the task's own group has none
SLURM_SCOPE = "/system.slice/slurmstepd.scope/job_42"
V2_SLURM = {
    "proc/meminfo": MEMINFO,
    "proc/self/cgroup": f"0::{SLURM_SCOPE}/step_batch/user/task_0\n",
    "proc/self/mountinfo": "29 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
    f"sys/fs/cgroup{SLURM_SCOPE}/memory.max": "3145728000\n",
    f"sys/fs/cgroup{SLURM_SCOPE}/step_batch/user/task_0/memory.max": "max\n",
    f"sys/fs/cgroup{SLURM_SCOPE}/step_batch/user/task_0/cpu.max": "max 100000\n",
}


def make_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("tree", "environ", "affinity", "n_cpus", "cpus_from", "memory", "memory_from"),
    [
        (V1_CONTAINER, {}, 8, 1, "quota", 734003200, "cgroup"),
        (V1_HOST, {}, 8, 8, "affinity", 65536000 * 1024, "machine"),
        (V2_CONTAINER, {}, 8, 2, "quota", 2 * GIB, "cgroup"),
        (V2_CONTAINER, {}, 1, 1, "affinity", 2 * GIB, "cgroup"),
        (V2_SLURM, {}, 64, 64, "affinity", 3145728000, "cgroup"),
        (V2_SLURM, {"SLURM_CPUS_PER_TASK": "6"}, 64, 6, "PER_TASK", 3145728000, "cgroup"),
        (V1_HOST, {"SLURM_CPUS_PER_TASK": "16"}, 4, 4, "affinity", 65536000 * 1024, "machine"),
        (
            V1_HOST,
            {"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "500"},
            32, 4, "ON_NODE", 2000 * 1024**2, "PER_CPU",
        ),
        (V1_HOST, {"SLURM_MEM_PER_NODE": "4096"}, 8, 8, "affinity", 4 * GIB, "PER_NODE"),
        # `sbatch --mem=0` asks for all of a node's memory
        (V1_HOST, {"SLURM_MEM_PER_NODE": "0"}, 8, 8, "affinity", 65536000 * 1024, "machine"),
    ],
)  # fmt: skip
def test_the_smallest_limit_that_applies_is_found_and_named(
    tmp_path, tree, environ, affinity, n_cpus, cpus_from, memory, memory_from
):
    machine = find_machine(environ, make_tree(tmp_path, tree), affinity, address_space=-1)
    assert (machine.n_cpus, machine.memory_bytes) == (n_cpus, memory)
    assert cpus_from in machine.cpus_from
    assert memory_from in machine.memory_from
    assert machine.cpus_from in machine.sentence()
    assert machine.memory_from in machine.sentence()


def test_a_system_without_cgroups_and_proc_still_has_an_answer(tmp_path):
    machine = find_machine({}, tmp_path, affinity=3, address_space=-1)
    assert machine.n_cpus == 3
    assert machine.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("value", ["", "many", "-1", "nan", "inf"])
def test_nonsense_in_the_environment_is_no_limit(tmp_path, value):
    environ = {"SLURM_CPUS_PER_TASK": value, "SLURM_MEM_PER_NODE": value}
    machine = find_machine(environ, make_tree(tmp_path, V1_HOST), 8, address_space=-1)
    assert (machine.n_cpus, machine.memory_bytes) == (8, 65536000 * 1024)


def test_on_this_machine_the_cpus_are_those_joblib_counts():
    environ = {name: value for name, value in os.environ.items() if "SLURM" not in name}
    assert find_machine(environ).n_cpus == joblib.cpu_count()


def found_by_child(prepare) -> list[int]:
    """The CPUs and bytes a child process finds after ``prepare`` ran in it."""
    code = (
        "from bids_rsa.machine import find_machine; m = find_machine({});"
        "print(m.n_cpus, m.memory_bytes)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=prepare, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(value) for value in answer.stdout.split()]


def test_affinity_and_ulimit_of_a_real_process():
    one = min(os.sched_getaffinity(0))

    def restrict():
        os.sched_setaffinity(0, {one})
        resource.setrlimit(resource.RLIMIT_AS, (6 * GIB, 6 * GIB))

    n_cpus, memory = found_by_child(restrict)
    assert n_cpus == 1
    assert memory <= 6 * GIB


def own_memory_cgroup() -> Path | None:
    """A new memory cgroup of this machine; None where it may not be made."""
    for parent in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        if any((parent / name).exists() for name in ("memory.limit_in_bytes", "memory.stat")):
            try:
                folder = parent / f"bids_rsa_test_{os.getpid()}"
                folder.mkdir()
            except OSError:
                return None
            return folder
    return None


def remove_cgroup(folder: Path) -> None:
    """Remove a cgroup, which is busy for a moment after its last process has ended."""
    for _ in range(200):
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)
    folder.rmdir()


def test_a_real_cgroup_memory_limit():
    folder = own_memory_cgroup()
    names = ("memory.limit_in_bytes", "memory.max")
    limit = folder and next((folder / n for n in names if (folder / n).exists()), None)
    if limit is None:
        if folder:
            folder.rmdir()
        pytest.skip("no memory cgroup may be made here")
    try:
        limit.write_text(str(600 * 1024**2))
        tasks = folder / "cgroup.procs"
        _, memory = found_by_child(lambda: tasks.write_text(str(os.getpid())))
        assert memory == 600 * 1024**2
    finally:
        remove_cgroup(folder)
