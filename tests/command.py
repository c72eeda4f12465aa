"""The command `osmoscope` in a process of its own, as a script would start it."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

COMMAND = Path(sys.executable).parent / "osmoscope"
SERVER = Path(__file__).parent / "command_server.py"
SECONDS = 300


def environment_of(**variables: str) -> dict[str, str]:
    """The environment without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSMOSCOPE_")}
    return {**kept, **variables, "COLUMNS": "200"}


def run_anew(
    *arguments: object, folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed script in a folder."""
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        cwd=folder,
        env=environment_of(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def run(*arguments: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, in a child of a process that has done the imports."""
    command = [str(COMMAND), *map(str, arguments)]
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        asked = {
            "arguments": command,
            "folder": str(folder),
            "environment": environment_of(**variables),
            "streams": [out.name, err.name],
        }
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        told = [stream.read().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(command, code, *told)


@cache
def _server() -> "subprocess.Popen[str]":
    """Started where the first command is run, and ended with this process."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(SECONDS)],
        env=environment_of(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server


def one_line(text: str) -> str:
    """The only line of a text."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    return lines[0]
