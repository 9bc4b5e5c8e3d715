"""Values read back out of containers' variables, and how they are written down again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opskit.secrets.envfile import Entry, parse_lines, quote
from opskit.secrets.recover import find_values, mark_of

URL = f"postgresql://n8n:{mark_of('N8N_DB_PASSWORD')}@postgres/n8n?a=$b"


def test_a_value_is_found_alone_and_inside_another() -> None:
    templates = {
        "n8n": {"URL": URL, "KEY": mark_of("N8N_ENCRYPTION_KEY")},
        "postgres": {"P": mark_of("N8N_DB_PASSWORD")},
    }
    containers = [
        ("n8n", {"URL": "postgresql://n8n:pw@postgres/n8n?a=$b", "KEY": "key", "PATH": "/bin"}),
        ("postgres", {"P": "pw"}),
    ]
    found = find_values(templates, containers)
    assert found == {"N8N_DB_PASSWORD": {"pw": ("n8n", "postgres")}, "N8N_ENCRYPTION_KEY": {"key": ("n8n",)}}


def test_containers_that_differ_give_both_values_and_what_does_not_fit_gives_none() -> None:
    templates = {
        "a": {"P": mark_of("X")},
        "b": {"P": mark_of("X")},
        "c": {"U": URL, "TWO": mark_of("X") + mark_of("Y")},
    }
    containers = [("a", {"P": "1"}), ("b", {"P": "2"}), ("c", {"U": "mysql://n8n:pw@postgres", "TWO": "12"}), ("d", {})]
    assert find_values(templates, containers) == {"X": {"1": ("a",), "2": ("b",)}}


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\"), min_size=1))
def test_a_quoted_value_is_read_as_it_was(value: str) -> None:
    (entry,) = parse_lines(f"NAME={quote(value)}")
    assert isinstance(entry, Entry)
    assert (entry.value, entry.literal) == (value, True)
