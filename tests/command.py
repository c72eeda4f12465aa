"""The command `osmoscope` in a process of its own, as a script would start it."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).parent / "osmoscope"


def environment_of(**variables: str) -> dict[str, str]:
    """The environment without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSMOSCOPE_")}
    return {**kept, **variables, "COLUMNS": "200"}


def run(*arguments: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        cwd=folder,
        env=environment_of(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def one_line(text: str) -> str:
    """The only line of a text."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]
