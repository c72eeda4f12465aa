"""From a packed file to clean lines: bounded unpacking, and no e-mail address in what follows.

Belongs here: reading gzip and plain files of newline-delimited JSON with bounds on size, ratio
and line length, hashing addresses, and keeping line numbers. Does not belong here: what a line
means (landing) and what becomes of a file that was refused (ingest).

The reader works on blocks of whole lines and never on single lines: an hour of the archive has
hundreds of thousands, and a Python loop over them would cost more than everything else.
"""

import errno
import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from zlib import error as zlib_error

from isal import igzip
from isal.igzip_lib import IsalError
from stringzilla import count

# Small blocks stay in memory that is already mapped: with 4 MiB each block pays page faults again
# and the whole takes a third longer, as with 256 KiB in a process's main thread.
BLOCK_BYTES = 128 * 1024
# Small files may be packed better than `max_ratio` without being an attack.
RATIO_FREE_BYTES = 64 * 1024 * 1024
# What is kept of a line that is too long to be kept whole.
SAMPLE_BYTES = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"
BACKSLASH = 0x5C

_LOCAL = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-"
_DOMAIN = re.compile(rb"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,24}")
# A commit's author writes what they like there: `root@localhost` names a person as well.
_UNHASHED_VALUE = re.compile(rb'("email": ?")(?!email:[0-9a-f]{32}[" ])((?:[^"\\]|\\.)+)')
_EMAIL_KEY = b'"email":'
_EMAIL_START = b'"email":"'
_EMAIL_START_BYTES = len(_EMAIL_START)
# How the address of a remote begins that is a whole JSON string, and where its "@" is in it.
_REMOTE = b'"git@github.com:'
_REMOTE_AT = _REMOTE.index(b"@")
_UNICODE_ESCAPE = re.compile(rb"u[0-9A-Fa-f]{4}")
# "@" may be written as an escape; an even number of backslashes before it escapes themselves.
_ESCAPED_AT = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0040")
LOCAL_BYTES = 64
# From "@" to the closing quote of a string that is nothing but an address; longer ones are found
# as well, the slow way.
DOMAIN_BYTES = 256
HASH_DIGITS = 32
# Addresses remembered by one hasher, about 100 bytes each.
MOST_KNOWN = 500_000
# Remote addresses of version control (git@host) name no person.
NOT_PERSONAL = {b"git"}


class Unreadable(Exception):
    """A file cannot be read to its end; `state` is the ledger's word for it."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


@dataclass(frozen=True)
class Bounds:
    """How much of an untrusted file is accepted."""

    max_line_bytes: int = 16 * 1024 * 1024
    max_file_bytes: int = 8 * 1024**3
    max_ratio: float = 100.0


@dataclass(frozen=True)
class LongLine:
    """A line above the bound: where it is, how long, how it begins, and its hash."""

    number: int
    length: int
    sample: bytes
    sha256: str


@dataclass
class LineSummary:
    """What was seen while a file was copied."""

    line_count: int = 0
    unpacked_bytes: int = 0
    address_count: int = 0
    long_lines: list[LongLine] = field(default_factory=list)


class AddressHasher:
    """Replaces e-mail addresses in raw JSON bytes by a salted hash.

    An address becomes `email:<32 hex digits>`, of HMAC-SHA-256 over the lower-cased address with
    the installation's salt: equal addresses give equal text, and nobody without the salt can test
    a guess. With `keep_domain` the domain follows after a space, as a hint to an affiliation.
    """

    def __init__(self, salt: bytes, keep_domain: bool = False) -> None:
        self._salt = salt
        self._keep_domain = keep_domain
        self._known: dict[bytes, bytes] = {}
        self.count = 0

    def __call__(self, block: bytes) -> bytes:
        """The block with every address replaced; whole lines only."""
        # Half the cost is looking for what is nearly never there: Python's own search reads a byte
        # at a time where the letters that it looks for are frequent.
        if count(block, b"\\u0040"):
            block = _ESCAPED_AT.sub(rb"\1@", block)
        hashed, value_count = self._hash_addresses(block)
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        # Where no more keys are there than values were hashed, all are.
        if count(block, _EMAIL_KEY) == value_count:
            return hashed
        return _UNHASHED_VALUE.sub(self._hashed_value, hashed)

    def _hash_addresses(self, block: bytes) -> tuple[bytes, int]:
        """The block with what has the form of an address replaced.

        Also returns how many of the addresses were the whole value of a key `email`.
        """
        pieces: list[bytes] = []
        append, known, find, find_last = pieces.append, self._known, block.find, block.rfind
        starts_with = block.startswith
        done = value_count = 0
        at = find(b"@")
        while at >= 0:
            # In the archive nearly every address is one whole JSON string, seen many times.
            start = find_last(b'"', at - LOCAL_BYTES - 1 if at > LOCAL_BYTES else 0, at) + 1
            end = find(b'"', at, at + DOMAIN_BYTES)
            hashed = known.get(block[start:end]) if start > done and end > 0 else None
            if hashed is not None:
                # What is known is no remote of version control, and a quote ends it.
                value_count += starts_with(_EMAIL_START, start - _EMAIL_START_BYTES)
            elif starts_with(_REMOTE, at - _REMOTE_AT):
                # Every repository of a pull request has one: nothing to hash and none around it.
                at = find(b"@", at + 1)
                continue
            else:
                start, end = _address_span(block, done, at)
                if start == at:
                    at = find(b"@", end)
                    continue
                hashed = self._hash(block[start:end])
                is_value = starts_with(_EMAIL_START, start - _EMAIL_START_BYTES)
                if is_value and block[end : end + 1] == b'"' and hashed.startswith(b"email:"):
                    value_count += 1
            append(block[done:start])
            append(hashed)
            done = end
            at = find(b"@", end)
        self.count += len(pieces) // 2
        append(block[done:])
        return b"".join(pieces), value_count

    def _hashed_value(self, match: re.Match[bytes]) -> bytes:
        """A value of the key `email` that has not the usual form of an address."""
        self.count += 1
        return match[1] + self._digest(match[2].lower())

    def _digest(self, address: bytes) -> bytes:
        digest = hmac.digest(self._salt, address, "sha256").hex()[:HASH_DIGITS]
        return b"email:" + digest.encode()

    def _hash(self, address: bytes) -> bytes:
        known = self._known.get(address)
        if known is not None:
            return known
        local, domain = address.lower().rsplit(b"@", 1)
        if local in NOT_PERSONAL:
            return address
        hashed = self._digest(local + b"@" + domain)
        if self._keep_domain:
            hashed += b" " + domain
        self._known[address] = hashed
        return hashed


def _address_span(block: bytes, lower: int, at: int) -> tuple[int, int]:
    """Where the address around the "@" at `at` starts and ends; it starts at `at` if there is none.

    `lower` is where the address before it ended.
    """
    domain = _DOMAIN.match(block, at)
    if domain is None:
        return at, at + 1
    first = max(lower, at - LOCAL_BYTES)
    start = first + len(block[first:at].rstrip(_LOCAL))
    slash = start
    while slash > lower and block[slash - 1] == BACKSLASH:
        slash -= 1
    if start < at and (start - slash) % 2:
        # The first characters belong to a JSON escape such as \n or \u003c.
        start += 5 if _UNICODE_ESCAPE.match(block, start, at) else 1
    return start, domain.end()


def open_source(path: Path) -> BinaryIO:
    """Open a file for reading, unpacking gzip; the name says whether gzip is expected.

    Raises:
        Unreadable: the file is empty, or named `.gz` without being gzip.
    """
    with path.open("rb") as stream:
        head = stream.read(2)
    if not head:
        raise Unreadable("truncated", "the file is empty (0 bytes)")
    if head == GZIP_MAGIC:
        # pyrefly: ignore[bad-return] - isal does not say which of its modes gives bytes
        return igzip.open(path, "rb")
    if path.suffix == ".gz":
        raise Unreadable("corrupt", "the file is not gzip (no gzip magic number)")
    return path.open("rb")


def blocks_of_lines(path: Path, bounds: Bounds, summary: LineSummary) -> Iterator[bytes]:
    """Unpack a file as blocks of whole lines, each ending with a line feed.

    A line above `bounds.max_line_bytes` is left out, an empty line standing in its place so that
    line numbers stay those of the file, and is recorded in `summary.long_lines`.

    Raises:
        Unreadable: bad gzip, truncated gzip, or larger than the bounds allow.
    """
    packed_bytes = path.stat().st_size
    carry = b""
    with open_source(path) as stream:
        while data := _read(stream, bounds):
            summary.unpacked_bytes += len(data)
            _check_size(summary.unpacked_bytes, packed_bytes, bounds)
            end = data.rfind(b"\n") + 1
            if not end:
                carry += data
                if len(carry) > bounds.max_line_bytes:
                    carry = _skip_long_line(stream, carry, packed_bytes, bounds, summary)
                    yield b"\n"
                    # Whole lines may follow the long one in what was read.
                    end = carry.rfind(b"\n") + 1
                    if end:
                        summary.line_count += carry.count(b"\n", 0, end)
                        yield carry[:end]
                        carry = carry[end:]
                continue
            block = b"".join((carry, memoryview(data)[:end]))
            carry = data[end:]
            first = block.find(b"\n")
            if first > bounds.max_line_bytes:
                summary.long_lines.append(_long_line(summary.line_count + 1, block[:first]))
                block = block[first:]
            summary.line_count += count(block, b"\n")
            yield block
    if carry:
        summary.line_count += 1
        yield carry + b"\n"


def _skip_long_line(
    stream: BinaryIO, start: bytes, packed_bytes: int, bounds: Bounds, summary: LineSummary
) -> bytes:
    """Read on to the end of a line that is too long; returns what follows it."""
    digest = hashlib.sha256(start)
    length = len(start)
    rest = b""
    while data := _read(stream, bounds):
        summary.unpacked_bytes += len(data)
        _check_size(summary.unpacked_bytes, packed_bytes, bounds)
        line, separator, rest = data.partition(b"\n")
        digest.update(line)
        length += len(line)
        if separator:
            break
    summary.line_count += 1
    sample = start[:SAMPLE_BYTES]
    summary.long_lines.append(LongLine(summary.line_count, length, sample, digest.hexdigest()))
    return rest


def _long_line(number: int, line: bytes) -> LongLine:
    return LongLine(number, len(line), line[:SAMPLE_BYTES], hashlib.sha256(line).hexdigest())


def _read(stream: BinaryIO, bounds: Bounds) -> bytes:
    """The next bytes, at most as many as a line may have: no line inside a block is too long."""
    try:
        return stream.read(min(BLOCK_BYTES, bounds.max_line_bytes))
    except EOFError as error:
        raise Unreadable("truncated", "the gzip stream ends before its trailer") from error
    # pyrefly: ignore[not-a-type] - isal declares its class of errors as one of them
    except (OSError, IsalError, zlib_error) as error:
        raise Unreadable("corrupt", f"bad gzip data ({error})") from error


def _check_size(unpacked: int, packed: int, bounds: Bounds) -> None:
    if unpacked > bounds.max_file_bytes:
        raise Unreadable("corrupt", f"unpacks to more than {bounds.max_file_bytes} bytes")
    if unpacked > RATIO_FREE_BYTES and unpacked > packed * bounds.max_ratio:
        raise Unreadable(
            "corrupt", f"unpacks to more than {bounds.max_ratio:g} times its size (gzip bomb)"
        )


def copy_lines(path: Path, target: Path, bounds: Bounds, hasher: AddressHasher) -> LineSummary:
    """Unpack `path` into `target` with addresses hashed.

    Raises:
        Unreadable: see `blocks_of_lines`; `target` is then incomplete and must not be used.
    """
    summary = LineSummary()
    before = hasher.count
    # Writing over a file of the last hour is many times cheaper than growing a new one.
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600), "wb", buffering=0) as out:
        for block in blocks_of_lines(path, bounds, summary):
            data = hasher(block)
            # Unbuffered, the last bytes that fit on a disk are written without an error.
            if out.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        out.truncate()
    summary.address_count = hasher.count - before
    for line in summary.long_lines:
        object.__setattr__(line, "sample", hasher(line.sample))
    return summary
