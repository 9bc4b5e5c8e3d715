"""Checks of the resolved model: does it resolve, is what it needs there; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.preflight.finding import Finding, Verdict


def check_config_valid(stack: Stack | Failure) -> tuple[Finding, ...]:
    """Compose can resolve the files."""
    wanted = "files that Compose resolves"
    if isinstance(stack, Failure):
        return (Finding("config-valid", Verdict.FAIL, "Compose files", stack.message, wanted, stack.remedy),)
    count = f"{len(stack.services)} services"
    return (Finding("config-valid", Verdict.PASS, "Compose files", count, wanted),)


def check_variable_set(demanded: Mapping[str, bool]) -> tuple[Finding, ...]:
    """Every variable the files demand has a value; `demanded` says by name whether it has."""
    return tuple(
        Finding("variable-set", Verdict.PASS, name, "set", "a value")
        if there
        else Finding(
            "variable-set",
            Verdict.FAIL,
            name,
            "not set",
            "a value",
            f"`export {name}=…` before the start, or add it to the env file; an image of the stack's own is named so",
        )
        for name, there in sorted(demanded.items())
    )


def check_file_present(sources: Iterable[tuple[str, str]], files: Mapping[str, str]) -> tuple[Finding, ...]:
    """Every bind mount, config and secret file is there, and a file where a file is meant.

    Args:
        sources: (owner, host path), as the model has them.
        files: what is at each path: file, directory, missing or unreadable.
    """
    return tuple(_file(owner, path, files.get(path, "missing")) for owner, path in sources)


def _file(owner: str, path: str, found: str) -> Finding:
    meant = "file" if "." in path.rsplit("/", 1)[-1].lstrip(".") else "file or directory"
    good = found in meant
    if good:
        return Finding("file-present", Verdict.PASS, owner, f"{path}: {found}", meant)
    remedy = {
        "missing": f"`git checkout -- {path}`" if meant == "file" else f"`mkdir -p {path}`",
        "directory": "remove the folder (Docker made it where the file was missing) and restore the file",
        "unreadable": "let this user read it",
    }[found]
    return Finding("file-present", Verdict.FAIL, owner, f"{path}: {found}", meant, remedy)


def check_image_present(stack: Stack, images: frozenset[str], *, offline: bool) -> tuple[Finding, ...]:
    """Every image is on the Engine; one that is not is pulled, which fails where there is no registry."""
    findings = []
    for service in stack.services:
        image = service.image or ""
        if image in images or (":" not in image.rsplit("/", 1)[-1] and f"{image}:latest" in images):
            findings.append(Finding("image-present", Verdict.PASS, service.name, image, "on this Engine"))
        elif "@sha256:" in image:
            found = f"{image} is named by its digest"
            findings.append(
                Finding("image-present", Verdict.WARN, service.name, found, "on this Engine", "Docker pulls it")
            )
        else:
            verdict = Verdict.FAIL if offline else Verdict.WARN
            remedy = (
                f"`docker load` it, or `docker pull {image}` where a registry is" if offline else "Docker pulls it now"
            )
            findings.append(
                Finding("image-present", verdict, service.name, f"{image} is not here", "on this Engine", remedy)
            )
    return tuple(findings)


def check_secret_data(unmade: Iterable[str], volumes: Iterable[str], env_file: str) -> tuple[Finding, ...]:
    """No secret is to be made anew while data made with an earlier one is there: that locks everybody out."""
    missing, data = sorted(unmade), sorted(volumes)
    wanted = "secrets and data that belong together"
    if missing and data:
        return (
            Finding(
                "secret-data",
                Verdict.FAIL,
                env_file,
                f"{', '.join(missing)} missing, while {', '.join(data)} hold data made with them",
                wanted,
                f"restore {env_file} from where it was kept; only if the data may go, remove these volumes by name "
                "(`docker volume rm …`). Accept this only for a secret that is new in this version",
            ),
        )
    found = f"{len(missing)} to be made, no data yet" if missing else "complete"
    return (Finding("secret-data", Verdict.PASS, env_file, found, wanted),)
