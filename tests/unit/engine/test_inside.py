"""The kernel's table of sockets, and what of it an image itself listens on."""

from __future__ import annotations

import pytest

from opskit.engine.client import parse_listening

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = (
    "   0: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 81 1 0 100 0 0 10 0\n"
)
LISTENS_6 = "   0: 00000000000000000000000000000000:1F41 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000\n"
CONNECTED = (
    "   1: 0100007F:1F41 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 82 1 0 20 4 30 10 -1\n"
)
NAME_SERVER = (
    "   2: 0B00007F:9C41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 83 1 0 100 0 0 10\n"
)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        (HEAD + LISTENS, (9000,)),
        (HEAD + LISTENS + HEAD + LISTENS_6, (8001, 9000)),
        (HEAD + CONNECTED + NAME_SERVER, ()),
        ("cat: /proc/net/tcp6: No such file or directory\n" + HEAD + LISTENS, (9000,)),
        ('exec: "cat": executable file not found in $PATH', None),
        ("", None),
    ],
)
def test_only_sockets_that_listen_count_and_the_engine_s_name_server_does_not(
    text: str, ports: tuple[int, ...] | None
) -> None:
    assert parse_listening(text) == ports
