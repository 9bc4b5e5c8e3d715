"""A busy port moves to the next free number, on the host's side, by its own variable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opskit.compose.model import Port
from opskit.target.port_overrides import plan_moves


def port(number: int, service: str = "one") -> Port:
    return Port(service, 80, number, "127.0.0.1", "tcp")


def test_numbers_held_by_others_and_given_to_another_just_now_are_passed_over() -> None:
    values = {"A_PORT": 4000, "B_PORT": 4001}
    moves, stuck = plan_moves([port(4000), port(4001)], values, {4000, 4001, 4002})
    assert (moves, stuck) == ({"A_PORT": 4003, "B_PORT": 4004}, ())


def test_a_port_no_variable_publishes_cannot_move() -> None:
    moves, stuck = plan_moves([port(9)], {"A_PORT": 4000}, {9})
    assert (moves, stuck) == ({}, (port(9),))


def test_a_port_at_the_end_of_the_numbers_cannot_move_past_it() -> None:
    moves, stuck = plan_moves([port(65535)], {"A_PORT": 65535}, {65535})
    assert (moves, stuck) == ({}, (port(65535),))


@given(st.sets(st.integers(1, 65535), max_size=300), st.sets(st.integers(1, 65000), min_size=1, max_size=8))
def test_no_move_lands_on_a_taken_number_and_no_two_on_one(taken: set[int], busy: set[int]) -> None:
    values = {f"P{number}_PORT": number for number in busy}
    moves, stuck = plan_moves([port(n) for n in sorted(busy)], values, taken | busy)
    assert not set(moves.values()) & (taken | busy)
    assert len(set(moves.values())) == len(moves)
    assert len(moves) + len(stuck) == len(busy)
