from __future__ import annotations

import io
from html.parser import HTMLParser

import pytest
from rich.console import Console

from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.report import Report, Terms, judge
from opskit.show.tables import FindingsTable, Table

REMEDY = (
    "`docker pull docker.n8n.io/n8nio/some/very/long/name/that/no/table/has/room/for/in/one/line/of/its/columns:2.41.3`"
)
FINDINGS = (
    Finding("file-present", Verdict.PASS, "nginx", "/p/nginx.conf: file", "a file"),
    Finding("image-present", Verdict.WARN, "n8n", "n8n is not here", "on this Engine", REMEDY),
    Finding(
        "port-free", Verdict.FAIL, "redis 127.0.0.1:6379/tcp", "held by [evil] <b>x</b> (pid 42)", "free", "end it"
    ),
    Finding("memory-total", Verdict.FAIL, "memory", "7.7 GiB", "24.0 GiB", "use a larger host"),
)
REPORT = judge([lambda: FINDINGS], Terms(("memory-total",), "ada"))


class Reader(HTMLParser):
    """The text of HTML, and whether every tag is closed by its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)
        assert self.tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the parser's own signature
        self.tags.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(shown: Table | FindingsTable) -> Reader:
    return Reader(shown._repr_html_())


def test_one_line_sums_the_report_up_before_anything_else() -> None:
    said = "Preflight: 1 FAIL, 2 WARN, 1 PASS; 1 blocks the launch"
    assert str(FindingsTable(REPORT)).splitlines()[0] == said
    assert read(FindingsTable(REPORT)).words[0] == said


def test_an_open_gate_and_an_empty_report_say_so() -> None:
    assert FindingsTable(Report(FINDINGS[:1])).summary == "Preflight: 1 PASS; nothing blocks the launch"
    assert str(FindingsTable(Report(()))) == "Preflight: nothing to check; nothing blocks the launch\nnone"


def test_a_report_that_closes_no_gate_has_a_title_and_speaks_of_none() -> None:
    assert FindingsTable(Report(FINDINGS[:1]), title="GPUs").summary == "GPUs: 1 PASS"
    assert FindingsTable(Report(()), title="GPUs").summary == "GPUs: nothing to check"


def test_the_terminal_has_the_worst_first_and_a_word_for_each_verdict() -> None:
    lines = str(FindingsTable(REPORT)).splitlines()
    assert [line.split()[0] for line in lines if line.split()[0] in Verdict.__members__] == [
        "FAIL",
        "WARN",
        "WARN",
        "PASS",
    ]


def test_nothing_of_a_remedy_is_cut_and_no_line_is_wider_than_the_terminal() -> None:
    text = str(FindingsTable(REPORT))
    assert REMEDY.removeprefix("`docker pull ") in "".join(text.split())
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_terminal_shows_colour_and_the_same_words() -> None:
    sink = io.StringIO()
    Console(file=sink, width=120, force_terminal=True, color_system="standard").print(FindingsTable(REPORT))
    assert "\x1b[1;31mFAIL" in sink.getvalue()
    assert "\x1b" not in str(FindingsTable(REPORT))


def test_what_somebody_accepted_names_them() -> None:
    assert "remedy: accepted by ada; use a larger host" in str(FindingsTable(REPORT))
    assert "remedy: accepted by ada; use a larger host" in read(FindingsTable(REPORT)).words


def test_html_of_a_container_s_name_is_text() -> None:
    reader = read(FindingsTable(REPORT))
    assert "held by [evil] <b>x</b> (pid 42)" in reader.words
    assert "held by [evil] <b>x</b> (pid 42)" in str(FindingsTable(REPORT))
    assert "script" not in Reader(Table("<script>", ("<script>",), [("<script>",)])._repr_html_()).seen


def test_html_has_a_word_for_each_verdict_folds_the_passes_and_marks_commands() -> None:
    words = read(FindingsTable(REPORT)).words
    assert [word for word in words if word in Verdict.__members__] == ["FAIL", "WARN", "WARN", "PASS"]
    assert words.index("1 passed") < words.index("/p/nginx.conf: file")
    assert {"details", "code"} <= read(FindingsTable(REPORT)).seen


@pytest.mark.parametrize(
    "shown", [Table("Plan", ("a",), [("b",)], rehearsal=True), FindingsTable(REPORT, rehearsal=True)]
)
def test_a_rehearsal_says_so_everywhere(shown: Table | FindingsTable) -> None:
    assert str(shown).startswith("REHEARSAL  ")
    assert read(shown).words[0] == "REHEARSAL"
    assert repr(shown) == str(shown)


def test_the_real_thing_does_not_say_rehearsal() -> None:
    table = Table("Plan", ("a",), [("b",)])
    assert "REHEARSAL" not in str(table) + table._repr_html_()


def test_a_table_shows_its_rows_and_links_its_addresses() -> None:
    table = Table(
        "Addresses", ("what", "address"), [("Chat", "http://127.0.0.1:3030/?a=1&b=2"), ("Store", "redis://127.0.0.1")]
    )
    assert '<a href="http://127.0.0.1:3030/?a=1&amp;b=2" target="_blank" rel="noopener">' in table._repr_html_()
    assert table._repr_html_().count("<a ") == 1
    assert str(table).splitlines()[0] == "Addresses"
    assert str(table).splitlines()[3].split() == ["Chat", "http://127.0.0.1:3030/?a=1&b=2"]


def test_an_empty_table_says_none() -> None:
    table = Table("Containers", ("name",), [])
    assert str(table) == "Containers\nnone"
    assert read(table).words == ["Containers", "none"]


def test_evidence_is_folded_in_a_notebook_and_cut_in_a_terminal() -> None:
    lines = tuple(f"line {number} <b>" for number in range(7))
    report = Report((Finding("config-valid", Verdict.FAIL, "files", "bad", "good", "fix it", evidence=lines),))
    shown = FindingsTable(report)._repr_html_()
    assert "<details><summary>7 lines of evidence</summary>" in shown
    assert "line 6 &lt;b&gt;" in shown
    assert "line 4 <b>" in str(FindingsTable(report))
    assert "line 5" not in str(FindingsTable(report))
    assert "2 more lines are in the record" in str(FindingsTable(report))
