from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opskit.secrets.value import make_redact


def test_a_value_is_replaced_by_its_name_in_every_form() -> None:
    redact = make_redact({"DB": 'pa"ss/word', "SHORT": "abc"})
    assert redact('pa"ss/word pa%22ss%2Fword pa\\"ss/word abc') == "[DB] [DB] [DB] abc"


@given(st.text(min_size=6), st.text(), st.text())
def test_no_value_survives(value: str, before: str, after: str) -> None:
    said = make_redact({"N": value})(before + value + after)
    assert value not in said or value in "[N]"
