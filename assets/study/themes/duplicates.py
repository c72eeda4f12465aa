"""Posts that say nearly the same, folded onto the earliest of them.

Belongs here: signatures of texts, and clusters of signatures. Does not belong here: which posts are
compared (`corpus`), cleaning (`cleaning`).

Two texts are near-duplicates where their sets of three words in a row overlap by a Jaccard
similarity of `LEAST_SIMILARITY` or more, as MinHash estimates it of `PERMUTATIONS` values (standard
error 0.035 there). Of a text with fewer than `LEAST_WORDS` words only exact copies are folded: one
word more or less says something else. Candidates share one of `BANDS` bands of the signature
(locality-sensitive hashing: found are 95 % of the pairs at 0.8 and 99.9 % at 0.9). Within a band a
text is compared with the earliest of those before it that were like none of theirs, and with no
more than `MOST_LEADERS`: a hundred thousand copies cost a hundred thousand comparisons. Clusters
are what is linked, directly or through others.

Clusters are a function of the set of posts alone: in which order they became known plays no role.
A post that becomes known later and is earlier than the representative takes its place.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Changes whenever a signature could.
SIGNATURE_VERSION = "1"
SHINGLE_WORDS = 3
LEAST_WORDS = 8
LEAST_SIMILARITY = 0.8
PERMUTATIONS, BANDS = 128, 16
ROWS = PERMUTATIONS // BANDS
# Two bytes a value: the lowest of it, which differ for different texts but once in 65,536.
SIGNATURE_BYTES, BAND_BYTES = 2 * PERMUTATIONS, 2 * ROWS
MOST_LEADERS = 8
# Words hashed, and pairs compared, at once.
_MOST_WORDS, _MOST_PAIRS = 500_000, 100_000
# Characters of scripts that are written without spaces are words of their own.
_TOKEN = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]"
    "|[^\\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+"
)

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Values = NDArray[np.uint16]


def signatures(texts: Sequence[str]) -> list[bytes]:
    """A signature of each text: `SIGNATURE_BYTES`, or 16 bytes of a short one's digest.

    Equal signatures are copies; of long ones the share of equal values is the similarity.
    """
    found: list[bytes] = [b""] * len(texts)
    words: list[list[str]] = []
    places: list[int] = []
    waiting = 0
    for place, text in enumerate(texts):
        of_text = _TOKEN.findall(text.casefold())
        if len(of_text) < LEAST_WORDS:
            told = " ".join(of_text) or " ".join(text.split())
            digest = hashlib.blake2b(told.encode("utf-8", "replace"), digest_size=16)
            found[place] = digest.digest()
            continue
        words.append(of_text)
        places.append(place)
        waiting += len(of_text)
        if waiting > _MOST_WORDS:
            _fill(found, places, words)
            words = []
            places = []
            waiting = 0
    _fill(found, places, words)
    return found


def similarity(first: bytes, second: bytes) -> float:
    """Estimated Jaccard similarity of two texts (0-1); short texts are alike or not."""
    if len(first) != SIGNATURE_BYTES or len(second) != SIGNATURE_BYTES:
        return float(first == second)
    same = np.frombuffer(first, "<u2") == np.frombuffer(second, "<u2")
    return float(same.mean())


def representatives(
    keys: Sequence[str], created: Ints, signatures: Sequence[bytes], groups: Sequence[str]
) -> Ints:
    """Of each post the place of the earliest in its cluster, (n,).

    Args:
        keys: name the posts; of two posts of one moment the lesser key is the earlier.
        created: (n,) when, in any unit.
        signatures: as `signatures` makes them.
        groups: only posts of one group are compared.
    """
    count = len(keys)
    order = np.array(sorted(range(count), key=lambda at: (created[at], keys[at])), np.int64)
    # Places in time from here on: the lowest is the earliest.
    first: dict[tuple[str, bytes], int] = {}
    copy_of = np.arange(count)
    for place, at in enumerate(order.tolist()):
        copy_of[place] = first.setdefault((groups[at], signatures[at]), place)
    distinct = np.array(
        [place for (_, signature), place in first.items() if len(signature) == SIGNATURE_BYTES],
        np.int64,
    )
    label = np.arange(count)
    if distinct.size:
        values = np.frombuffer(
            b"".join(signatures[order[place]] for place in distinct), "<u2"
        ).reshape(distinct.size, PERMUTATIONS)
        _, group = np.unique([groups[order[place]] for place in distinct], return_inverse=True)
        label[distinct] = distinct[_earliest(values, group.astype(np.int64))]
    found = np.empty(count, np.int64)
    found[order] = order[label[copy_of]]
    return found


# ---------------------------------------------------------------- signatures


def _fill(found: list[bytes], places: list[int], words: list[list[str]]) -> None:
    """Signatures of texts of `LEAST_WORDS` words or more."""
    if not places:
        return
    values = _minima(*_shingles(words))
    for place, row in zip(places, values, strict=True):
        found[place] = row.tobytes()


def _shingles(words: list[list[str]]) -> tuple[NDArray[np.uint32], Ints]:
    """Hashes of all shingles one text after another, and where each text begins."""
    code: dict[str, int] = {}
    codes = [code.setdefault(word, len(code)) for of_text in words for word in of_text]
    digests = b"".join(
        hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest() for word in code
    )
    hashed = np.frombuffer(digests, "<u8")[np.array(codes, np.int64)]
    lengths = np.array([len(of_text) for of_text in words], np.int64)
    ends = np.cumsum(lengths)
    is_whole = np.ones(hashed.size, bool)
    for step in range(1, SHINGLE_WORDS):
        is_whole[ends - step] = False
    mixed = np.zeros(hashed.size, np.uint64)
    for step in range(SHINGLE_WORDS):
        # Words that cross a text's end are left out by `is_whole`.
        mixed = _mix(mixed ^ np.roll(hashed, -step))
    begins = np.concatenate(([0], np.cumsum(lengths - SHINGLE_WORDS + 1)[:-1]))
    return (mixed[is_whole] >> np.uint64(32)).astype(np.uint32), begins


def _mix(value: Hashes) -> Hashes:
    """SplitMix64's finaliser: every bit depends on every bit (Steele, Lea & Flood 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _minima(shingles: NDArray[np.uint32], begins: Ints) -> Values:
    """(texts, PERMUTATIONS) lowest bits of the least value of each text under each permutation."""
    numbers = _mix(np.arange(1, 2 * PERMUTATIONS + 1, dtype=np.uint64)).astype(np.uint32)
    # An odd factor permutes the numbers below 2**32.
    factor, shift = numbers[:PERMUTATIONS] | np.uint32(1), numbers[PERMUTATIONS:]
    found = np.empty((begins.size, PERMUTATIONS), "<u2")
    for at in range(PERMUTATIONS):
        least = np.minimum.reduceat(shingles * factor[at] + shift[at], begins)
        found[:, at] = least & np.uint32(0xFFFF)
    return found


# ---------------------------------------------------------------- clusters


def _earliest(values: Values, group: Ints) -> Ints:
    """(n,) place of the earliest text of each one's cluster; rows are in order of time."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(values)
    links = [pair for band in range(BANDS) for pair in _links(values, group, band)]
    first = np.concatenate([pair[0] for pair in links] or [np.zeros(0, np.int64)])
    second = np.concatenate([pair[1] for pair in links] or [np.zeros(0, np.int64)])
    graph = coo_array((np.ones(first.size, np.int8), (first, second)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    _, begin, inverse = np.unique(label, return_index=True, return_inverse=True)
    return begin[inverse].astype(np.int64)


def _links(values: Values, group: Ints, band: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of alike texts that share a band: each with a leader, the earliest not alike."""
    part = np.ascontiguousarray(values[:, band * ROWS : (band + 1) * ROWS]).view("<u8")
    bucket = _mix(part[:, 0] ^ _mix(part[:, 1] ^ _mix(group.astype(np.uint64))))
    member = np.argsort(bucket, kind="stable")
    for _ in range(MOST_LEADERS):
        of_bucket = bucket[member]
        is_first = np.ones(member.size, bool)
        is_first[1:] = of_bucket[1:] != of_bucket[:-1]
        leader = member[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]
        leader, member = leader[~is_first], member[~is_first]
        if not member.size:
            return
        is_alike = _alike(values, leader, member) & (group[leader] == group[member])
        yield leader[is_alike], member[is_alike]
        member = member[~is_alike]


def _alike(values: Values, first: Ints, second: Ints) -> NDArray[np.bool_]:
    """Whether pairs of texts are near-duplicates."""
    found = np.empty(first.size, bool)
    least = int(np.ceil(LEAST_SIMILARITY * PERMUTATIONS))
    for at in range(0, first.size, _MOST_PAIRS):
        part = slice(at, at + _MOST_PAIRS)
        found[part] = (values[first[part]] == values[second[part]]).sum(axis=1) >= least
    return found
