from __future__ import annotations

from pathlib import Path

import pytest

from opskit.audit.journal import Journal, open_run_folder, read_journal
from opskit.errors import ConfigError
from opskit.preflight.finding import Finding, Verdict


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write("note", text="é\n2")
    journal.write("findings", findings=(Finding("a-b", Verdict.FAIL, "s", "f", "w"),))
    first, second = read_journal(tmp_path)
    assert first["text"] == "é\n2"
    assert second["findings"][0]["verdict"] == "FAIL"
    assert read_journal(tmp_path, skip=1) == (second,)


def test_a_line_still_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    Journal(tmp_path).write("note", text="1")
    with (tmp_path / "events.jsonl").open("a") as sink:
        sink.write('{"kind": "no')
    assert len(read_journal(tmp_path)) == 1


def test_a_line_that_is_no_event_keeps_its_place_and_hides_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write("note", text="1")
    with (tmp_path / "events.jsonl").open("ab") as sink:
        sink.write(b'{"at": 1, "ki\xff' + b'{"at": 2, "kind": "note"}\n[]\n\n')
    journal.write("note", text="2")
    assert [event["kind"] for event in read_journal(tmp_path)] == ["note", *["unreadable"] * 3, "note"]
    assert read_journal(tmp_path, skip=4)[0]["text"] == "2"


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    Journal(None).write("note", text="1")
    assert not list(tmp_path.iterdir())


def test_two_runs_in_one_second_have_two_folders(tmp_path: Path) -> None:
    names = {open_run_folder(tmp_path, environment="a/b", act="start") for _ in range(3)}
    assert len(names) == 3
    assert all("a-b-start" in folder.name for folder in names)


def test_where_no_record_can_be_kept_the_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "audit").touch()
    with pytest.raises(ConfigError, match=r"making a run's folder in .*audit: Not a directory; .*nothing was started"):
        open_run_folder(tmp_path / "audit", environment="staging", act="start")
