"""What a process may use of a machine: what a container allows counts, not what it shows."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
from programs import finished

from codex_release.base.machine import cores, free_memory, stand_back
from codex_release.wheels.deflater import Deflater


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with 8 GB left, without control groups."""
    write(tmp_path / "proc/meminfo", "MemTotal: 16000000 kB\nMemFree: 1000 kB\nMemAvailable:    8000000 kB\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_without_limits_all_is_there(root: Path) -> None:
    assert cores(root) == 8
    assert free_memory(root) == 8_000_000 * 1024


def test_affinity_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert cores(root) == 1


@pytest.mark.parametrize(("said", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1)])
def test_a_quota_of_a_control_group_counts(said: str, expected: int, root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/user/job\n")
    write(root / "sys/fs/cgroup/user/cpu.max", f"{said}\n")
    write(root / "sys/fs/cgroup/user/job/cpu.max", "max 100000\n")
    assert cores(root) == expected


def test_in_a_container_the_limit_lies_at_the_mount(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/docker/0123\n")
    write(root / "sys/fs/cgroup/cpu.max", "300000 100000\n")
    write(root / "sys/fs/cgroup/memory.max", "1000\n")
    write(root / "sys/fs/cgroup/memory.current", "900\n")
    write(root / "sys/fs/cgroup/memory.stat", "anon 400\ninactive_file 300\nactive_file 200\n")
    assert cores(root) == 3
    assert free_memory(root) == 600


def test_the_first_version_of_control_groups(root: Path) -> None:
    write(root / "proc/self/cgroup", "5:cpu,cpuacct:/job\n3:memory:/job\n2:pids:/job\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    write(root / "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "5000\n")
    write(root / "sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1000\n")
    assert cores(root) == 3
    assert free_memory(root) == 4000


@pytest.mark.parametrize("damage", ["", "max", "a b c", "0 0", "-1 x", "\0", "inactive_file x"])
def test_what_a_system_says_in_another_way_is_no_limit_and_no_failure(damage: str, root: Path) -> None:
    write(root / "proc/self/cgroup", f"{damage}\n0::/\n")
    for name in ("cpu.max", "memory.stat"):
        write(root / "sys/fs/cgroup" / name, damage)
    for name in ("memory.max", "memory.current"):
        write(root / "sys/fs/cgroup" / name, "1000")
    assert cores(root) >= 1
    assert free_memory(root) == 0


def test_where_little_memory_is_left_less_of_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_release.wheels.deflater.free_memory", lambda: 100 << 20)
    with Deflater(2) as small:
        first = small.buffer(40 << 20)
        assert not small._has_room(1 << 20)
        small.discard(first)


@pytest.mark.skipif(sys.platform != "linux", reason="only there")
def test_who_stands_back_is_the_thread_alone_and_what_it_starts() -> None:
    before = os.nice(0)
    said: list[str] = []

    def ask() -> None:
        stand_back()
        said.append(finished(sys.executable, "-c", "import os; print(os.nice(0))").stdout.strip())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert said == ["10"]
    assert os.nice(0) == before
