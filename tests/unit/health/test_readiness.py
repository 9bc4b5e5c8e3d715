from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from opskit.compose.model import Ending
from opskit.engine.model import ContainerEvent, ContainerState
from opskit.health.readiness import ServiceNeed, Tracker, Word

RUNNING = ContainerState("1", "a", "running")
RESTARTING = ContainerState("1", "a", "restarting", exit_code=7, restarts=True)


def tracker(**need: object) -> Tracker:
    """A tracker of one service `a`, whose first snapshot was empty: all it sees was made by this launch."""
    made = Tracker({"a": ServiceNeed("a", **need)})  # type: ignore[arg-type]
    made.observe([], 0.0)
    return made


def state_of(seen: Tracker, now: float) -> tuple[str, str]:
    word = seen.words(now)[0]
    return word.word.value, word.state


def die(exit_code: int) -> ContainerEvent:
    return ContainerEvent("1", "a", "die", exit_code=exit_code)


def test_absent_waits() -> None:
    assert state_of(tracker(), 5.0) == ("waiting", "absent")


def test_without_a_health_check_it_is_ready_once_stable_and_not_before() -> None:
    seen = tracker(stable_s=4.0)
    seen.observe([RUNNING], 10.0)
    assert state_of(seen, 13.9) == ("waiting", "settling")
    assert state_of(seen, 14.0) == ("ready", "running")


def test_a_death_starts_the_settling_anew() -> None:
    seen = tracker(stable_s=4.0)
    seen.observe([RUNNING], 0.0)
    seen.feed(die(1), 3.0)
    seen.update(replace(RUNNING, restart_count=1), 3.2)
    assert state_of(seen, 7.1) == ("waiting", "settling")
    assert state_of(seen, 7.2) == ("ready", "running")


def test_starting_waits_and_healthy_is_ready() -> None:
    seen = tracker()
    seen.observe([replace(RUNNING, health="starting")], 0.0)
    assert state_of(seen, 99.0) == ("waiting", "starting")
    seen.update(replace(RUNNING, health="healthy"), 100.0)
    assert state_of(seen, 100.0) == ("ready", "healthy")


def test_two_deaths_wait_and_the_third_is_a_crash_loop() -> None:
    seen = tracker()
    seen.observe([RESTARTING], 0.0)
    seen.feed(die(7), 0.1)
    seen.feed(die(7), 0.2)
    assert state_of(seen, 0.3) == ("waiting", "restarting (2)")
    seen.feed(die(7), 0.4)
    word = seen.words(0.5)[0]
    assert (word.word, word.kind, word.exit_code, word.deaths) == (Word.NEVER, "crash_loop", 7, 3)


def test_deaths_that_no_event_told_are_counted_from_inspect() -> None:
    seen = tracker()
    seen.observe([RESTARTING], 0.0)
    seen.observe([replace(RESTARTING, restart_count=3)], 5.0)
    assert seen.words(5.0)[0].kind == "crash_loop"


def test_restarts_before_the_launch_are_history() -> None:
    seen = Tracker({"a": ServiceNeed("a")})
    seen.observe([replace(RUNNING, restart_count=50)], 0.0)
    assert state_of(seen, 0.0) == ("ready", "running")


def test_what_ended_before_the_launch_waits_until_compose_is_done() -> None:
    seen = Tracker({"a": ServiceNeed("a")})
    seen.observe([ContainerState("1", "a", "exited", exit_code=1)], 0.0)
    assert state_of(seen, 1.0) == ("waiting", "exited")
    seen.settle(1.0)
    assert seen.words(1.0)[0].kind == "exited"


def test_what_was_unhealthy_before_the_launch_has_a_grace_after_compose_is_done() -> None:
    seen = Tracker({"a": ServiceNeed("a")})
    seen.observe([replace(RUNNING, health="unhealthy")], 0.0)
    assert state_of(seen, 1000.0) == ("waiting", "unhealthy")
    seen.settle(1000.0)
    assert state_of(seen, 1059.9) == ("waiting", "unhealthy")
    assert seen.words(1060.0)[0].kind == "unhealthy"


def test_what_turns_unhealthy_while_another_is_replaced_has_the_same_grace_and_none_once_it_is_restarted() -> None:
    seen, restarted = Tracker({"a": ServiceNeed("a")}), Tracker({"a": ServiceNeed("a")})
    for each in (seen, restarted):
        each.observe([replace(RUNNING, health="healthy")], 0.0)
    restarted.feed(ContainerEvent("1", "a", "start"), 1.0)
    for each in (seen, restarted):
        each.feed(ContainerEvent("1", "a", "health_status", health="unhealthy"), 2.0)
        each.update(replace(RUNNING, health="unhealthy"), 2.0)
        each.settle(3.0)
    assert state_of(seen, 62.9) == ("waiting", "unhealthy")
    seen.unsettle()  # Compose is run again, since it fails over what is unhealthy: the time goes on
    seen.settle(60.0)
    assert seen.words(63.0)[0].kind == "unhealthy"
    assert restarted.words(2.0)[0].kind == "unhealthy"


def test_unhealthy_is_never_by_event_and_by_inspect() -> None:
    by_event, by_look = tracker(), tracker()
    by_event.observe([replace(RUNNING, health="starting")], 0.0)
    by_event.feed(ContainerEvent("1", "a", "health_status", health="unhealthy"), 1.0)
    by_look.observe([replace(RUNNING, health="unhealthy")], 0.0)
    assert [seen.words(1.0)[0].kind for seen in (by_event, by_look)] == ["unhealthy", "unhealthy"]


def test_unhealthy_while_restarting_is_not_a_verdict() -> None:
    seen = tracker()
    seen.observe([replace(RESTARTING, health="unhealthy")], 0.0)
    assert seen.words(0.0)[0].word is Word.WAITING


def test_a_one_shot_is_ready_when_it_ended_with_0_and_never_otherwise() -> None:
    good, bad = tracker(ending=Ending.MUST), tracker(ending=Ending.MUST)
    good.observe([ContainerState("1", "a", "exited", exit_code=0)], 0.0)
    bad.observe([ContainerState("1", "a", "exited", exit_code=3)], 0.0)
    assert state_of(good, 0.0) == ("ready", "completed")
    assert (bad.words(0.0)[0].kind, bad.words(0.0)[0].exit_code) == ("oneshot_failed", 3)


def test_a_running_one_shot_waits_however_long_it_is_stable() -> None:
    seen = tracker(ending=Ending.MUST)
    seen.observe([RUNNING], 0.0)
    assert state_of(seen, 1000.0) == ("waiting", "running")


def test_an_end_with_0_of_what_nothing_restarts_is_completed_and_another_end_is_not() -> None:
    good, bad = tracker(ending=Ending.MAY), tracker(ending=Ending.MAY)
    good.observe([replace(RUNNING, status="exited", exit_code=0)], 1.0)
    bad.observe([replace(RUNNING, status="exited", exit_code=2)], 1.0)
    good.settle(1.0)
    bad.settle(1.0)
    assert [(word.word, word.state) for word in good.words(2.0)] == [(Word.READY, "completed")]
    assert [(word.word, word.kind) for word in bad.words(2.0)] == [(Word.NEVER, "exited")]


def test_an_end_of_what_is_no_one_shot_is_never_even_with_0() -> None:
    seen = tracker()
    seen.observe([ContainerState("1", "a", "exited", exit_code=0)], 0.0)
    assert seen.words(0.0)[0].kind == "exited"


def test_an_end_by_memory_is_named_by_event_or_by_inspect() -> None:
    by_event, by_look = tracker(), tracker()
    by_event.observe([RUNNING], 0.0)
    by_event.feed(ContainerEvent("1", "a", "oom"), 0.1)
    by_event.update(ContainerState("1", "a", "exited", exit_code=137), 0.2)
    by_look.observe([ContainerState("1", "a", "exited", exit_code=137, oom_killed=True)], 0.0)
    assert [seen.words(1.0)[0].kind for seen in (by_event, by_look)] == ["oom_killed", "oom_killed"]


def test_a_kill_for_memory_that_is_told_after_the_death_is_named_and_a_kill_that_is_not_is_an_end() -> None:
    for_memory, looped, killed = tracker(), tracker(max_deaths=1), tracker()
    for seen, status in ((for_memory, "exited"), (looped, "restarting"), (killed, "exited")):
        seen.observe([RUNNING], 0.0)
        seen.feed(die(137), 8.0)
        seen.update(replace(RUNNING, status=status, exit_code=137), 8.0)
        assert seen.words(8.9)[0].word is Word.WAITING
    for seen in (for_memory, looped):
        seen.feed(ContainerEvent("1", "a", "oom"), 8.9)
    assert [seen.words(9.0)[0].kind for seen in (for_memory, looped, killed)] == ["oom_killed", "oom_killed", "exited"]


def test_an_end_that_a_look_sees_before_its_event_may_be_for_memory_too() -> None:
    seen = tracker()
    seen.observe([RUNNING], 0.0)
    seen.update(replace(RUNNING, status="exited", exit_code=137), 8.0)
    assert seen.words(8.9)[0].word is Word.WAITING
    seen.update(replace(RUNNING, status="exited", exit_code=137, oom_killed=True), 8.9)
    assert seen.words(8.9)[0].kind == "oom_killed"


def test_every_replica_must_be_ready() -> None:
    seen = tracker(replicas=2)
    healthy = [replace(RUNNING, id=str(n), number=str(n), health="healthy") for n in range(2)]
    seen.observe(healthy[:1], 0.0)
    assert state_of(seen, 0.0) == ("waiting", "scaling")
    seen.observe(healthy, 1.0)
    assert state_of(seen, 1.0) == ("ready", "healthy")


def test_a_recreated_container_is_judged_by_its_successor() -> None:
    seen = Tracker({"a": ServiceNeed("a")})
    seen.observe([replace(RUNNING, health="unhealthy")], 0.0)
    seen.feed(ContainerEvent("1", "a", "destroy"), 1.0)
    seen.update(ContainerState("2", "a", "running", health="healthy"), 2.0)
    assert state_of(seen, 2.0) == ("ready", "healthy")


_ACTIONS = st.sampled_from(["die", "start", "oom", "health_status", "destroy"])
_STATES = st.builds(
    ContainerState,
    id=st.just("1"),
    service=st.just("a"),
    status=st.sampled_from(["created", "running", "restarting", "exited", "paused", "dead"]),
    health=st.sampled_from([None, "starting", "healthy", "unhealthy"]),
    exit_code=st.integers(0, 255),
    oom_killed=st.booleans(),
    restart_count=st.integers(0, 10),
    restarts=st.booleans(),
)


@given(st.lists(st.one_of(_ACTIONS, _STATES)), st.booleans())
def test_ready_is_said_only_of_what_runs_or_completed(steps: list[object], one_shot: bool) -> None:
    seen = tracker(ending=Ending.MUST if one_shot else Ending.NEVER)
    for now, step in enumerate(steps):
        if isinstance(step, ContainerState):
            seen.observe([step], float(now))
        else:
            seen.feed(ContainerEvent("1", "a", str(step), exit_code=1, health="unhealthy"), float(now))
        word = seen.words(float(now))[0]
        if word.word is Word.READY:
            last = seen._seen["1"].state
            assert last.status == ("running" if word.state in {"running", "healthy"} else "exited")
            assert last.health in {None, "healthy"} or one_shot
        assert (word.kind is not None) == (word.word is Word.NEVER)


def kill(identity: str = "1", signal: int = 15) -> ContainerEvent:
    return ContainerEvent(identity, "a", "kill", signal=signal)


def test_a_container_that_compose_stops_to_replace_it_is_no_death_of_its_service() -> None:
    seen = Tracker({"a": ServiceNeed("a")}, clock_s=1000.0)
    old = replace(RUNNING, created_s=10.0, started_s=10.0)
    seen.observe([old], 0.0)
    new = replace(RUNNING, id="2", status="created", created_s=990.0)
    seen.update(new, 0.5)
    for event in (kill(), die(143)):
        seen.feed(event, 1.0)
    seen.update(replace(old, status="exited", exit_code=143), 1.0)
    assert state_of(seen, 1.0) == ("waiting", "created")
    seen.feed(ContainerEvent("1", "a", "destroy"), 1.1)
    seen.update(replace(new, status="running", started_s=1001.2), 1.2)
    seen.settle(1.3)
    assert state_of(seen, 5.2) == ("ready", "running")


def test_an_end_that_is_seen_before_its_event_waits_for_what_that_tells() -> None:
    replaced, exited = Tracker({"a": ServiceNeed("a")}), Tracker({"a": ServiceNeed("a")})
    for each in (replaced, exited):
        each.observe([RUNNING], 0.0)
        each.observe([replace(RUNNING, status="exited", exit_code=143)], 10.0)
        assert state_of(each, 10.0) == ("waiting", "exited")
    replaced.feed(ContainerEvent("1", "a", "kill", signal=15), 10.1)
    replaced.feed(die(143), 10.2)
    assert state_of(replaced, 13.0) == ("waiting", "stopping")
    assert exited.words(12.0)[0].kind == "exited"


def test_replicas_that_compose_takes_away_are_no_deaths() -> None:
    seen = Tracker({"a": ServiceNeed("a")}, clock_s=1000.0)
    seen.observe([replace(RUNNING, id=str(n), number=str(n), started_s=1.0) for n in (1, 2)], 0.0)
    seen.feed(kill("2"), 0.1)
    seen.feed(ContainerEvent("2", "a", "die", exit_code=137), 0.2)
    seen.update(ContainerState("2", "a", "exited", exit_code=137, number="2"), 0.2)
    assert state_of(seen, 0.3) == ("ready", "running")


def test_what_a_person_stops_after_compose_is_done_is_stopped_and_not_restarting_for_ever() -> None:
    for restarts in (True, False):
        seen = tracker()
        seen.observe([replace(RUNNING, restarts=restarts)], 0.0)
        seen.settle(0.5)
        seen.feed(kill(signal=9), 1.0)
        seen.feed(die(137), 1.0)
        seen.update(ContainerState("1", "a", "exited", exit_code=137, restarts=restarts), 1.0)
        word = seen.words(1.1)[0]
        assert (word.word, word.kind, word.deaths) == (Word.NEVER, "stopped", 0)


def test_a_signal_that_is_meant_to_be_survived_is_no_end() -> None:
    seen = tracker()
    seen.observe([RUNNING], 0.0)
    seen.settle(0.1)
    seen.feed(kill(signal=1), 1.0)
    seen.feed(die(1), 2.0)
    seen.update(ContainerState("1", "a", "exited", exit_code=1), 2.0)
    assert seen.words(2.1)[0].kind == "exited"


def test_what_is_removed_or_paused_by_hand_is_named() -> None:
    seen = tracker()
    seen.observe([RUNNING], 0.0)
    seen.settle(0.5)
    seen.update(replace(RUNNING, status="paused"), 1.0)
    assert seen.words(1.0)[0].kind == "paused"
    seen.feed(ContainerEvent("1", "a", "destroy"), 2.0)
    assert seen.words(2.0)[0].kind == "removed"


def test_a_container_the_engine_should_restart_and_does_not_has_exited() -> None:
    seen = tracker()
    seen.observe([replace(RUNNING, restarts=True)], 0.0)
    seen.feed(die(1), 1.0)
    seen.update(ContainerState("1", "a", "exited", exit_code=1, restarts=True), 1.0)
    assert state_of(seen, 5.9) == ("waiting", "restarting (1)")
    assert seen.words(6.0)[0].kind == "exited"


def test_what_was_not_started_in_this_launch_says_so() -> None:
    seen = Tracker({"a": ServiceNeed("a")}, clock_s=1000.0)
    seen.observe([ContainerState("1", "a", "exited", exit_code=143)], 0.0)
    seen.settle(1.0)
    assert seen.words(1.0)[0].started is False
    seen.feed(ContainerEvent("1", "a", "start"), 1.1)
    assert seen.words(1.2)[0].started is True


def test_a_crash_loop_from_before_the_launch_is_not_ready_by_the_age_of_its_service() -> None:
    looping = replace(RUNNING, restart_count=20, restarts=True, created_s=800.0, started_s=998.0)
    seen = Tracker({"a": ServiceNeed("a")}, clock_s=1000.0)
    seen.observe([looping], 0.0)
    assert state_of(seen, 17.7) == ("waiting", "settling"), "it lived 9.9 s each time until now"
    assert state_of(seen, 17.9) == ("ready", "running")
    long_ago = replace(looping, started_s=900.0)
    calm = Tracker({"a": ServiceNeed("a")}, clock_s=1000.0)
    calm.observe([long_ago], 0.0)
    assert state_of(calm, 0.0) == ("ready", "running")


def test_one_that_was_started_just_before_the_launch_must_prove_itself_too() -> None:
    seen = Tracker({"a": ServiceNeed("a")}, clock_s=1000.0)
    seen.observe([replace(RUNNING, created_s=999.0, started_s=999.0)], 0.0)
    assert state_of(seen, 2.9) == ("waiting", "settling")
    assert state_of(seen, 3.0) == ("ready", "running")


def test_where_compose_is_done_a_service_without_a_container_gets_none() -> None:
    tracker = Tracker({"a": ServiceNeed("a")})
    tracker.observe([], 0.0)
    assert tracker.words(0.0)[0].word is Word.WAITING
    tracker.settle(1.0)
    (word,) = tracker.words(1.0)
    assert (word.word, word.kind) == (Word.NEVER, "absent")
    assert not word.counts, "where Compose failed, its own failure is told"
