from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from opskit.audit.interrupt import ENDING, held, let_in


@pytest.fixture(autouse=True)
def _interrupts_raise() -> Iterator[None]:
    """The process that started the tests may ignore interrupts, and then so do they: `nohup`, some CI runners."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_until_it_is_let_in() -> None:
    with held():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), let_in():
            pytest.fail("it came late")


def test_an_interrupt_that_nobody_let_in_comes_at_the_end() -> None:
    holding = held()
    holding.__enter__()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        holding.__exit__(None, None, None)


def test_what_was_held_before_is_held_after() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with held():
        with let_in():
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(ENDING)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= set(ENDING)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
