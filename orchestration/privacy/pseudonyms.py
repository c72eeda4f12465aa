"""Pseudonyms of the published copy: stable from night to night, different on each installation.

Belongs here: the key, and the SQL that makes a pseudonym. Does not belong here: which columns of
which tables have one (assets.publish.names), and what stands for opted-out accounts (masking).

A pseudonym is HMAC-SHA-256, written as SQL so that millions of names are made where they are; its
key is another secret than the salt of e-mail addresses, and each purpose has its own key.
"""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from orchestration.failures import PermanentFailure
from orchestration.lake import PRIVATE_FILE, write_whole

KEY_NAME = "publish.key"
KEY_BYTES, LEAST_KEY_BYTES = 32, 16
# 64 bits: among 100 million names two are the same with a probability of 0.0003.
DIGITS = 16
_BLOCK_BYTES = 64


@dataclass(frozen=True)
class Pseudonyms:
    """Makes pseudonyms with one key."""

    key: bytes

    def sql(self, purpose: str, text: str) -> str:
        """SQL of `~` and 16 hexadecimal digits for a text expression; null for null.

        Args:
            purpose: `owner`, `name` or `actor`: equal texts of two purposes differ.
            text: a SQL expression of type VARCHAR.
        """
        inner, outer = self._pads(purpose)
        hashed = f"sha256('{inner}'::blob || encode({text}))"
        return f"'~' || left(sha256('{outer}'::blob || unhex({hashed})), {DIGITS})"

    def of(self, purpose: str, text: str) -> str:
        """The same pseudonym as `sql` gives."""
        import hmac

        return "~" + hmac.digest(self._key_of(purpose), text.encode(), "sha256").hex()[:DIGITS]

    def _key_of(self, purpose: str) -> bytes:
        return hashlib.blake2b(b"published " + purpose.encode(), key=self.key[:64]).digest()

    def _pads(self, purpose: str) -> tuple[str, str]:
        """The key's inner and outer block (RFC 2104) as literals of a BLOB."""
        key = self._key_of(purpose).ljust(_BLOCK_BYTES, b"\0")
        inner, outer = (bytes(byte ^ pad for byte in key) for pad in (0x36, 0x5C))
        return _blob(inner), _blob(outer)


def publish_key(private_dir: Path) -> bytes:
    """The installation's key of published pseudonyms, made at first use and never written over.

    Raises:
        PermanentFailure: it is too short to protect anything.
    """
    path = private_dir / KEY_NAME
    private_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            write_whole(path, secrets.token_hex(KEY_BYTES).encode(), PRIVATE_FILE)
    key = path.read_bytes().strip()
    if len(key) < LEAST_KEY_BYTES:
        raise PermanentFailure(
            f"The key in {path} is shorter than {LEAST_KEY_BYTES} bytes.",
            "Put it back from a copy, or delete it: published pseudonyms are others then.",
        )
    return key


def _blob(data: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in data)
