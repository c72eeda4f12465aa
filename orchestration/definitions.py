"""The code location that `workspace.yaml` names."""

from orchestration.build import build_defs

defs = build_defs()
