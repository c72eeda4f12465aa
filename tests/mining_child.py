"""A process that mines when it is told to, in children of its own, which may be killed.

Everything is imported once; a child is a fork, so that it can be killed a few milliseconds after it
began. Told by lines on standard input: the path of an installation's settings. Answers with the
child's number, and when it ended with its exit code (negative: the signal).
"""

import os
import sys
from datetime import date
from pathlib import Path

from assets.github.mining import observe_github
from assets.huggingface.observation import observe
from orchestration.clients.http import Http
from orchestration.failures import OsmoscopeError
from orchestration.lake import Lake
from orchestration.settings import Settings

SALT = b"a salt of thirty-two characters!"
CUT_OFF, REFUSED, BUG = 3, 4, 5


def mine(config: Path, day: date) -> None:
    """One night of both platforms."""
    settings = Settings.load(config)
    lake = Lake(settings.lake_root)
    observe_github(lake, settings, SALT, today=day)
    observe(lake, settings, SALT, today=day)


def main() -> None:
    """Mine whenever a line comes."""
    # Failures are repeated as they would be, with little waiting between.
    Http.__init__.__kwdefaults__["backoff_seconds"] = 0.005
    for line in sys.stdin:
        config, day = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            try:
                mine(Path(config), date.fromisoformat(day))
            except OsmoscopeError as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(CUT_OFF)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(BUG)
            os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
