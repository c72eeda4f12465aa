"""Identifiers of what happens on the twin's GitHub: pure functions that every view shares.

Belongs here: the numbers, shas and node ids of threads, comments, commits, forks and releases, as
functions of (repository, number, place). Does not belong here: what exists (`world`, `history`,
`archive`), and its JSON (`shapes`, `server`).

`repository` is always the index into `World.repositories`, `account` the index into
`World.accounts`. The archive, the REST and the GraphQL views show one thing under one id because
they call the same function. All take integers or index-aligned arrays and answer in kind; the
ids stay below 2**53, so that every JSON reader keeps them.
"""

import base64
import hashlib
from typing import Any

import numpy as np

from twin.draws import Hashes, Ints, mixed

# Issue and pull request numbers share a sequence; the largest published stock is 1.6 million.
_NUMBERS = 1 << 22
_HASHED = np.uint64((1 << 50) - 1)

Whole = int | Ints


def pull_id(repository: Whole, number: Whole) -> Any:
    """The id of a pull request, which is not that of the issue behind it."""
    return 1_500_000_000 + repository * _NUMBERS + number


def thread_id(repository: Whole, number: Whole) -> Any:
    """The id of an issue, and of the issue behind a pull request."""
    return 3_000_000_000 + repository * _NUMBERS + number


def comment_id(repository: Whole, number: Whole, k: Whole) -> Any:
    """The id of the k-th comment (from 0) in the conversation of an issue or pull request."""
    return _hashed(1, repository, number, k)


def review_id(repository: Whole, number: Whole, k: Whole) -> Any:
    """The id of the k-th review (from 0) of a pull request."""
    return _hashed(2, repository, number, k)


def review_comment_id(repository: Whole, number: Whole, k: Whole) -> Any:
    """The id of the k-th comment (from 0) on the diff of a pull request."""
    return _hashed(3, repository, number, k)


def release_id(repository: Whole, k: Whole) -> Any:
    """The id of the k-th release (from 0) of a repository."""
    return _hashed(4, repository, k, 0)


def commit_comment_id(repository: Whole, k: Whole) -> Any:
    """The id of the k-th commit comment (from 0) of a repository."""
    return _hashed(5, repository, k, 0)


def fork_id(repository: Whole, account: Whole) -> Any:
    """The id of an account's fork of a repository that is itself no part of the population."""
    return _hashed(6, repository, account, 0)


def label_id(repository: int, label: int) -> int:
    """The id of a repository's label (index into the vocabulary of labels)."""
    return 1_000_000 + repository * 100 + label


def _hashed(kind: int, a: Whole, b: Whole, c: Whole) -> Any:
    """An id without order below 2**51; two of a million are equal once in ten thousand worlds."""
    numbers = (mixed(kind, a, b, c) & _HASHED).astype(np.int64) + 2_000_000_000
    scalar = all(isinstance(part, int) for part in (a, b, c))
    return int(numbers[0]) if scalar else numbers


def commit_shas(seed: int, repository: Whole, position: Whole) -> list[str]:
    """Shas of the commits at positions (0 is the oldest) of repositories; 40 zeros before 0.

    Args:
        seed: the world's.
        repository: indices, or one for all positions.
        position: the flow's commits continue where the history ends (`commit_stock`).
    """
    places = np.atleast_1d(np.asarray(position, np.int64))
    owner = np.broadcast_to(np.asarray(repository, np.int64), places.shape)
    lanes = np.empty((len(places), 3), np.uint64)
    lanes[:, 0] = sha_heads(seed, owner, places)
    lanes[:, 1] = mixed(lanes[:, 0], owner)
    lanes[:, 2] = mixed(lanes[:, 1], places)
    digits = lanes.astype(">u8").view(np.uint8).reshape(len(places), 24)[:, :20].copy()
    digits[places < 0] = 0
    text = digits.tobytes().hex()
    return [text[k : k + 40] for k in range(0, len(text), 40)]


def sha_heads(seed: int, repository: Whole, position: Whole) -> Hashes:
    """The first 64 bits of the shas of `commit_shas`, for looking one up."""
    return mixed(seed, repository, position)


def commit_sha(seed: int, repository: int, position: int) -> str:
    """The sha of one commit; see `commit_shas`."""
    return commit_shas(seed, repository, position)[0]


def head_shas(seed: int, repository: Whole, number: Whole) -> list[str]:
    """Shas of the heads of pull requests' branches, which are on no default branch."""
    return commit_shas(seed ^ 0x5EED, repository, number)


def tree_sha(sha: str) -> str:
    """The sha of a commit's tree."""
    return hashlib.sha1(f"tree {sha}".encode(), usedforsecurity=False).hexdigest()


def node_id(kind: str, number: int) -> str:
    """The older form of a global id, which both APIs still accept."""
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()


def node_of(text: str) -> tuple[str, int] | None:
    """Kind and number of a global id, or None where it is none."""
    try:
        head, _, rest = base64.b64decode(text, validate=True).decode("ascii").partition(":")
        length = int(head)
        kind, number = rest[:length], int(rest[length:])
    except ValueError:
        return None
    return (kind, number) if node_id(kind, number) == text else None
