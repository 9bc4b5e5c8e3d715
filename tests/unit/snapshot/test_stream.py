"""What is written is what is read; a stream that is not whole is none."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.errors import ConfigError
from opskit.snapshot import stream as under_test
from opskit.snapshot.stream import Head, Part, SetReader, write_set

HEAD = Head("development", "multimodal-development", "A_PASSWORD=b\n", {"postgres": "15.6"})


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_BLOCK", 700)


def written(contents: dict[str, bytes]) -> bytes:
    parts = ((Part(name, rows={"public.a": ["3", "12"]}), [content]) for name, content in contents.items())
    return b"".join(write_set(HEAD, parts))


def read(data: bytes) -> tuple[SetReader, dict[str, bytes]]:
    reader = SetReader(io.BytesIO(data), "set x")
    return reader, {name: b"".join(content) for name, content in reader.read()}


@given(st.dictionaries(st.sampled_from(["roles", "postgres/a", "postgres/b", "volume/c"]), st.binary(max_size=3000)))
def test_what_is_written_is_what_is_read(contents: dict[str, bytes]) -> None:
    reader, found = read(written(contents))
    assert reader.head == HEAD
    assert found == contents
    assert {name: (part.bytes, part.rows) for name, part in reader.parts.items()} == {
        name: (len(content), {"public.a": ["3", "12"]}) for name, content in contents.items()
    }


def test_a_part_that_is_left_is_counted_too_and_the_next_is_read() -> None:
    reader = SetReader(io.BytesIO(written({"roles": b"a" * 3000, "volume/c": b"b"})), "set x")
    assert [name if name == "roles" else b"".join(content) for name, content in reader.read()] == ["roles", b"b"]


CONTENTS = {"roles": b"a" * 900, "postgres/a": b"b" * 2000}


@pytest.mark.parametrize("length", range(0, len(written(CONTENTS)) - 1024, 256))
def test_a_stream_that_ends_early_is_no_set(length: int) -> None:
    with pytest.raises(ConfigError, match=r"set x: found .*wanted a whole set"):
        read(written(CONTENTS)[:length])


@pytest.mark.parametrize("letter", [b"a", b"b"])
def test_a_byte_that_was_changed_is_no_set(letter: bytes) -> None:
    data = written(CONTENTS)
    place = data.index(letter * 500) + 100
    with pytest.raises(ConfigError, match="of another SHA-256"):
        read(data[:place] + b"x" + data[place + 1 :])


def test_another_layout_is_refused() -> None:
    data = written({}).replace(b'"schema": 1', b'"schema": 9')
    with pytest.raises(ConfigError, match="found schema 9; wanted 1"):
        SetReader(io.BytesIO(data), "set x")
