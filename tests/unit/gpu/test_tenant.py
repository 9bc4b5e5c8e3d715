from __future__ import annotations

from pathlib import Path

import pytest

from opskit.gpu.container import parse_container_id, read_homes

ID = "84bc8498e086939888679bab79c9b663222fecce1c5e6862cad61358456cddf1"
OUTER = "0" * 63 + "1"

# The first two as Engine 20.10 on cgroup v1 and its kernel wrote them, shortened.
V1 = f"9:name=systemd:/docker/{ID}\n5:devices:/docker/{ID}\n0::/docker/{ID}\n"
HOST = "9:name=systemd:/\n8:pids:/\n4:memory:/process_api/0648b43f7adcc9c82dc6b26b9315ed1b\n0::/\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (V1, ID),
        (f"12:devices:/system.slice/docker-{ID}.scope\n0::/system.slice/docker-{ID}.scope\n", ID),
        (f"0::/system.slice/docker-{ID}.scope\n", ID),
        (f"0::/docker/{ID}\n", ID),
        (f"0::/system.slice/docker-{ID}.scope/init\n", ID),
        (f"0::/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{ID}.scope\n", ID),
        (f"0::/../{ID}\n", ID),
        (f"0::/docker/{OUTER}/docker/{ID}\n", ID),
        (HOST, ""),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", ""),
        ("0::/\n", ""),
        ("", ""),
        (f"no colons {ID}\n", ""),
    ],
)
def test_the_innermost_container_is_read_from_every_shape_of_the_path(text: str, found: str) -> None:
    assert parse_container_id(text) == found


def proc(root: Path, **processes: tuple[str | None, str | None]) -> Path:
    """A /proc of processes, each with its cgroup text and its pid namespace; None for one that cannot be read."""
    for pid, (cgroup, space) in processes.items():
        folder = root / pid.removeprefix("p")
        (folder / "ns").mkdir(parents=True)
        if cgroup is not None:
            (folder / "cgroup").write_text(cgroup)
        if space is not None:
            (folder / "ns/pid").symlink_to(space)
    return root


def test_a_process_is_found_by_its_cgroup_or_by_the_namespace_of_a_container(tmp_path: Path) -> None:
    there = proc(
        tmp_path,
        self=("0::/\n", "pid:[1]"),
        p10=("0::/\n", "pid:[7]"),  # the first process of the container, on an Engine without cgroups of its own
        p11=("0::/\n", "pid:[7]"),
        p12=(V1, None),
        p13=("0::/\n", "pid:[1]"),
        p14=("0::/\n", None),
        p15=(None, None),
        p17=(None, "pid:[7]"),
    )
    homes = read_homes([11, 12, 13, 14, 15, 16, 17], {"rootless": 10}, there)
    assert homes == {11: "rootless", 12: ID, 13: "", 14: "", 15: None, 16: None, 17: "rootless"}


def test_a_container_in_the_namespace_of_the_host_claims_nobody(tmp_path: Path) -> None:
    there = proc(tmp_path, self=("0::/\n", "pid:[1]"), p10=(V1, "pid:[1]"), p11=("0::/\n", "pid:[1]"))
    assert read_homes([10, 11], {ID: 10}, there) == {10: ID, 11: ""}


def test_where_the_containers_are_not_found_the_numbers_are_other_processes(tmp_path: Path) -> None:
    there = proc(tmp_path, self=("0::/\n", "pid:[1]"), p10=("0::/\n", "pid:[1]"), p11=("0::/\n", "pid:[1]"))
    assert read_homes([11], {ID: 10, OUTER: 99}, there) == {11: None}
    assert read_homes([11], {}, there) == {11: None}
