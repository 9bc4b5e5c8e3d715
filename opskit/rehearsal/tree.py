"""The one file tree under every rehearsal image: made by mmdebstrap from the distribution's packages, kept as a tar."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from opskit import process
from opskit.errors import EngineUnavailableError
from opskit.rehearsal.packages import find_program, install_packages, read_proxies, read_sources

_PACKAGES = (
    "postgresql,redis-server,nginx-light,prometheus,prometheus-postgres-exporter,prometheus-redis-exporter,"
    "python3-minimal,libpython3-stdlib,curl,busybox"
)
_LEFT_OUT = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/i18n/*",
    "/usr/share/javascript/*",
    "/usr/lib/*/libLLVM-*",
    "/usr/lib/*/libz3.so*",
)
"""What no rehearsal runs; LLVM serves PostgreSQL's JIT, which is off."""

TREE = (
    "--variant=minbase",
    f"--include={_PACKAGES}",
    "--aptopt=APT::Install-Recommends false",
    *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
    # Debian's own cluster is not wanted: the entrypoint makes one in the volume.
    "--essential-hook=mkdir -p $1/etc/postgresql-common",
    "--essential-hook=echo create_main_cluster=false > $1/etc/postgresql-common/createcluster.conf",
    "--customize-hook=ln -s busybox $1/usr/bin/wget",
    # PostgreSQL's own programs come first on PATH, not Debian's slower wrapper around them.
    '--customize-hook=for file in "$1"/usr/lib/postgresql/*/bin/*; do ln -s "${file#"$1"}" "$1/usr/local/bin/"; done',
    "--customize-hook=ln -sf /dev/stdout $1/var/log/nginx/access.log",
    "--customize-hook=ln -sf /dev/stderr $1/var/log/nginx/error.log",
    "--customize-hook=install -d -o 65534 -g 65534 $1/prometheus",
)
"""What is asked of mmdebstrap; the tree is made anew when it changes."""

_BUILD_S = 1200.0


def ensure_tree(cache: Path, say: Callable[[str], None]) -> Path:
    """Return the tree as a tar in `cache`, which is made where it is not there; the caller holds a lock.

    Raises:
        EngineUnavailableError: mmdebstrap cannot be installed or failed.
    """
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "bookworm")
    tree = cache / f"{suite}-{hashlib.sha256(repr(TREE).encode()).hexdigest()[:16]}.tar"
    if not tree.exists():
        if find_program("mmdebstrap") is None:
            install_packages(["mmdebstrap"], say)
        say("building the rehearsal's images from the distribution's packages (a minute or two, once)")
        _build(tree, suite)
    return tree


def _build(tree: Path, suite: str) -> None:
    text = read_sources(suite)
    if not text:
        raise EngineUnavailableError(
            f"rehearsal: this machine's apt has no package source for {suite}, from which the images would be built. "
            f"Remedy: add one to /etc/apt/sources.list (`deb MIRROR {suite} main` with a mirror of your choice)."
        )
    made = tree.with_suffix(f".{os.getpid()}.tar")
    form = ".list" if text.startswith("deb") else ".sources"  # apt goes by the name's end, not by the content
    with tempfile.NamedTemporaryFile("w", suffix=form) as sources:
        sources.write(text)
        sources.flush()
        proxies = (f"--aptopt={line}" for line in read_proxies())
        done = process.run(("mmdebstrap", *TREE, *proxies, suite, str(made), sources.name), timeout_s=_BUILD_S)
    if done.rc != 0:
        made.unlink(missing_ok=True)
        last = "\n  ".join(done.stderr.splitlines()[-12:])
        raise EngineUnavailableError(
            f"rehearsal: building the images from the distribution's packages failed:\n  {last}\nRemedy: check that "
            "`apt-get update` works here, then try again."
        )
    for old in tree.parent.glob("*.tar"):
        if old != made:
            old.unlink()
    made.replace(tree)
