"""The tiny model that vLLM serves in a full rehearsal: made once, inside vLLM's image, by `data/tiny_model.py`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.errors import EngineUnavailableError
from opskit.files import make_folder

if TYPE_CHECKING:
    from docker import DockerClient

_SCRIPT = Path(__file__).with_name("data") / "tiny_model.py"
_MADE = "model.safetensors"


def ensure_model(client: DockerClient, image: str, *, cache: Path, say: Callable[[str], None]) -> Mapping[str, str]:
    """Make the model where it is not there, and return the variables by which the Compose files serve it.

    Args:
        client: an Engine that can mount this machine's folders, as it must for the stack's own files.
        image: vLLM's.
        cache: for the model.
        say: told that it takes time.

    Raises:
        EngineUnavailableError: the script failed; the message ends with what it said.
    """
    from docker.errors import ContainerError  # noqa: PLC0415  docker is imported where it is used

    name = f"tiny-{hashlib.sha256(_SCRIPT.read_bytes()).hexdigest()[:16]}"
    models = (cache / "models").resolve()
    half = models / f"{name}.part"
    if not (models / name / _MADE).exists():
        say("making the tiny model for the rehearsal (half a minute, once)")
        shutil.rmtree(half, ignore_errors=True)
        make_folder(models)
        try:
            client.containers.run(
                image,
                ["/usr/local/lib/tiny_model.py", f"/models/{half.name}"],
                entrypoint="python3",
                network_mode="none",
                volumes={str(models): {"bind": "/models", "mode": "rw"}},
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
        half.rename(models / name)
    return {"MODELS_DIR": str(models), "VLLM_MODEL": f"/models/{name}"}
