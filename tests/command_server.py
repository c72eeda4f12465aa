"""A process that has imported what commands import, and forks a child for each command.

Belongs here: what is imported before, and how a child becomes the command. Does not belong here:
who asks for commands (command.py).

A command spends most of its time on imports. A child has them already; all else is as in a process
of its own: environment, folder, streams, exit code, and what modules of ours keep.
"""

import gc
import importlib
import json
import multiprocessing
import os
import sys

# What commands import where they need it; the command line itself is each child's own.
IMPORTED = (
    "orchestration.actors_cli",
    "orchestration.runs",
    "orchestration.status",
    "assets.actors.evaluate",
    "assets.publish.assets",
    "pandas",
    "sklearn.linear_model",
)


def command(
    arguments: list[str], folder: str, environment: dict[str, str], streams: list[str]
) -> None:
    """Be the command; the streams are files for output and errors."""
    for number, name in enumerate(streams, 1):
        handle = os.open(name, os.O_WRONLY)
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    from orchestration.cli import main

    main()


def serve(seconds: float) -> None:
    """Run the commands that are asked for, one a line, and tell their exit codes."""
    forking = multiprocessing.get_context("fork")
    for line in sys.stdin:
        child = forking.Process(target=command, kwargs=json.loads(line))
        child.start()
        child.join(seconds)
        child.kill()
        child.join()
        print(child.exitcode, flush=True)


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    # A child would copy what its collector looks at.
    gc.collect()
    gc.freeze()
    serve(float(sys.argv[1]))
