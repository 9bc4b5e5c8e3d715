"""One NVML call at a time, softly: a field that cannot be read is None, and a note says why."""

from __future__ import annotations

from typing import Any


class FieldReader:
    """Asks NVML and keeps account of what it refused.

    "Not supported" is an ordinary answer and leaves no note: a GeForce has no ECC, no MIG and, for some, no NVLink.

    Attributes:
        nvml: the module pynvml, or what stands in for it.
        notes: one line for each call that failed otherwise.
        lost: the subjects that have fallen off the bus.
    """

    def __init__(self, nvml: Any) -> None:  # noqa: ANN401  the module, or a test's object
        self.nvml = nvml
        self.notes: list[str] = []
        self.lost: set[str] = set()

    def read(self, subject: str, function: str, *arguments: Any) -> Any:  # noqa: ANN401  NVML's values are untyped
        """Call one NVML function by name; None where it gave no value."""
        call = getattr(self.nvml, function, None)
        if call is None:
            self.notes.append(f"{subject}: {function}: this nvidia-ml-py does not know it")
            return None
        try:
            return call(*arguments)
        except self.nvml.NVMLError_NotSupported:
            return None
        except (self.nvml.NVMLError, self.nvml.NVMLLibraryMismatchError) as error:
            if getattr(error, "value", None) == self.nvml.NVML_ERROR_GPU_IS_LOST:
                self.lost.add(subject)
            self.notes.append(f"{subject}: {function}: {error}")
            return None
