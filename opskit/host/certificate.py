"""Reads the certificates and private keys that services mount: until when they are valid, and which belong together."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from opskit.compose.model import Stack
from opskit.host.model import PemFile

_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".key"})
_KEY = "PRIVATE KEY-----"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_MISMATCHES = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"})
_VERSION, _UTC_TIME, _LONG = 0xA0, 0x17, 0x80


def read_certificates(stack: Stack) -> tuple[PemFile, ...]:
    """Every certificate and key of a mounted file whose name in the container ends .pem, .crt, .cer or .key."""
    found: list[PemFile] = []
    for service in stack.services:
        binds = [mount for mount in service.mounts if mount.kind == "bind"]
        paths = dict.fromkeys(m.source for m in binds if PurePosixPath(m.target).suffix in _SUFFIXES)
        found += _read_files(service.name, paths)
    return tuple(found)


def _read_files(service: str, paths: Iterable[str]) -> list[PemFile]:
    texts: dict[str, str] = {}
    found: list[PemFile] = []
    for path in paths:
        try:
            texts[path] = Path(path).read_text(encoding="ascii", errors="replace")
        except PermissionError:
            key = PurePosixPath(path).suffix == ".key"
            found.append(PemFile(service, path, key=key, unread="this user may not read it"))
        except OSError:  # nothing there, or a folder: file-present says that
            continue
    certificates = [path for path, text in texts.items() if _CERTIFICATE in text]
    found += [_read_dates(service, path, texts[path]) for path in certificates]
    return found + [_read_key(service, path, texts, certificates) for path, text in texts.items() if _KEY in text]


def _read_dates(service: str, path: str, text: str) -> PemFile:
    try:
        starts_s, ends_s = parse_validity(text)
    except ValueError as error:
        return PemFile(service, path, fault=f"no certificate: {error}")
    return PemFile(service, path, starts_s, ends_s)


def _read_key(service: str, path: str, texts: Mapping[str, str], certificates: Iterable[str]) -> PemFile:
    if "ENCRYPTED" in texts[path]:
        return PemFile(service, path, key=True, unread="it is encrypted, and only its passphrase opens it")
    faults = {certificate: _load(certificate, path) for certificate in certificates}
    fits = tuple(certificate for certificate, fault in faults.items() if not fault)
    others = [fault for fault in faults.values() if fault and fault not in _MISMATCHES]
    return PemFile(service, path, key=True, fits=fits, fault=f"not usable: {others[0]}" if others and not fits else "")


def _load(certificate: str, key: str) -> str:
    """Why a server could not be started with both; empty where it could."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        return error.reason or str(error)
    return ""


def parse_validity(text: str) -> tuple[float, float]:
    """From when to when the first certificate of a PEM text is valid, in seconds since the epoch.

    Raises:
        ValueError: it is no certificate.

    Source: RFC 5280, 4.1: the fourth part of TBSCertificate without its version, two times in DER.
    """
    _, _, rest = text.partition(_CERTIFICATE)
    body, end, _ = rest.partition("-----END CERTIFICATE-----")
    if not end:
        raise ValueError("it has no end")
    try:
        der = ssl.PEM_cert_to_DER_cert(f"{_CERTIFICATE}\n{body.strip()}\n{end}")
        whole = _parts(der)[0][1]
        parts = _parts(_parts(whole)[0][1])
        validity = parts[4 if parts[0][0] == _VERSION else 3][1]
        first, last = (_parse_time(tag, content) for tag, content in _parts(validity))
    except IndexError:
        raise ValueError("it is damaged") from None
    return first, last


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element, one after the other."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & _LONG:
            size = length & ~_LONG
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        found.append((tag, der[at : at + length]))
        at += length
    return found


def _parse_time(tag: int, content: bytes) -> float:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
