"""Where the project's own files lie."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(os.environ.get("OPSKIT_ROOT") or Path(__file__).resolve().parent.parent)
"""The checkout: compose/, configs/, notebooks/ and the env files are in it."""

COMPOSE = ROOT / "compose"
ENVIRONMENTS = ROOT / "configs" / "environments.yaml"
NOTEBOOKS = ROOT / "notebooks"
AUDIT = ROOT / "audit"
STATE = ROOT / ".opskit"
"""What opskit keeps and may lose: the rehearsal's engine and images, its overlay."""
