"""The tiny models of a rehearsal: each made once, inside the image that serves it, by a script of `data/`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.errors import EngineUnavailableError
from opskit.files import make_folder

if TYPE_CHECKING:
    from docker import DockerClient

_DATA = Path(__file__).with_name("data")


@dataclass(frozen=True, slots=True)
class Tiny:
    """What is made for one service: by which script, and the folders in it by the variable that names them."""

    service: str
    script: str
    variables: Mapping[str, str]


TINY = (
    Tiny("vllm", "tiny_model.py", {"VLLM_MODEL": ""}),
    Tiny(
        "multimodal-worker",
        "tiny_worker_models.py",
        {
            "MULTIMODAL_WORKER_TEXT_MODEL": "/text",
            "MULTIMODAL_WORKER_IMAGE_MODEL": "/image",
            "MULTIMODAL_WORKER_SPEECH_MODEL": "/speech",
        },
    ),
)


def ensure_models(
    client: DockerClient, images: Mapping[str, str], *, cache: Path, say: Callable[[str], None]
) -> Mapping[str, str]:
    """Make the models that are not there, and return the variables by which the Compose files serve them.

    Args:
        client: an Engine that can mount this machine's folders, as it must for the stack's own files.
        images: of the services that run for real, by service.
        cache: for the models.
        say: told that it takes time.

    Raises:
        EngineUnavailableError: a script failed; the message ends with what it said.
    """
    models = (cache / "models").resolve()
    variables: dict[str, str] = {}
    for tiny in TINY:
        if tiny.service in images:
            content = (_DATA / tiny.script).read_bytes()
            name = f"{tiny.service}-{hashlib.sha256(content).hexdigest()[:16]}"
            if not (models / name).exists():
                say(f"making the tiny models of {tiny.service} for the rehearsal (half a minute, once)")
                _make(client, images[tiny.service], tiny.script, models / name)
            variables |= {key: f"/models/{name}{folder}" for key, folder in tiny.variables.items()}
    return {"MODELS_DIR": str(models), **variables} if variables else {}


def _make(client: DockerClient, image: str, script: str, made: Path) -> None:
    from docker.errors import ContainerError  # noqa: PLC0415  docker is imported where it is used

    half = made.with_suffix(".part")
    shutil.rmtree(half, ignore_errors=True)
    make_folder(made.parent)
    try:
        client.containers.run(
            image,
            [f"/usr/local/lib/{script}", f"/models/{half.name}"],
            entrypoint="python3",
            user="0",
            network_mode="none",
            volumes={str(made.parent): {"bind": "/models", "mode": "rw"}},
            remove=True,
        )
    except ContainerError as error:
        text = error.stderr or b""
        text = text if isinstance(text, str) else text.decode(errors="replace")
        last = text.strip().rpartition("\n")[2]
        raise EngineUnavailableError(
            f"rehearsal: the tiny model could not be made: {last}. Remedy: look at the free disk space (`df -h`), "
            "then try again."
        ) from None
    half.rename(made)
