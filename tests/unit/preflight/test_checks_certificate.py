from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.host.certificate import parse_validity
from opskit.host.model import PemFile
from opskit.preflight.checks.certificate import check_certificate_key, check_certificate_valid
from opskit.preflight.finding import Finding, Verdict

START, END, TWO_WEEKS = 1_000_000.0, 9_000_000.0, 14 * 86400
PAIR = (PemFile("nginx", "/c/tls.crt", START, END), PemFile("nginx", "/c/tls.key", key=True, fits=("/c/tls.crt",)))


def valid(now_s: float, file: PemFile = PAIR[0]) -> Finding:
    (finding,) = check_certificate_valid((file, PAIR[1]), now_s)
    return finding


@pytest.mark.parametrize(
    ("now_s", "verdict"),
    [
        (START - 1, Verdict.FAIL),
        (START, Verdict.PASS),
        (END - TWO_WEEKS, Verdict.PASS),
        (END - TWO_WEEKS + 1, Verdict.WARN),
        (END - 1, Verdict.WARN),
        (END, Verdict.FAIL),
    ],
)
def test_a_certificate_is_valid_now_and_for_two_weeks_more(now_s: float, verdict: Verdict) -> None:
    finding = valid(now_s)
    assert finding.verdict is verdict
    assert finding.subject == "nginx: /c/tls.crt"
    assert bool(finding.remedy) is (verdict is not Verdict.PASS)


def test_the_day_it_expired_is_named() -> None:
    assert valid(END).found == "expired on 1970-04-15 04:00 UTC"


def test_one_that_may_not_be_read_is_no_fault_and_a_damaged_one_is() -> None:
    assert not valid(END, PemFile("nginx", "/c", unread="this user may not read it")).stops
    assert valid(END, PemFile("nginx", "/c", fault="no certificate: it is damaged")).verdict is Verdict.FAIL


def keys(*files: PemFile) -> list[Verdict]:
    return [finding.verdict for finding in check_certificate_key(files)]


def test_a_key_belongs_to_a_certificate_beside_it() -> None:
    other = PemFile("nginx", "/c/ca.crt", START, END)
    strange = replace(PAIR[1], fits=())
    assert keys(*PAIR, other) == [Verdict.PASS]
    assert keys(PAIR[0], other, strange) == [Verdict.FAIL]
    assert keys(strange) == [Verdict.WARN]
    assert keys(PAIR[0], replace(strange, fault="not usable: EE_KEY_TOO_SMALL")) == [Verdict.FAIL]
    assert keys(PAIR[0], replace(strange, unread="it is encrypted")) == [Verdict.SKIP]
    assert keys(replace(PAIR[0], service="other"), strange) == [Verdict.WARN]


@given(st.binary(max_size=60))
def test_whatever_stands_in_a_certificate_s_place_is_refused_by_one_kind_of_error(der: bytes) -> None:
    import base64  # noqa: PLC0415

    body = base64.encodebytes(der).decode()
    with pytest.raises(ValueError, match=r".") as caught:
        parse_validity(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    assert str(caught.value)
