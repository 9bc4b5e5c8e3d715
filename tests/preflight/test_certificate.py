"""Certificates and keys made by openssl, read as a service would mount them."""

from __future__ import annotations

import calendar
import os
import shutil
import time
from pathlib import Path

import pytest

from opskit import process
from opskit.compose.model import Stack, parse_stack
from opskit.host.certificate import read_certificates
from opskit.host.model import PemFile
from opskit.preflight.checks.certificate import check_certificate_key, check_certificate_valid
from opskit.preflight.finding import Verdict


def openssl(*words: str) -> str:
    if shutil.which("openssl") is None:
        if os.environ.get("OPSKIT_REQUIRE_ENGINE"):
            pytest.fail("openssl is not on PATH; apt-get install openssl")
        pytest.skip("openssl is not on PATH; apt-get install openssl")
    done = process.run(("openssl", *words), timeout_s=60)
    assert done.rc == 0, done.stderr
    return done.stdout


def make(folder: Path, name: str, *more: str, kind: str = "rsa:2048") -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    words = ("req", "-x509", "-newkey", kind, "-subj", "/CN=h", "-days", "30", *(more or ("-nodes",)))
    openssl(*words, "-keyout", str(key), "-out", str(certificate))
    return certificate, key


def mounted(*files: Path) -> Stack:
    binds = [{"type": "bind", "source": str(file), "target": f"/etc/nginx/{file.name}"} for file in files]
    return parse_stack({"name": "p", "services": {"nginx": {"volumes": binds}}})


def by_name(stack: Stack) -> dict[str, PemFile]:
    return {Path(file.path).name: file for file in read_certificates(stack)}


@pytest.mark.parametrize("kind", ["rsa:2048", "ed25519"])
def test_a_pair_is_read_with_the_dates_that_openssl_tells(tmp_path: Path, kind: str) -> None:
    certificate, key = make(tmp_path, "tls", kind=kind)
    found = by_name(mounted(certificate, key))
    told = openssl("x509", "-noout", "-enddate", "-in", str(certificate)).strip().removeprefix("notAfter=")
    assert found["tls.crt"].ends_s == calendar.timegm(time.strptime(told, "%b %d %H:%M:%S %Y %Z"))
    assert found["tls.key"].fits == (str(certificate),)
    files = tuple(found.values())
    findings = (*check_certificate_valid(files, time.time()), *check_certificate_key(files))
    assert [finding.verdict for finding in findings] == [Verdict.PASS, Verdict.PASS]


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    certificate, _ = make(tmp_path, "one")
    _, key = make(tmp_path, "two")
    (finding,) = check_certificate_key(read_certificates(mounted(certificate, key)))
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "belongs to none of them")
    assert finding.wanted == f"the key of {certificate}"


def test_both_may_be_in_one_file_and_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    certificate, key = make(tmp_path, "tls")
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    files = read_certificates(mounted(both))
    assert [(file.key, file.fits) for file in files] == [(False, ()), (True, (str(both),))]
    _, locked = make(tmp_path, "locked", "-passout", "pass:tiger")
    (file,) = read_certificates(mounted(locked))
    assert (file.key, bool(file.unread)) == (True, True)


def test_a_certificate_that_is_cut_off_and_parameters_that_are_none(tmp_path: Path) -> None:
    certificate, _ = make(tmp_path, "tls")
    certificate.write_text(certificate.read_text()[:200])
    (tmp_path / "dh.pem").write_text("-----BEGIN DH PARAMETERS-----\n")
    found = by_name(mounted(certificate, tmp_path / "dh.pem", tmp_path / "none.crt"))
    assert found.keys() == {"tls.crt"}
    assert found["tls.crt"].fault == "no certificate: it has no end"


def test_nothing_of_a_key_is_in_what_is_kept(tmp_path: Path) -> None:
    files = read_certificates(mounted(*make(tmp_path, "tls")))
    secret = (tmp_path / "tls.key").read_text().splitlines()[1]
    assert secret not in repr(files)
