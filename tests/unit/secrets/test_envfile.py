from __future__ import annotations

import pytest

from opskit.secrets.envfile import Damage, Entry, parse_lines, values_of

# What `docker compose --env-file … config --environment` (5.6.1) made of each line.
LITERAL = {
    "X=a": "a",
    "X= a ": "a",
    "X = a": "a",
    " X=a": "a",
    "X: a": "a",
    "export X=a": "a",
    "X=a\r": "a",
    "\ufeffX=a": "a",
    "X=a b": "a b",
    "X=a=b": "a=b",
    "X=a #c": "a",
    "X=a#c": "a#c",
    "X=a\t#c": "a\t#c",
    "X= # c": "# c",
    "X=a'b'": "a'b'",
    "X=a\\nb": "a\\nb",
    "X=a\u2028b": "a\u2028b",
    "X='a'": "a",
    "X='a$b'": "a$b",
    "X='a#b' # c": "a#b",
    "X='a\\'b'": "a'b",
    "X='a\\\\b'": "a\\\\b",
    'X="a # b"': "a # b",
}


@pytest.mark.parametrize("line", LITERAL)
def test_a_value_reads_as_compose_reads_it(line: str) -> None:
    assert list(parse_lines(line)) == [Entry(1, "X", LITERAL[line], literal=True)]


@pytest.mark.parametrize("line", ["X=a$b", 'X="a$b"', 'X="a\\nb"', 'X="a\\"b"'])
def test_what_compose_replaces_is_not_literal(line: str) -> None:
    (entry,) = parse_lines(line)
    assert isinstance(entry, Entry)
    assert not entry.literal


@pytest.mark.parametrize("line", ["X", "junk here", "=a", "1X=a", "X='a", 'X="a', "X='a'b", 'X="a\\"'])
def test_damage_is_named_by_its_line_and_never_quoted(line: str) -> None:
    (damage,) = parse_lines(f"# first\n{line}".removesuffix("\n"))
    assert isinstance(damage, Damage)
    assert damage.line == 2
    assert "junk" not in damage.reason


def test_comments_and_empty_lines_say_nothing() -> None:
    assert not list(parse_lines("\n# X=a\n   \n"))


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = 'A=1\nA=2\nB=\nC=""\nD=x$y\njunk\nE=x$y\n'
    with pytest.raises(ValueError, match="twice") as caught:
        values_of(parse_lines(text), ".env.x", {"B", "C", "D"})
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [".env.x:2", ".env.x:3", ".env.x:4", ".env.x:5", ".env.x:6"]
    assert "single quotes" in lines[3]


@pytest.mark.parametrize("line", ["HF_TOKEN=", "HTTP_PROXY=", 'NO_PROXY=""', "MULTIMODAL_WORKER_GPUS="])
def test_an_optional_variable_may_be_written_empty(line: str) -> None:
    name = line.partition("=")[0]
    assert values_of(parse_lines(line), "f", {"REDIS_PASSWORD"}) == {name: ""}


def test_an_ordinary_setting_may_hold_a_variable() -> None:
    text = "A=of-the-file\nHOME=/file\nMODELS_DIR=$HOME/${A}/$LATER\nLATER=x"
    values = values_of(parse_lines(text, {"HOME": "/shell"}), "f", {"REDIS_PASSWORD"})
    assert values["MODELS_DIR"] == "/shell/of-the-file/", "the shell's, a line before, and nothing of a line after"


def test_a_variable_that_is_not_understood_is_a_fault_with_its_place() -> None:
    for text in ("A=${B", "A=${B!}", "A=${B:?needed}", "A=${B:-${C}}"):
        with pytest.raises(ValueError, match=r"f:1: A: its \$\{ is not"):
            values_of(parse_lines(text), "f", ())
