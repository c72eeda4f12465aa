"""Signatures and clusters of near-duplicates, against sets of shingles compared pair by pair."""

import time
from collections.abc import Sequence
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import NEVER_ENDS

from assets.study.themes import duplicates
from assets.study.themes.duplicates import (
    LEAST_SIMILARITY,
    LEAST_WORDS,
    SHINGLE_WORDS,
    SIGNATURE_BYTES,
    representatives,
    signatures,
    similarity,
)

# As this version signs two sentences.
FIRST, SHORT = "ba7664dbb328929f", "6fd677de719ed904db3af40d56daeb9b"
WORDS = [f"word{number}" for number in range(2_000)]


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {tuple(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}


def jaccard(first: str, second: str) -> float:
    one, other = shingles(first), shingles(second)
    return len(one & other) / len(one | other)


def changed(words: Sequence[str], count: int, random: np.random.Generator) -> str:
    copy = list(words)
    for at in random.choice(len(copy), count, replace=False).tolist():
        copy[at] = f"other{random.integers(10**9)}"
    return " ".join(copy)


def families(count: int, seed: int, most_changed: int = 3) -> list[str]:
    """Texts and copies of them with up to so many words changed."""
    random = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        words = random.choice(WORDS, 100).tolist()
        texts.append(" ".join(words))
        texts += [changed(words, int(random.integers(0, most_changed + 1)), random)
                  for _ in range(random.integers(0, 4))]  # fmt: skip
    return texts


def clusters(texts: Sequence[str], created: Sequence[int] | None = None) -> list[int]:
    keys = [f"{at:06}" for at in range(len(texts))]
    moments = np.array(created if created is not None else range(len(texts)), np.int64)
    return representatives(keys, moments, signatures(texts), [""] * len(texts)).tolist()


def brute_force(texts: Sequence[str]) -> list[int]:
    """Representatives by all pairs of estimated similarities."""
    signed = signatures(texts)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(texts)))
    graph.add_edges_from(
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if similarity(signed[one], signed[other]) >= LEAST_SIMILARITY
    )
    first = [0] * len(texts)
    for part in nx.connected_components(graph):
        for at in part:
            first[at] = min(part)
    return first


# ---------------------------------------------------------------- signatures


def test_similarity_is_estimated_without_bias() -> None:
    random = np.random.default_rng(3)
    errors = []
    for count in range(120):
        words = random.choice(WORDS, 100).tolist()
        copy = changed(words, count % 12, random)
        one, other = signatures([" ".join(words), copy])
        errors.append(similarity(one, other) - jaccard(" ".join(words), copy))
    # The standard error at 0.8 is 0.035; of 120 pairs, of the mean, a tenth of it.
    assert abs(np.mean(errors)) < 0.015
    assert np.std(errors) < 0.06


def test_signatures_agree_with_datasketch() -> None:
    """Another implementation estimates the same similarity, within both standard errors."""
    datasketch = pytest.importorskip("datasketch")
    random = np.random.default_rng(4)
    differences = []
    for count in range(40):
        words = random.choice(WORDS, 80).tolist()
        texts = [" ".join(words), changed(words, count % 10, random)]
        hashes = [datasketch.MinHash(num_perm=128, seed=1) for _ in texts]
        for told, text in zip(hashes, texts, strict=True):
            told.update_batch([" ".join(part).encode() for part in shingles(text)])
        differences.append(similarity(*signatures(texts)) - hashes[0].jaccard(hashes[1]))
    assert abs(np.mean(differences)) < 0.03
    assert np.max(np.abs(differences)) < 0.25


def test_signatures_do_not_depend_on_what_they_are_made_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [*families(20, 1), "short", "", "字" * 30]
    together = signatures(texts)
    assert together == [signatures([text])[0] for text in texts]
    monkeypatch.setattr(duplicates, "_MOST_WORDS", 150)
    assert signatures(texts) == together
    assert signatures([]) == []


def test_a_signature_stays_what_it_is() -> None:
    """They are kept: a change of how they are made needs another SIGNATURE_VERSION."""
    text = "the quick brown fox jumps over the lazy dog and runs away"
    one, short = signatures([text, "Thank you!"])
    assert len(one) == SIGNATURE_BYTES
    assert one[:8].hex() == FIRST and short.hex() == SHORT


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("test", "Test!", True),
        ("test", "test it", False),
        ("👍", "👍", True),
        ("👍", "👎", False),
        ("", "   ", True),
        ("a b c d e f g", "a b c d e f h", False),
        ("如何配置模型的参数和路径", "如何配置模型的参数和路径", True),
    ],
)
def test_short_texts_are_exact(first: str, second: str, is_same: bool) -> None:
    assert (similarity(*signatures([first, second])) == 1) == is_same


def test_texts_without_spaces_have_words() -> None:
    text = "程序在输入为空的时候崩溃并且没有任何提示信息请问应该怎么解决这个问题呢谢谢大家"
    one, other = signatures([text, text + "了"])
    assert len(one) == SIGNATURE_BYTES and similarity(one, other) > LEAST_SIMILARITY


# ---------------------------------------------------------------- clusters


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_those_of_all_pairs(seed: int) -> None:
    """Copies with up to two words in a hundred changed: far above, or far below the bound."""
    texts = families(40, seed, most_changed=2)
    assert clusters(texts) == brute_force(texts)


def test_most_pairs_near_the_bound_are_found() -> None:
    random = np.random.default_rng(9)
    pairs = []
    for _ in range(300):
        words = random.choice(WORDS, 100).tolist()
        pairs.append((" ".join(words), changed(words, int(random.integers(0, 8)), random)))
    found = missed = wrong = 0
    for one, other in pairs:
        alike, is_folded = jaccard(one, other), clusters([one, other]) == [0, 0]
        found += alike >= 0.9 and is_folded
        missed += alike >= 0.9 and not is_folded
        wrong += alike < 0.7 and is_folded
    assert found > 80 and missed <= 1 and wrong <= 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_in_which_they_become_known_plays_no_role(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 1_000))
    texts = [*families(6, seed, 12), "test", "test", "thanks", "test"]
    moments = data.draw(st.lists(st.integers(0, 5), min_size=len(texts), max_size=len(texts)))
    order = data.draw(st.permutations(range(len(texts))))
    keys = [f"{at:06}" for at in range(len(texts))]
    signed = signatures(texts)
    straight = representatives(keys, np.array(moments), signed, [""] * len(texts))
    mixed = representatives(
        [keys[at] for at in order],
        np.array([moments[at] for at in order]),
        [signed[at] for at in order],
        [""] * len(texts),
    )
    for place, at in enumerate(order):
        assert order[mixed[place]] == straight[at]
    for at, first in enumerate(straight.tolist()):
        assert (moments[first], keys[first]) <= (moments[at], keys[at])
        assert straight[first] == first


def test_the_earliest_stands_for_all() -> None:
    texts = ["the same text " * 5] * 4
    assert clusters(texts, [7, 3, 3, 9]) == [1, 1, 1, 1]


def test_groups_are_not_compared() -> None:
    texts = ["the same text again and again and again"] * 2 + ["test"] * 2
    signed, moments = signatures(texts), np.arange(4)
    groups = ["github", "huggingface", "github", "huggingface"]
    assert representatives(list("abcd"), moments, signed, groups).tolist() == [0, 1, 2, 3]


def test_links_of_links_are_one_cluster() -> None:
    """First and last are too different by themselves."""
    words = [f"w{at}" for at in range(120)]
    chain = [" ".join([*(f"new{at}" for at in range(count)), *words[count:]])
             for count in range(0, 40, 4)]  # fmt: skip
    signed = signatures(chain)
    assert similarity(signed[0], signed[-1]) < LEAST_SIMILARITY
    assert set(clusters(chain)) == {0}


@pytest.mark.parametrize("kind", ["equal", "one word differs", "nothing in common but a line"])
def test_tens_of_thousands_alike_are_not_compared_pair_by_pair(kind: str) -> None:
    count = 20_000
    line = " ".join(f"w{at}" for at in range(40))
    if kind == "equal":
        texts = ["test"] * count
    elif kind == "one word differs":
        texts = [f"{line} number{at}" for at in range(count)]
    else:
        # Small enough a common part for most bands to differ, large enough for some to be shared.
        texts = [f"{line} " + " ".join(f"x{at}y{k}" for k in range(12)) for at in range(count)]
    keys, moments = [f"{at:06}" for at in range(count)], np.arange(count)
    signed = signatures(texts)
    started = time.process_time()
    first = representatives(keys, moments, signed, [""] * count)
    # Measured: 0.5 s. All pairs would take hours.
    assert time.process_time() - started < NEVER_ENDS
    if kind != "nothing in common but a line":
        assert set(first.tolist()) == {0}


def test_short_and_long_bounds() -> None:
    words = [f"w{at}" for at in range(LEAST_WORDS)]
    lengths = [len(one) for one in signatures([" ".join(words[:-1]), " ".join(words)])]
    assert lengths == [16, SIGNATURE_BYTES]
