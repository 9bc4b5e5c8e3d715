from __future__ import annotations

from opskit.rehearsal.packages import select_lines, select_stanzas

DEBIAN = """Types: deb
# http://snapshot.example/archive
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"""

SECURITY = """Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main"""

OTHER = """Types: deb
URIs: https://packages.example
Suites: nodistro
Components: main"""


def test_stanzas_of_the_release_are_kept_and_other_vendors_go() -> None:
    text = f"{DEBIAN}\n\n{OTHER}\n\n{SECURITY}\n"
    assert select_stanzas(text, "bookworm") == f"{DEBIAN}\n\n{SECURITY}\n"


def test_a_stanza_that_is_switched_off_goes() -> None:
    assert select_stanzas(f"Enabled: no\n{DEBIAN}\n", "bookworm") == ""


def test_a_release_whose_name_begins_alike_is_another() -> None:
    assert select_stanzas(DEBIAN, "book") == ""


def test_one_line_sources_of_the_release_are_kept() -> None:
    text = """# comment
deb http://archive.ubuntu.com/ubuntu noble main universe
deb [arch=amd64 signed-by=/k.gpg] http://archive.ubuntu.com/ubuntu noble-updates main
deb-src http://archive.ubuntu.com/ubuntu noble main
#deb http://archive.ubuntu.com/ubuntu noble-backports main
deb https://packages.example cloud-sdk-noble main
"""
    assert select_lines(text, "noble") == (
        "deb http://archive.ubuntu.com/ubuntu noble main universe\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://archive.ubuntu.com/ubuntu noble-updates main\n"
    )


def test_no_source_of_the_release_is_nothing() -> None:
    assert select_lines("deb https://packages.example other main\n", "noble") == ""
