"""The installation's salt, with which e-mail addresses are hashed.

Belongs here: where it comes from, and that it is long enough. Does not belong here: the hashing
(assets.github.lines). Apart from Dagster's resources, as commands on files at hand need no more.
"""

import os
import secrets
from pathlib import Path

from filelock import FileLock

from orchestration.failures import PermanentFailure
from orchestration.lake import PRIVATE_FILE, write_whole

SALT_VARIABLE = "OSMOSCOPE_EMAIL_SALT"
SALT_BYTES = 32
LEAST_SALT_BYTES = 16


def address_salt(data_dir: Path) -> bytes:
    """The salt, from the environment or from a private file made at first use.

    Without the same salt the hashes of two installations cannot be joined; losing it makes new
    hashes differ from old ones, so it is written once and never over.

    Raises:
        PermanentFailure: it is too short to protect anything.
    """
    given = os.environ.get(SALT_VARIABLE)
    if given is not None:
        return _long_enough(given.encode(), f"The salt in {SALT_VARIABLE}")
    path = data_dir / "private" / "email.salt"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            write_whole(path, secrets.token_hex(SALT_BYTES).encode(), PRIVATE_FILE)
    return _long_enough(path.read_bytes(), f"The salt in {path}")


def _long_enough(salt: bytes, what: str) -> bytes:
    if len(salt) < LEAST_SALT_BYTES:
        raise PermanentFailure(
            f"{what} is shorter than {LEAST_SALT_BYTES} bytes.", "Use 32 random characters."
        )
    return salt
