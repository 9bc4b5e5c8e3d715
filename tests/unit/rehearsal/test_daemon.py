from __future__ import annotations

from pathlib import Path

from opskit.rehearsal.daemon import Place


def folder(length: int) -> Path:
    return Path("/" + "a" * (length - 1))


def test_the_longest_socket_of_the_engine_decides_where_they_are() -> None:
    # "/exec/containerd/containerd.sock.ttrpc" has 38 bytes; 107 is what a socket's path may have.
    assert Place(folder(69)).run == folder(69)
    assert Place(folder(70)).run.parent == Path("/run")


def test_bytes_are_counted_not_letters() -> None:
    assert Place(Path("/" + "ä" * 40)).run.parent == Path("/run")


def test_each_far_folder_has_sockets_of_its_own() -> None:
    assert Place(folder(80)).host != Place(folder(81)).host
    assert Place(folder(80)).host == Place(folder(80)).host
