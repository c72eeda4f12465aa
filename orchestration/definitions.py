"""The code location that `workspace.yaml` names."""

import orchestration.memory  # noqa: F401
from orchestration.build import build_defs

defs = build_defs()
