"""The command line, in this process: what it offers, refuses and answers."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import NoReturn

import pytest

from opskit.audit.parameters import describe_parameters
from opskit.audit.runner import read_notebook
from opskit.cli import run_command, runbook
from opskit.errors import EngineUnavailableError
from opskit.paths import NOTEBOOKS
from opskit.preflight.archive import to_json
from opskit.runbook.look import changes_something
from tests.facts import facts

ROOT = Path(__file__).parents[2]


GENERATED = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in runbook.commands)


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_every_parameter_of_a_notebook_is_told_by_its_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([path.stem.replace("_", "-"), "--help"]) == 0
    told = capsys.readouterr().out
    for parameter in describe_parameters(read_notebook(path.stem)):
        if parameter.name == "env":
            assert "[ENV]" in told
        elif parameter.name in {"service", "services"}:
            assert "SERVICE" in told
        else:
            assert f"--{parameter.name.replace('_', '-')}" in told
        assert parameter.told


def test_the_page_says_what_the_commands_say() -> None:
    wrote = runpy.run_path(str(ROOT / "docs/cli.py"))["write"]()
    assert (ROOT / "docs/cli.md").read_text() == wrote, "run `python docs/cli.py`"


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("--version", 0, "opskit, version"),
        ("stauts", 2, "Did you mean status?"),
        ("status nosuch", 2, "is no environment"),
        ("status --rehears yes", 2, "--rehearse"),
        ("status dev -p rehearse maybe", 2, "wanted no, yes or full"),
        ("preflight dev --strct", 2, "--strict"),
        ("logs dev --lines many", 2, "lines: found 'many' (str), wanted int"),
        ("logs dev -p lnes 3", 2, "did you mean lines?"),
        ("run nosuch", 2, "found no notebooks/nosuch.ipynb"),
        ("plan nosuch", 2, "is no environment"),
        ("plan", 2, "No environment was given"),
        ("plan dev --gpu both", 2, "gpu: found 'both'"),
        ("status --rehearse nosuch", 2, "is no environment"),
        ("status nosuch --watch", 2, "is no environment"),
        ("status --watch 0 dev", 2, "0 is not in the range x>=1"),
        ("runs show", 2, "found 0 runs; wanted 1"),
        ("runs --most -3", 2, "-3 is not in the range"),
        ("logs dev --lines -4", 2, "lines: found -4, wanted a number that is not below 0"),
        ("secret prodction STACK_API_KEY", 2, "Did you mean production?"),
        ("secret dev", 2, "Missing argument 'NAME'"),
        ("plan dev --deadline-s nan", 2, "deadline_s: found nan"),
    ],
)
def test_what_is_refused_and_how(
    line: str, status: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    assert run_command(line.split()) == status
    told = capsys.readouterr()
    assert said in told.out + told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("dev STACK_API_KEY", "of development\n"),
        ("dev STACK_API_KEY --rehearse", "of its rehearsal\n"),
        ("--rehearse dev STACK_API_KEY", "of its rehearsal\n"),
        ("dev REDIS_PASSWORD", "file\n"),
    ],
)
def test_a_secret_is_printed_as_a_launch_takes_it(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opskit.cli.ROOT", tmp_path)
    monkeypatch.setenv("REDIS_PASSWORD", "the shell's")
    for folder, whose in ((".", "of development"), (".opskit/rehearsal", "of its rehearsal")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / ".env.development").write_text(f"STACK_API_KEY='{whose}'\nREDIS_PASSWORD=file\n")
    assert run_command(["secret", *words.split()]) == 0
    assert capsys.readouterr().out == said
    assert run_command(["secret", "dev", "STACK_API_KYE"]) == 2
    assert "Did you mean STACK_API_KEY? Wanted one of: REDIS_PASSWORD, STACK_API_KEY." in capsys.readouterr().err


def test_an_archived_machine_is_judged_on_a_terminal_as_in_the_notebook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "facts-development.json"
    file.write_text(to_json(facts()))
    assert run_command(["preflight", "--record", str(file)]) == 0
    assert "can start" in capsys.readouterr().out
    assert run_command(["preflight", "--record", str(file), "--json"]) == 0
    table, findings = json.loads(capsys.readouterr().out)
    assert table["rows"][0] == {"check": "start", facts().environment.name: "can start"}
    assert findings["title"].endswith("nothing blocks the launch")


@pytest.mark.parametrize(
    ("name", "given", "answer"),
    [
        ("status", {"env": "dev"}, False),
        ("start", {}, True),
        ("first_run", {}, True),
        ("gpu", {}, False),
        ("gpu", {"confirm": "staging:dual"}, True),
        ("secrets", {"action": "recover"}, True),
        ("clean", {"mode": "ask"}, False),
        ("clean", {"mode": "auto"}, True),
    ],
)
def test_only_what_looks_runs_without_a_record(name: str, given: dict[str, str], answer: bool) -> None:
    assert changes_something(name, given) is answer


def test_a_command_is_named_as_shells_name_them() -> None:
    names = runbook.list_commands(None)  # type: ignore[arg-type]
    assert "first-run" in names
    assert not any("_" in name for name in names)


def test_plan_takes_every_parameter_of_a_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["plan", "--help"]) == 0
    told = capsys.readouterr().out
    for parameter in describe_parameters(read_notebook("start")):
        assert parameter.name == "env" or f"--{parameter.name.replace('_', '-')}" in told


@pytest.mark.parametrize(
    ("words", "env", "rehearse"),
    [
        ("--rehearse development", "development", "yes"),
        ("development --rehearse", "development", "yes"),
        ("--rehearse full development", "development", "full"),
        ("--rehearse=full development", "development", "full"),
        ("development --rehearse --json", "development", "yes"),
    ],
)
def test_an_option_that_may_stand_alone_takes_only_a_value_of_its_own(words: str, env: str, rehearse: str) -> None:
    command = runbook.get_command(None, "status")  # type: ignore[arg-type]
    assert command is not None
    given = command.make_context("status", words.split()).params
    assert (given["env"], given["rehearse"]) == (env, rehearse)


def test_a_status_asked_again_and_again_tells_of_an_engine_that_is_away_and_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> NoReturn:
        raise EngineUnavailableError("there is no socket", "start it")

    monkeypatch.setattr("opskit.runbook.status.open_engine", away)
    looks = iter((None, KeyboardInterrupt()))

    def sleep(seconds: float) -> None:
        assert seconds == 3
        if (end := next(looks)) is not None:
            raise end

    monkeypatch.setattr("opskit.cli.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        run_command(["status", "dev", "--watch", "3"])
    assert capsys.readouterr().out.count("there is no socket") == 2


def test_a_quiet_status_answers_by_its_exit_status_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opskit.runbook.status.Status.standing", ())
    monkeypatch.setattr("opskit.runbook.status.Status._engine", None)
    monkeypatch.setattr("opskit.runbook.status.read_grants", lambda *_: ())
    monkeypatch.setattr("opskit.runbook.status.look_inside", lambda *_: ())
    assert run_command(["status", "dev", "--quiet"]) == 4
    assert run_command(["status", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
