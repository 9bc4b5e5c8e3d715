"""What a rehearsal puts in the place of the real thing: images by an overlay, and the variables that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from opskit.files import make_folder, write_atomically

NEED_BYTES = 2 * 1024**3
"""Memory a rehearsed environment needs at most, whatever the real one does."""

FULL_NEED_BYTES = 12 * 1024**3
"""The same of one with every real program that there is: production held 8.0 GiB at its most."""

OWN_IMAGES: Mapping[str, str] = {
    "multimodal-worker": "MULTIMODAL_WORKER_IMAGE",
    "retrieval-proxy": "RETRIEVAL_PROXY_IMAGE",
}
"""The variables that name the stack's own two images."""

UNNAMED = dict.fromkeys(OWN_IMAGES.values(), "opskit-rehearsal/not-made-yet")
"""For a look at the model before the images are there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A set stage: the overlay file that comes last, and variables for interpolation."""

    overlay: Path
    environ: Mapping[str, str]


def write_overlay(
    path: Path, images: Mapping[str, str], *, gpu_services: Iterable[str], keep_reservations: bool
) -> Stage:
    """Write the overlay that puts the rehearsal's images in place; it changes nothing but `image`.

    Where the Engine would refuse a GPU reservation (one of the operator's, without the NVIDIA driver), the overlay also
    drops those of `gpu_services`; that needs Compose 2.24.4 or newer.
    """
    gpus = frozenset(gpu_services)
    lines = ["# REHEARSAL: written at each launch.", "services:"]
    for service, image in images.items():
        lines += [f"  {service}:", f"    image: {image}", "    pull_policy: never"]
        if service in gpus and not keep_reservations:
            lines.append("    deploy: {resources: {reservations: !reset null}}")
    make_folder(path.parent)
    write_atomically(path, "\n".join(lines) + "\n")
    return Stage(path, {name: images[service] for service, name in OWN_IMAGES.items() if service in images})
