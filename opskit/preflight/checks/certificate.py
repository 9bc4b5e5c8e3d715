"""Checks of the certificates and private keys that services mount; pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from opskit.host.model import PemFile
from opskit.preflight.finding import Finding, Verdict

_DAY_S = 86400
_SOON_DAYS = 14


def check_certificate_valid(certificates: Iterable[PemFile], now_s: float) -> tuple[Finding, ...]:
    """Every certificate that a service mounts is valid now, and for two weeks more.

    Args:
        certificates: with the private keys beside them.
        now_s: seconds since the epoch.
    """
    return tuple(finding for file in certificates if not file.key and (finding := _judge_dates(file, now_s)))


def _judge_dates(file: PemFile, now_s: float) -> Finding | None:
    check, subject, wanted = "certificate-valid", f"{file.service}: {file.path}", f"valid for {_SOON_DAYS} days more"
    if file.unread:
        remedy = f"look with `sudo openssl x509 -noout -dates -in {file.path}`"
        return Finding(check, Verdict.SKIP, subject, file.unread, wanted, remedy, required=False)
    if file.fault:
        return Finding(check, Verdict.FAIL, subject, file.fault, "a PEM certificate", f"put one at {file.path}")
    if file.starts_s is None or file.ends_s is None:
        return None
    verdict, found = Verdict.PASS, f"valid until {_day(file.ends_s)}"
    remedy = f"renew it and put it at {file.path} with its key"
    if now_s < file.starts_s:
        verdict, found = Verdict.FAIL, f"not valid before {_day(file.starts_s)}"
        remedy = "see the clock of this machine (`timedatectl`), or take one that is valid already"
    elif now_s >= file.ends_s:
        verdict, found = Verdict.FAIL, f"expired on {_day(file.ends_s)}"
    elif file.ends_s - now_s < _SOON_DAYS * _DAY_S:
        verdict = Verdict.WARN
    return Finding(check, verdict, subject, found, wanted, "" if verdict is Verdict.PASS else remedy)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def check_certificate_key(certificates: Iterable[PemFile]) -> tuple[Finding, ...]:
    """Every private key that a service mounts belongs to a certificate that it mounts too."""
    files = tuple(certificates)
    return tuple(_judge_key(file, files) for file in files if file.key)


def _judge_key(file: PemFile, files: tuple[PemFile, ...]) -> Finding:
    check, subject = "certificate-key", f"{file.service}: {file.path}"
    beside = [other.path for other in files if other.service == file.service and other.ends_s is not None]
    wanted = f"the key of {' or '.join(beside)}" if beside else "a certificate beside it"
    remedy = "mount the certificate and the key that were made together; `openssl x509 -noout -pubkey -in CERTIFICATE` "
    remedy += "and `openssl pkey -pubout -in KEY` print the same"
    if file.unread:
        return Finding(check, Verdict.SKIP, subject, file.unread, wanted, remedy, required=False)
    if file.fault or not file.fits:
        found = file.fault or ("belongs to none of them" if beside else "no certificate that can be read")
        verdict = Verdict.FAIL if file.fault or beside else Verdict.WARN
        return Finding(check, verdict, subject, found, wanted, remedy)
    return Finding(check, Verdict.PASS, subject, f"belongs to {' and '.join(file.fits)}", wanted)
