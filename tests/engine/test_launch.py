"""Deliberately broken projects on a real Engine: the word must be right where Compose's own is wrong."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.compose.client import Project, find_compose
from opskit.compose.progress import ComposeEvent
from opskit.engine.client import read_id
from opskit.health.outcome import Outcome, ServiceChanged
from opskit.launch import launch_project
from opskit.lock import hold_project
from tests.checkout import remove_project

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine

Launch = Callable[..., Outcome]


@pytest.fixture
def project() -> str:
    return f"opskit-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def launch(tmp_path: Path, project: str, engine: DockerClient, engine_host: str, busybox: str) -> Iterator[Launch]:
    """Launch a Compose text in which `image: box` means a local busybox; everything of it is removed afterwards."""

    def run(text: str, *, deadline_s: float = 40, name: str = "compose.yml", **more: object) -> Outcome:
        file = tmp_path / name
        file.write_text(textwrap.dedent(text).replace("image: box", f"image: {busybox}\n    stop_grace_period: 0s"))
        return launch_project(file, project, deadline_s=deadline_s, engine_host=engine_host, **more)  # type: ignore[arg-type]

    yield run
    remove_project(engine, project)


def only(outcome: Outcome, kind: str, service: str | None = "a") -> str:
    """The message of the one failure, whose kind and service are as said."""
    assert not outcome.ok
    assert [(failure.kind, failure.service) for failure in outcome.failures] == [(kind, service)], outcome
    failure = outcome.failures[0]
    assert failure.remedy
    return "\n".join([failure.message, *failure.evidence])


def test_healthy_and_plain_services_are_ready(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sleep, "600"]
            healthcheck: {test: [CMD, "true"], interval: 1s}
          b:
            image: box
            command: [sleep, "600"]
        """
    )
    assert outcome.ok
    assert [(s.service, s.state) for s in outcome.services] == [("a", "healthy"), ("b", "running")]
    assert outcome.created == 2


def test_a_second_launch_recreates_nothing(launch: Launch) -> None:
    text = """
        services:
          a:
            image: box
            command: [sleep, "600"]
        """
    first, second = launch(text), launch(text)
    assert (first.ok, second.ok) == (True, True)
    assert (first.created, second.created) == (1, 0)


@pytest.mark.parametrize("restart", ["unless-stopped", "always", "on-failure"])
def test_a_crash_loop_is_never_ready(launch: Launch, restart: str) -> None:
    outcome = launch(
        f"""
        services:
          a:
            image: box
            command: [sh, -c, "echo cannot find my thing; exit 7"]
            restart: {restart}
        """
    )
    said = only(outcome, "crash_loop")
    assert "exit code 7" in said
    assert "cannot find my thing" in said
    assert outcome.seconds < 15


def test_a_crash_loop_with_a_health_check_is_named(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "sleep 0.3; exit 3"]
            restart: always
            healthcheck: {test: [CMD, "true"], interval: 1s}
        """
    )
    assert "exit code 3" in only(outcome, "crash_loop")


def test_a_service_that_recovers_within_its_deaths_is_ready(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "n=$$(cat /d/n 2>/dev/null || echo 0); echo $$((n+1)) > /d/n; [ $$n -ge 2 ] || exit 1; exec sleep 600"]
            restart: always
            volumes: ["data:/d"]
        volumes: {data: {}}
        """
    )
    assert outcome.ok


def test_restarts_before_the_launch_do_not_count(launch: Launch) -> None:
    crashing = """
        services:
          a:
            image: box
            command: [sh, -c, "exit 1"]
            restart: always
        """
    fixed = crashing.replace('"exit 1"', '"exec sleep 600"')
    assert not launch(crashing).ok
    assert launch(fixed).ok


@pytest.mark.parametrize(("delay", "within_s"), [("0", 10), ("2", 12)])
def test_an_exit_is_a_failure_however_late(launch: Launch, delay: str, within_s: float) -> None:
    outcome = launch(
        f"""
        services:
          a:
            image: box
            command: [sh, -c, "sleep {delay}; echo going; exit 5"]
        """
    )
    said = only(outcome, "exited")
    assert "exit code 5" in said
    assert "going" in said
    assert outcome.seconds < within_s


def test_an_adopted_one_shot_may_end_and_its_dependent_starts(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          init:
            image: box
            command: ["true"]
          a:
            image: box
            command: [sleep, "600"]
            depends_on: {init: {condition: service_completed_successfully}}
        """
    )
    assert outcome.ok
    assert ("init", "completed") in [(s.service, s.state) for s in outcome.services]


def test_what_nothing_restarts_may_end_and_the_rest_is_started(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          migrate:
            image: box
            command: [sh, -c, "exit 0"]
          app:
            image: box
            command: [sleep, "600"]
        """
    )
    assert outcome.ok, outcome.failures
    assert {s.service: s.state for s in outcome.services} == {"migrate": "completed", "app": "running"}


def test_a_label_that_cannot_be_read_is_a_failure_and_no_traceback(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sleep, "600"]
            labels: {opskit.max_deaths: three}
        """
    )
    (failure,) = outcome.failures
    assert (failure.kind, failure.service) == ("bad_label", "a")
    assert "found 'three'; wanted a whole number of 1 or more" in failure.message


def test_a_labelled_one_shot_needs_no_dependent(launch: Launch) -> None:
    assert launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "sleep 1"]
            labels: {opskit.role: oneshot}
        """
    ).ok


def test_a_failed_one_shot_is_named_and_not_its_dependents(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "echo no bucket; exit 3"]
          b:
            image: box
            command: [sleep, "600"]
            depends_on: {a: {condition: service_completed_successfully}}
        """
    )
    assert "no bucket" in only(outcome, "oneshot_failed")


@pytest.mark.parametrize(
    ("command", "ports"),
    [("python3 -m http.server 9000", "9000"), ("sleep 600", "no port at all")],
    ids=["another", "none"],
)
def test_a_service_that_listens_elsewhere_is_told_where(launch: Launch, command: str, ports: str) -> None:
    outcome = launch(
        f"""
        services:
          a:
            image: box
            command: [sh, -c, "{command}"]
            healthcheck:
              test: [CMD-SHELL, "wget -qO- http://127.0.0.1:8001/health"]
              interval: 1s
              retries: 2
        """
    )
    assert f"it listens on {ports}, the contract wants 8001" in only(outcome, "unhealthy")
    assert "docs/images.md" in outcome.failures[0].remedy


def test_an_unhealthy_service_shows_its_probe(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sleep, "600"]
            healthcheck: {test: [CMD, sh, -c, "echo no answer on 8080; exit 1"], interval: 1s, retries: 2}
        """
    )
    assert "no answer on 8080" in only(outcome, "unhealthy")


def test_the_deadline_names_the_last_state(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sleep, "600"]
            healthcheck: {test: [CMD, "false"], interval: 1s, retries: 100}
        """,
        deadline_s=4,
    )
    assert "last state: starting" in only(outcome, "timeout")
    assert 4 <= outcome.seconds < 7


def test_memory_running_out_is_named(launch: Launch) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "x=a; while true; do x=$$x$$x; done"]
            mem_limit: 16m
            memswap_limit: 16m
        """
    )
    only(outcome, "oom_killed")


def test_a_port_held_by_a_process_is_named(launch: Launch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        outcome = launch(
            f"""
            services:
              a:
                image: box
                command: [sleep, "600"]
                ports: ["127.0.0.1:{holder.getsockname()[1]}:80"]
            """
        )
    only(outcome, "port_in_use")


@pytest.mark.parametrize(
    ("text", "kind", "service"),
    [
        ("services:\n  a:\n    image: opskit-test/nowhere:1\n    pull_policy: never\n", "image_missing", "a"),
        ("services:\n  a: [\n", "config_invalid", None),
        ("services:\n  a:\n    image: x\n    portz: []\n", "config_invalid", "a"),
        ("services:\n  a:\n    image: ${OPSKIT_NO_SUCH:?say which}\n", "variable_missing", "a"),
        ("services:\n  a:\n    image: box\n    env_file: ./none.env\n", "env_file_missing", None),
        (
            "services:\n  a:\n    image: box\n    networks: [n]\nnetworks:\n  n: {external: true, name: opskit-none}\n",
            "external_missing",
            None,
        ),
        ("services:\n  a:\n    image: box\n    command: [no-such-program]\n", "bad_command", "a"),
        ("services:\n  a:\n    image: box\n    runtime: none-such\n", "gpu_driver_missing", "a"),
    ],
)
def test_faults_of_the_files_are_outcomes(launch: Launch, text: str, kind: str, service: str | None) -> None:
    outcome = launch(text)
    assert not outcome.ok
    assert outcome.failures[0].kind == kind, outcome
    assert outcome.failures[0].service in {service, None}
    assert outcome.failures[0].remedy


def test_a_missing_file_is_an_outcome(project: str, engine_host: str) -> None:
    outcome = launch_project("/nowhere/compose.yml", project, engine_host=engine_host)
    assert only(outcome, "config_missing", None)


def test_an_engine_that_is_not_there_is_an_outcome(project: str, tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text("services: {a: {image: x}}")
    outcome = launch_project(file, project, engine_host=f"unix://{tmp_path}/none.sock")
    assert only(outcome, "engine_unreachable", None)


def stack_of(**services: str) -> str:
    """Services that sleep, each with further lines."""
    parts = [
        f"  {name}:\n    image: box\n    command: [sleep, '600']\n    init: true\n{more}"
        for name, more in services.items()
    ]
    return "services:\n" + "".join(parts)


HEALTH = "    healthcheck: {test: [CMD, 'true'], interval: 1s}\n"
CHANGES = {
    "a variable": (stack_of(a="    environment: {V: '1'}\n"), stack_of(a="    environment: {V: '2'}\n")),
    "one of two": (stack_of(a="", b=""), stack_of(a="", b="    environment: {V: '2'}\n")),
    "with a health check": (stack_of(a=HEALTH), stack_of(a=f"{HEALTH}    environment: {{V: '2'}}\n")),
    "scale 3 to 1": (stack_of(a="    scale: 3\n"), stack_of(a="    scale: 1\n")),
    "a network": (stack_of(a=""), stack_of(a="    networks: [n]\n") + "networks: {n: {}}\n"),
    "a dependent is restarted": (
        stack_of(a="", b="    depends_on: {a: {condition: service_started, restart: true}}\n"),
        stack_of(
            a="    environment: {V: '2'}\n", b="    depends_on: {a: {condition: service_started, restart: true}}\n"
        ),
    ),
}


@pytest.mark.parametrize("restart", ["", "    restart: on-failure\n", "    restart: unless-stopped\n"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_normal_change_of_what_runs_is_no_failure(
    launch: Launch, engine: DockerClient, project: str, change: str, restart: str
) -> None:
    before, after = (text.replace("    init: true\n", f"    init: true\n{restart}") for text in CHANGES[change])
    assert launch(before).ok
    outcome = launch(after)
    assert outcome.ok, outcome.failures
    boxes = engine.containers.list(all=True, filters={"label": f"com.docker.compose.project={project}"})
    assert {box.status for box in boxes} == {"running"}
    assert all(str(box.name).startswith(project) for box in boxes), "none is left half replaced"


@pytest.mark.parametrize("restart", ["", "    restart: on-failure\n", "    restart: unless-stopped\n"])
def test_what_stopped_yesterday_does_not_hide_what_fails_today(
    launch: Launch, engine: DockerClient, project: str, restart: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        text = stack_of(a=f"{restart}    ports: ['127.0.0.1:{port}:80']\n", b=f"{restart}    depends_on: [a]\n")
        held.close()
        assert launch(text).ok
        for box in engine.containers.list(filters={"label": f"com.docker.compose.project={project}"}):
            box.stop(timeout=0)
        with socket.create_server(("127.0.0.1", port)):
            outcome = launch(text)
    assert [failure.kind for failure in outcome.failures] == ["port_in_use"], outcome.failures


def test_a_crash_loop_that_was_there_before_is_not_ready_a_second_later(launch: Launch) -> None:
    text = """
        services:
          a:
            image: box
            command: [sh, -c, "sleep 5; exit 7"]
            restart: always
        """
    launch(text, deadline_s=12)
    time.sleep(12)
    again = launch(text, deadline_s=60)
    assert not again.ok
    assert [failure.kind for failure in again.failures] == ["crash_loop"], again


def test_what_a_person_kills_during_the_launch_is_stopped_from_outside(
    launch: Launch, engine: DockerClient, project: str
) -> None:
    def kill() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            boxes = engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})
            if [box for box in boxes if box.status == "running"]:
                time.sleep(1.0)
                boxes[0].kill()
                return
            time.sleep(0.1)

    thread = threading.Thread(target=kill)
    thread.start()
    outcome = launch(stack_of(a="    restart: always\n    labels: {opskit.stable_s: '20'}\n"), deadline_s=60)
    thread.join()
    assert [(f.kind, f.service) for f in outcome.failures] == [("stopped", "a")], outcome
    assert outcome.seconds < 20


def test_a_paused_container_is_named_with_what_brings_it_back(
    launch: Launch, engine: DockerClient, project: str
) -> None:
    assert launch(stack_of(a="")).ok
    (box,) = engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})
    box.pause()
    outcome = launch(stack_of(a=""))
    assert [failure.kind for failure in outcome.failures] == ["paused"], outcome
    assert "docker unpause" in outcome.failures[0].remedy
    box.unpause()


def test_an_unhealthy_dependency_of_what_is_new_gets_its_time_and_no_more(
    launch: Launch, engine: DockerClient, project: str, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    monkeypatch.setattr("opskit.health.readiness.GRACE_S", 6.0)
    text = """
        services:
          a:
            image: box
            command: [sh, -c, "touch /tmp/up; exec sleep 600"]
            healthcheck: {test: [CMD, test, -e, /tmp/up], interval: 1s, retries: 1}
        """
    more = """
          b:
            image: box
            command: [sleep, "600"]
            depends_on: {a: {condition: service_healthy}}
        """
    assert launch(text).ok
    (box,) = engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})
    box.exec_run(["rm", "/tmp/up"])  # noqa: S108  in its container
    until(lambda: engine.containers.get(str(box.id)).attrs["State"]["Health"]["Status"] == "unhealthy")
    outcome = launch(text.rstrip() + more)
    only(outcome, "unhealthy")
    assert 6 <= outcome.seconds < 20
    back = threading.Timer(3, box.exec_run, [["touch", "/tmp/up"]])  # noqa: S108
    back.start()
    assert launch(text.rstrip() + more).ok
    back.join()


def test_orphans_stay_whatever_the_shell_says(
    launch: Launch, engine: DockerClient, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launch(stack_of(a="", b="")).ok
    monkeypatch.setenv("COMPOSE_REMOVE_ORPHANS", "1")
    assert launch(stack_of(a="")).ok
    assert len(engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})) == 2


@pytest.mark.parametrize(
    ("step", "kind", "written"),
    [
        (
            "python3 -c 'import urllib.request as u; u.urlopen(\"http://packages.invalid\")'",
            "build_offline",
            "not known",
        ),
        ("echo no such header >&2; exit 3", "build_failed", "no such header"),
    ],
)
def test_a_build_that_fails_is_told_from_one_without_network_and_shows_its_last_lines(
    *,
    launch: Launch,
    tmp_path: Path,
    busybox: str,
    project: str,
    engine: DockerClient,
    step: str,
    kind: str,
    written: str,
) -> None:
    before = {str(image.id) for image in engine.images.list(all=True)}
    (tmp_path / "Dockerfile").write_text(f"FROM {busybox}\nRUN {step}\n")
    told = only(launch(f"services: {{a: {{build: ., image: {project}}}}}"), kind)
    for container in engine.containers.list(all=True, filters={"ancestor": busybox, "status": "exited"}):
        if step[:7] in str(container.attrs["Config"]["Cmd"]):
            container.remove()
    assert written in told
    assert "\x1b" not in told
    assert before == {str(image.id) for image in engine.images.list(all=True)}


def test_a_second_launch_at_once_names_the_holder(launch: Launch, engine: DockerClient, project: str) -> None:
    with hold_project(project, engine=read_id(engine)):
        done: list[Outcome] = []
        other = threading.Thread(target=lambda: done.append(launch("services: {a: {image: box}}")))
        other.start()
        other.join()
    assert "pid" in only(done[0], "launch_in_progress", None)


def test_replicas_are_all_waited_for(launch: Launch, engine: DockerClient, project: str) -> None:
    assert launch(
        """
        services:
          a:
            image: box
            command: [sleep, "600"]
            deploy: {replicas: 3}
            healthcheck: {test: [CMD, "true"], interval: 1s}
        """
    ).ok
    running = engine.containers.list(filters={"label": f"com.docker.compose.project={project}"})
    assert [container.attrs["State"]["Health"]["Status"] for container in running] == ["healthy"] * 3


def test_the_verdict_follows_the_third_death_within_seconds(launch: Launch, engine: DockerClient, project: str) -> None:
    outcome = launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "sleep 2; exit 1"]
            restart: always
        """
    )
    ended = time.time()
    only(outcome, "crash_loop")
    events = engine.events(
        since=int(ended - 60),
        until=int(ended + 1),
        filters={"event": "die", "label": f"com.docker.compose.project={project}"},
        decode=True,
    )
    deaths = [event["timeNano"] / 1e9 for event in events]
    assert ended - deaths[2] < 15


def test_logs_are_read_by_service_and_down_tells_what_it_removes(
    launch: Launch, engine: DockerClient, engine_host: str, project: str, tmp_path: Path
) -> None:
    assert launch(
        """
        services:
          a:
            image: box
            command: [sh, -c, "echo first words; exec sleep 600"]
        """
    ).ok
    mine = Project(find_compose(), project, (tmp_path / "compose.yml",), engine_host=engine_host)
    events: list[ComposeEvent] = []
    assert mine.take_down(timeout_s=60, sink=events.append) is None
    assert ("container", f"{project}-a-1", "Removed") in [(e.kind, e.name, e.verb) for e in events]
    assert engine.containers.list(all=True, filters={"label": f"com.docker.compose.project={project}"}) == []


@pytest.mark.parametrize(
    "again", [{"device": "tmpfs", "o": "size=900m", "type": "tmpfs"}, None], ids=["options", "none"]
)
def test_a_volume_whose_options_were_changed_is_not_ready_without_a_word(
    launch: Launch, again: dict[str, str] | None, project: str
) -> None:
    def text(options: dict[str, str] | None) -> str:
        volume = {"driver_opts": options} if options else {}
        return stack_of(a="    volumes: ['scratch:/data']\n") + f"volumes: {{scratch: {json.dumps(volume)}}}\n"

    first = {"device": "tmpfs", "o": "size=1m", "type": "tmpfs"}
    assert launch(text(first)).ok
    outcome = launch(text(again))
    assert [failure.kind for failure in outcome.failures] == ["volume_differs"], outcome
    assert f"docker volume rm {project}_scratch" in outcome.failures[0].remedy
    assert launch(text(first)).ok


def test_a_dependency_that_can_never_be_met_is_named_at_once(launch: Launch) -> None:
    outcome = launch(stack_of(a="", b="    depends_on: {a: {condition: service_healthy}}\n"))
    assert [failure.kind for failure in outcome.failures] == ["dependency_impossible"], outcome
    assert outcome.seconds < 10


def test_a_log_without_a_line_end_is_cut_and_moves_no_terminal(launch: Launch) -> None:
    noise = 'python3 -c \'print("\\\\033[2J" + "x" * 2000000)\'; exit 3'
    outcome = launch(f"services:\n  a:\n    image: box\n    command: [sh, -c, {json.dumps(noise)}]\n")
    told = only(outcome, "exited")
    assert len(told) < 2000
    assert "characters)" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ("    devices: ['/dev/none:/dev/none']\n", "device_missing"),
        ("    user: modelserver\n", "user_unknown"),
        ("    working_dir: /etc/passwd\n", "workdir_invalid"),
        ("    sysctls: {net.core.nosuch: '1'}\n", "sysctl_refused"),
        ("    ports: ['10.99.99.99:81:81']\n", "host_address_missing"),
        ("    volumes: ['/proc/nosuchdir/x:/x']\n", "bind_source_missing"),
        ("    mem_limit: '64'\n", "memory_limit"),
    ],
)
def test_what_the_engine_refuses_is_named_with_its_service(launch: Launch, lines: str, kind: str) -> None:
    outcome = launch(stack_of(other="", app=lines))
    assert [(failure.kind, failure.service) for failure in outcome.failures] == [(kind, "app")], outcome


def test_a_network_that_another_container_keeps_is_named_with_it(
    launch: Launch, engine: DockerClient, project: str, busybox: str
) -> None:
    text = """\
        services:
          a: {{image: box, command: [sleep, "600"]}}
        networks:
          default: {{labels: {{round: "{round}"}}}}
        """
    text = text.replace("image: box,", f"image: {busybox}, stop_grace_period: 0s,")
    assert launch(text.format(round=1)).ok
    other = engine.containers.run(busybox, ["sleep", "600"], network=f"{project}_default", detach=True)
    try:
        outcome = launch(text.format(round=2))
        message = only(outcome, "network_in_use", None)
        assert str(other.name) in message
        assert "Compose stopped a for the change" in message
    finally:
        other.remove(force=True)
    assert launch(text.format(round=2)).ok


def test_a_service_that_joins_a_network_while_that_changes_is_no_failure(launch: Launch) -> None:
    """Compose 5.6 fails over the container that is not on the network yet, and its own next `up` does too."""
    text = """\
        services:
          a:
            image: box
            command: [sleep, "600"]
            networks: [{networks}]
          b:
            image: box
            command: [sleep, "600"]
            networks: [one]
        networks:
          one: {{labels: {{round: "{round}"}}}}
          two: {{}}
        """
    first = launch(text.format(networks="two", round=1))
    assert first.ok, first
    second = launch(text.format(networks="one, two", round=2))
    assert second.ok, second
    assert {service.word for service in second.services} == {"ready"}


def test_the_root_is_named_before_what_fails_because_of_it(launch: Launch) -> None:
    outcome = launch(
        """\
        services:
          app:
            image: box
            command: [sh, -c, "sleep 0.5; exit 1"]
            restart: always
            depends_on: [db]
          db:
            image: box
            command: [sh, -c, "sleep 0.1; exit 2"]
            restart: always
            labels: {opskit.max_deaths: "9"}
        """
    )
    assert [failure.service for failure in outcome.failures] == ["db", "app"]
    assert {failure.kind for failure in outcome.failures} == {"crash_loop"}
    assert "waits for db" in outcome.failures[1].message


def test_a_listener_that_raises_ends_no_launch(launch: Launch) -> None:
    def raise_it(_: object) -> None:
        raise ValueError("full disk")

    with pytest.warns(RuntimeWarning, match="full disk"):
        outcome = launch(
            """\
            services:
              a:
                image: box
                command: [sleep, "600"]
            """,
            on_event=raise_it,
        )
    assert outcome.ok, outcome


@pytest.mark.usefixtures("launch")  # which removes what is started
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait_s", [0.0, 0.3, 1.0])
def test_a_signal_at_any_time_is_answered_with_cancelled(  # noqa: PLR0917
    number: signal.Signals, wait_s: float, tmp_path: Path, project: str, engine_host: str, busybox: str
) -> None:
    file = tmp_path / "other.yml"
    file.write_text(f"services: {{a: {{image: '{busybox}', command: [sleep, '600'], healthcheck: {{test: 'false'}}}}}}")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from opskit.launch import launch_project\nprint('now', flush=True)\n"
        f"o = launch_project({str(file)!r}, {project!r}, engine_host={engine_host!r})\n"
        "print([f.kind for f in o.failures], flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait_s + 0.02)
        process.send_signal(number)
        assert process.stdout.read().strip() == "['cancelled']"
    assert process.returncode == 0


def test_a_slow_start_tells_the_stage_its_log_tells(launch: Launch) -> None:
    told: list[object] = []
    outcome = launch(
        """\
        services:
          a:
            image: box
            command: [sh, -c, "echo 'Loading safetensors checkpoint shards:  40% Completed | 2/5'; sleep 7; touch /tmp/up; sleep 600"]
            healthcheck: {test: [CMD, test, -e, /tmp/up], interval: 1s, start_period: 30s}
        """,
        on_event=told.append,
    )
    assert outcome.ok, outcome
    states = [event.state for event in told if isinstance(event, ServiceChanged)]
    assert states[-3:] == ["starting", "starting: loading the weights, 40 %", "healthy"]
