"""The file trees under the rehearsal's images: made by mmdebstrap from the distribution's packages, kept as a tar."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opskit import process
from opskit.errors import EngineUnavailableError
from opskit.rehearsal.packages import find_program, install_packages, read_proxies, read_sources

_DATA = Path(__file__).with_name("data")
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


@dataclass(frozen=True, slots=True)
class Tree:
    """What is asked of mmdebstrap; a tree is made again when it changes.

    Attributes:
        packages: of the distribution.
        early: shell lines before the packages are set up; $1 is the tree.
        late: shell lines after it.
        files: files of `data/` that the late lines find, to the folder they are put into.
    """

    name: str
    packages: tuple[str, ...]
    early: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> tuple[str, ...]:
        """The command's words, but suite, target and sources."""
        return (
            "--variant=minbase",
            f"--include={','.join(self.packages)}",
            "--aptopt=APT::Install-Recommends false",
            *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
            *(f"--customize-hook=mkdir -p $1{place}" for place in self.files.values()),
            *(f"--customize-hook=copy-in {_DATA / name} {place}" for name, place in self.files.items()),
            *(f"--essential-hook={line}" for line in self.early),
            *(f"--customize-hook={line}" for line in self.late),
        )

    @property
    def recipe(self) -> str:
        """Changes when anything that goes into the tree does."""
        parts = (repr(self), *_LEFT_OUT, *((_DATA / name).read_text() for name in self.files))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


COMMON = Tree(
    "debian",
    (
        "postgresql",
        "redis-server",
        "nginx-light",
        "prometheus",
        "prometheus-alertmanager",
        "prometheus-postgres-exporter",
        "prometheus-redis-exporter",
        "python3",
        "python3-psycopg2",
        "python3-redis",
        "libnuma1",
        "curl",
        "busybox",
    ),
    early=(
        # Debian's own cluster is not wanted: the entrypoint makes one in the volume.
        "mkdir -p $1/etc/postgresql-common",
        "echo create_main_cluster=false > $1/etc/postgresql-common/createcluster.conf",
    ),
    late=(
        "ln -s busybox $1/usr/bin/wget",
        # PostgreSQL's own programs come first on PATH, not Debian's slower wrapper around them.
        'for file in "$1"/usr/lib/postgresql/*/bin/*; do ln -s "${file#"$1"}" "$1/usr/local/bin/"; done',
        "ln -sf /dev/stdout $1/var/log/nginx/access.log",
        "ln -sf /dev/stderr $1/var/log/nginx/error.log",
        "ln -s prometheus-alertmanager $1/usr/bin/alertmanager",
        "install -d -o 65534 -g 65534 $1/prometheus $1/alertmanager",
        "install -d -o 1000 -g 1000 $1/home/node $1/home/node/.n8n",
        "install -d -o 10001 -g 10001 $1/app/cache",
    ),
)
"""The tree under every image but JMeter's."""

_JAVA = "/usr/local/share/jmeter"
_COMPILE = "ecj -proc:none -nowarn -source 1.8 -target 1.8 -cp /usr/share/java/xstream.jar -d . NoTypePermission.java"
JMETER = Tree(
    "jmeter",
    ("default-jre-headless", "jmeter-http", "ecj", "busybox", "wget"),
    early=("mkdir -p $1/usr/share/man/man1",),  # Java's packages register their pages there
    late=(f"chroot $1 sh -c 'cd {_JAVA} && {_COMPILE}'",),
    files={"NoTypePermission.java": _JAVA},
)
"""JMeter's own tree: a Java in every other image would double them. Debian's busybox crashes there as wget."""

_BUILD_S = 1200.0


def ensure_tree(tree: Tree, cache: Path, say: Callable[[str], None]) -> Path:
    """Return a tree as a tar in `cache`, which is made where it is not there; the caller holds a lock.

    Raises:
        EngineUnavailableError: mmdebstrap cannot be installed or failed.
    """
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "bookworm")
    made = cache / f"{tree.name}-{suite}-{tree.recipe}.tar"
    if not made.exists():
        if find_program("mmdebstrap") is None:
            install_packages(["mmdebstrap"], say)
        say(f"building the rehearsal's tree `{tree.name}` from the distribution's packages (a minute or two, once)")
        _build(tree, made, suite)
    return made


def _build(tree: Tree, made: Path, suite: str) -> None:
    text = read_sources(suite)
    if not text:
        raise EngineUnavailableError(
            f"rehearsal: this machine's apt has no package source for {suite}, from which the images would be built. "
            f"Remedy: add one to /etc/apt/sources.list (`deb MIRROR {suite} main` with a mirror of your choice)."
        )
    half = made.with_suffix(f".{os.getpid()}.tar")
    form = ".list" if text.startswith("deb") else ".sources"  # apt goes by the name's end, not by the content
    with tempfile.NamedTemporaryFile("w", suffix=form) as sources:
        sources.write(text)
        sources.flush()
        proxies = (f"--aptopt={line}" for line in read_proxies())
        done = process.run(("mmdebstrap", *tree.words(), *proxies, suite, str(half), sources.name), timeout_s=_BUILD_S)
    if done.rc != 0:
        half.unlink(missing_ok=True)
        last = "\n  ".join(done.stderr.splitlines()[-12:])
        raise EngineUnavailableError(
            f"rehearsal: building the images from the distribution's packages failed:\n  {last}\nRemedy: check that "
            "`apt-get update` works here, then try again."
        )
    for old in made.parent.glob(f"{tree.name}-*.tar"):
        if old != half:
            old.unlink()
    half.replace(made)
