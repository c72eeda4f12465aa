"""Weak supervision: what labels of maintainers and words of posts say of their themes.

Belongs here: the seeds `theme_label_map.csv` and `theme_patterns.csv`, the votes they give, and the
label model that weighs them. Does not belong here: the meaning of themes (`codebook`), cleaning of
texts (`cleaning`), and coders that learn from the result (`linear`, `encoder`).

Six sources vote on each text or abstain: labels that say a theme outright, labels that hint at it,
and the same of patterns in titles and in bodies. How often each source takes one theme for another
is estimated from where the sources agree and disagree, without any truth (data programming: Dawid &
Skene 1979 with abstention; Ratner et al. 2016). Sources that read the same words err together:
within a group they share a voice.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.codebook import SEEDS, THEMES, Codebook, SeedRow, seed_rows
from assets.study.themes.coding import Text

Numbers = NDArray[np.float64]
Votes = NDArray[np.int64]

LABEL_MAP = "theme_label_map.csv"
PATTERNS = "theme_patterns.csv"
MATCHES = ("whole", "word", "kind_prefix", "other_prefix", "stop_word")
STRENGTHS = {"strong": 3, "medium": 2, "weak": 1}
FIELDS = ("title", "body", "any")
LANGUAGES = ("any", "en", "zh", "ja", "ko", "ru", "es", "fr", "de", "pt", "it")
# Where the language is not certain, patterns of these are tried on texts in their letters only.
LETTERS = {"zh": r"\p{Han}", "ja": r"[\p{Han}\p{Hiragana}\p{Katakana}]", "ko": r"\p{Hangul}",
           "ru": r"\p{Cyrillic}"}  # fmt: skip
POLARITIES = ("for", "against")
ABSTAINS = -1
SOURCES = ("label said", "label hinted", "title said", "title hinted", "body said", "body hinted")
# Sources of one group read the same words.
GROUPS = (0, 0, 1, 1, 1, 1)
# Before any data: how often a vote is right. A said label is a maintainer's own decision.
ACCURACIES = (0.85, 0.60, 0.80, 0.65, 0.70, 0.55)
# What was said before any data is worth so many votes by source and theme, and this share of the
# votes that a source gave: sources that read the same words agree more than independent ones would,
# and without a hold the estimate believes them too much, and labels of maintainers too little.
PRIOR_VOTES = 30.0
PRIOR_SHARE = 0.5
# Correlation of sources of one group where a text is judged: of m that voted, each counts
# 1 / (1 + (m - 1) r).
CORRELATION = 0.7
MOST_ROUNDS = 500
TOLERANCE = 1e-9
# Read of a text: a title, and a body's beginning and end, where posts say what they want.
TITLE_LENGTH = 300
BODY_HEAD, BODY_TAIL = 1200, 300
# Read of a label, and words of a label that is read word by word.
LABEL_LENGTH, LABEL_WORDS = 100, 4
# Texts that are looked at together: bounds memory.
BATCH = 20_000
_MARKS = re.compile("[\u0300-\u036f]")
_SHORTCODE = re.compile(r"(?<!\S):[a-z0-9_+-]+:")
_WORD = re.compile(r"[^\W_]+\+*#?")
_UNWRITABLE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r"\\.")


@dataclass(frozen=True)
class WeakLabels:
    """What sources say of n texts together; arrays are index-aligned with the texts.

    Attributes:
        probabilities: of `THEMES`, (n, 5); rows sum to 1. Where nothing is known, the balance.
        known: some source voted, (n,).
        votes: index of the theme that each of `SOURCES` votes for, or `ABSTAINS`, (n, 6).
        model: what was estimated of the sources.
        version: changes whenever a seed or the way of reading does.
    """

    probabilities: Numbers
    known: NDArray[np.bool_]
    votes: Votes
    model: "LabelModel"
    version: str


def weak_labels(
    texts: Sequence[Text],
    labels: Sequence[Sequence[str]],
    codebook: Codebook,
    folder: Path = SEEDS,
) -> WeakLabels:
    """Probable themes of texts from labels and words; the same input gives the same result.

    How sources err and how common themes are is estimated from the texts that are given: give
    those of one platform at a time where they differ. Of a body the first 1,200 and the last 300
    characters are read, of a title the first 300.

    Args:
        texts: cleaned opening posts.
        labels: names of the labels that maintainers put on each text; may be empty.
        folder: where the seeds lie.

    Raises:
        PermanentFailure: a seed cannot be used.
    """
    if len(texts) != len(labels):
        raise ValueError(f"{len(texts)} texts and {len(labels)} lists of labels")
    rules, label_map = Patterns.load(folder), LabelMap.load(folder)
    votes = np.column_stack([label_map.votes(labels), rules.votes(texts)])
    model = fit_label_model(votes)
    known = (votes != ABSTAINS).any(axis=1)
    return WeakLabels(
        probabilities=model.probabilities(votes),
        known=known,
        votes=votes,
        model=model,
        version=f"{codebook.version}-{_digest(folder)}",
    )


def _digest(folder: Path) -> str:
    """Eight hex digits of the seeds and of what else decides."""
    decides = (ACCURACIES, GROUPS, PRIOR_VOTES, PRIOR_SHARE, CORRELATION, TITLE_LENGTH, BODY_HEAD,
               BODY_TAIL)  # fmt: skip
    content = repr(decides).encode()
    for name in (LABEL_MAP, PATTERNS):
        content += (folder / name).read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()[:8]


def folded(text: str) -> str:
    """A text as patterns read it: compatibility forms, case folded, letters without accents.

    >>> folded("Dónde ESTÁ?")
    'donde esta?'
    >>> folded("Straße") == folded("STRASSE")
    True
    """
    if text.isascii():
        return text.lower()
    # Case is folded after the forms, of which some have capitals, and before marks are left out,
    # of which one is a letter when it is large. The dotless i is folded to nothing else.
    apart = _MARKS.sub("", unicodedata.normalize("NFKD", text).casefold())
    whole = _UNWRITABLE.sub("\ufffd", unicodedata.normalize("NFC", apart))
    return whole.replace("’", "'").replace("ı", "i")


# ---------------------------------------------------------------- labels


@dataclass(frozen=True, slots=True)
class Said:
    """What a label says: a theme's index and how strongly (3 strong to 1 weak)."""

    theme: int
    strength: int


class LabelMap:
    """Which theme a maintainer's label speaks for."""

    def __init__(self, rows: dict[str, dict[str, Said | None]]) -> None:
        self._rows = rows

    @classmethod
    def load(cls, folder: Path = SEEDS) -> "LabelMap":
        """Read and check the seed.

        Raises:
            PermanentFailure: it cannot be read, or a row is not as it has to be.
        """
        rows: dict[str, dict[str, Said | None]] = {match: {} for match in MATCHES}
        for row in seed_rows(folder / LABEL_MAP, ("label", "match", "theme", "strength", "reason")):
            label, match = row["label"], row["match"]
            if match not in MATCHES:
                row.refuse(f"the match {match!r} is none of {', '.join(MATCHES)}")
            if not label or label != " ".join(_words(label)):
                row.refuse(f"the label {label!r} is looked up as {' '.join(_words(label))!r}")
            if label in rows[match]:
                row.refuse(f"the {match} {label!r} is given twice")
            if not row["reason"]:
                row.refuse(f"the label {label!r} has no reason")
            rows[match][label] = _said(row)
        return cls(rows)

    def said(self, label: str) -> Said | None:
        """What one label says; None where it is no evidence.

        Case, accents, emoji and separators make no difference. A prefix that names the kind of a
        post (`type: bug`, `kind/bug`, `C-bug`) is dropped; a label with a prefix that names
        something else (`area/docs`, `priority: bug`) is no evidence.
        """
        words = _words(label)
        whole, kinds, others = (self._rows[one] for one in ("whole", "kind_prefix", "other_prefix"))
        for _ in range(LABEL_WORDS):
            if " ".join(words) in whole:
                return whole[" ".join(words)]
            if len(words) > 1 and (words[0] in others or " ".join(words[:2]) in others):
                return None
            if len(words) < 2 or words[0] not in kinds:
                break
            words = words[1:]
        return self._by_word(words)

    def _by_word(self, words: list[str]) -> Said | None:
        """What the words of a label say, where they are few, agree and are not turned."""
        turning, known = self._rows["stop_word"], self._rows["word"]
        if len(words) > LABEL_WORDS or any(word in turning for word in words):
            return None
        found = {known[word] for word in words if word in known}
        return found.pop() if len(found) == 1 else None

    def votes(self, labels: Sequence[Sequence[str]]) -> Votes:
        """Votes of the sources `label said` and `label hinted`, (n, 2)."""
        heard: dict[str, Said | None] = {}
        scores = np.zeros((len(labels), 2, len(THEMES)), dtype=np.int64)
        for row, names in enumerate(labels):
            for name in names:
                if name not in heard:
                    heard[name] = self.said(name)
                said = heard[name]
                if said is not None:
                    is_said = said.strength == STRENGTHS["strong"]
                    scores[row, 0 if is_said else 1, said.theme] += 1 if is_said else said.strength
        return _voted(scores)


def _said(row: SeedRow) -> Said | None:
    """The theme and strength of a seed's row; None where it says none."""
    if not row["theme"]:
        return None
    if row["theme"] not in THEMES:
        row.refuse(f"the theme {row['theme']!r} is unknown")
    if row["strength"] not in STRENGTHS:
        row.refuse(f"the strength {row['strength']!r} is none of {', '.join(STRENGTHS)}")
    if row["match"] not in ("whole", "word"):
        row.refuse(f"a {row['match']} speaks for no theme")
    return Said(THEMES.index(row["theme"]), STRENGTHS[row["strength"]])


def _words(label: str) -> list[str]:
    """The words of a label, folded, without emoji and separators."""
    return _WORD.findall(_SHORTCODE.sub(" ", folded(label[:LABEL_LENGTH])))


# ---------------------------------------------------------------- patterns


@dataclass(frozen=True, slots=True)
class Pattern:
    """A labelling function.

    Attributes:
        theme: index into `THEMES`.
        code: the code of the codebook that it hints at, or empty.
        weight: 3 strong, 2 medium, 1 weak; below 0 where it speaks against its theme.
        expression: RE2, on folded text.
    """

    name: str
    theme: int
    code: str
    field: str
    language: str
    weight: int
    expression: str


class Patterns:
    """The labelling functions that read words.

    They are run by RE2, whose time is linear in the text whatever the pattern and the text are.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = tuple(patterns)

    @classmethod
    def load(cls, folder: Path = SEEDS) -> "Patterns":
        """Read and check the seed.

        Raises:
            PermanentFailure: it cannot be read, or a row is not as it has to be.
        """
        patterns: dict[str, Pattern] = {}
        columns = ("name", "theme", "code", "field", "language", "polarity", "strength", "pattern")
        for row in seed_rows(folder / PATTERNS, columns):
            pattern = _pattern(row)
            if pattern.name in patterns:
                row.refuse(f"the name {pattern.name} is given twice")
            patterns[pattern.name] = pattern
        return cls(tuple(patterns.values()))

    @cached_property
    def _languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(pattern.language for pattern in self.patterns))

    def votes(self, texts: Sequence[Text]) -> Votes:
        """Votes of the sources `title said` to `body hinted`, (n, 4)."""
        votes = [
            _voted(self._scores(texts[start : start + BATCH]).reshape(-1, 4, len(THEMES)))
            for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(votes) if votes else np.zeros((0, 4), dtype=np.int64)

    def _scores(self, texts: Sequence[Text]) -> NDArray[np.int64]:
        """Weights by field (title, body), by said or hinted and by theme, (n, 2, 2, 5)."""
        scores = np.zeros((len(texts), 2, 2, len(THEMES)), dtype=np.int64)
        for pattern, field, rows in self._found(texts):
            if pattern.weight == STRENGTHS["strong"]:
                scores[rows, field, 0, pattern.theme] += 1
            elif pattern.weight > 0:
                scores[rows, field, 1, pattern.theme] += pattern.weight
            else:
                scores[rows, field, :, pattern.theme] += pattern.weight
        return scores

    def _found(self, texts: Sequence[Text]) -> "list[tuple[Pattern, int, Votes]]":
        """Patterns with the field (0 title, 1 body) and the rows in which they are found."""
        import pyarrow as pa

        read = [
            pa.array([folded(text.title[:TITLE_LENGTH]) for text in texts], pa.large_string()),
            pa.array([folded(_ends(text.body)) for text in texts], pa.large_string()),
        ]
        found = []
        for language in self._languages:
            rows = _rows_in(language, texts, read)
            if not len(rows):
                continue
            columns = [one if len(rows) == len(texts) else one.take(pa.array(rows)) for one in read]
            for pattern in (one for one in self.patterns if one.language == language):
                for field, column in enumerate(columns):
                    if pattern.field in ("any", FIELDS[field]):
                        found.append((pattern, field, rows[_matches(column, pattern.expression)]))
        return found

    def names(self, text: Text) -> list[str]:
        """Names of the patterns that are found in a text, in the order of the seed."""
        found = {pattern.name for pattern, _, rows in self._found([text]) if len(rows)}
        return [pattern.name for pattern in self.patterns if pattern.name in found]


def _matches(column: Any, expression: str) -> NDArray[np.bool_]:
    """In which texts of an Arrow array an expression is found, (n,)."""
    import pyarrow.compute as pc

    found = pc.match_substring_regex(column, expression)
    return cast("NDArray[np.bool_]", found.to_numpy(zero_copy_only=False))


def _rows_in(language: str, texts: Sequence[Text], read: Sequence[Any]) -> Votes:
    """Rows that are read with the patterns of a language: its own, and where none is certain."""
    if language == "any":
        return np.arange(len(texts))
    told = [text.language for text in texts]
    is_own = np.array([one == language for one in told], dtype=bool)
    may_be = np.array([one is None for one in told], dtype=bool)
    if language in LETTERS and may_be.any():
        may_be &= np.logical_or(*(_matches(column, LETTERS[language]) for column in read))
    return np.flatnonzero(is_own | may_be)


def _pattern(row: SeedRow) -> Pattern:
    """A pattern that can be used.

    Raises:
        PermanentFailure: with its line, otherwise.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    allowed = {"theme": THEMES, "field": FIELDS, "language": LANGUAGES, "polarity": POLARITIES,
               "strength": tuple(STRENGTHS)}  # fmt: skip
    for column, values in allowed.items():
        if row[column] not in values:
            row.refuse(f"the {column} {row[column]!r} is none of {', '.join(values)}")
    expression = row["pattern"]
    literal = _ESCAPE.sub("", expression)
    if literal != folded(literal):
        row.refuse("the pattern has capitals or accents, which folded text has not")
    try:
        matches_nothing = pc.match_substring_regex(pa.array([""]), expression)[0].as_py()
    except pa.ArrowInvalid as error:
        row.refuse(f"the pattern cannot be read: {str(error).splitlines()[0]}")
    if not expression or matches_nothing:
        row.refuse("the pattern is found in an empty text")
    weight = STRENGTHS[row["strength"]]
    return Pattern(
        name=row["name"],
        theme=THEMES.index(row["theme"]),
        code=row["code"],
        field=row["field"],
        language=row["language"],
        weight=weight if row["polarity"] == "for" else -weight,
        expression=expression,
    )


def _ends(body: str) -> str:
    """The beginning and the end of a body."""
    if len(body) <= BODY_HEAD + BODY_TAIL:
        return body
    return f"{body[:BODY_HEAD]}\n{body[-BODY_TAIL:]}"


def _voted(scores: NDArray[np.int64]) -> Votes:
    """The theme with the highest score above 0; none where two share it. (n, s, 5) to (n, s)."""
    ordered = np.sort(scores, axis=2)
    is_clear = (ordered[..., -1] > 0) & (ordered[..., -1] > ordered[..., -2])
    return np.where(is_clear, scores.argmax(axis=2), ABSTAINS)


# ---------------------------------------------------------------- label model


@dataclass(frozen=True)
class LabelModel:
    """How common themes are, and how sources take one for another.

    Attributes:
        balance: share of each of k themes among texts with votes, (k,).
        confusion: probability of a vote by source, true theme and vote, given that the source
            votes, (s, k, k).
        groups: of each source, (s,).
        objective: penalised log likelihood after each round.
    """

    balance: Numbers
    confusion: Numbers
    groups: Votes
    correlation: float
    objective: Numbers

    @property
    def accuracies(self) -> Numbers:
        """Probability that a source's vote is right, over the balance of themes, (s,)."""
        right = np.diagonal(self.confusion, axis1=1, axis2=2) @ self.balance
        return np.asarray(right, dtype=np.float64)

    def probabilities(self, votes: Votes) -> Numbers:
        """Probabilities of themes given votes, (n, k)."""
        distinct, places = np.unique(votes, axis=0, return_inverse=True)
        weights = _voices(distinct, self.groups, self.correlation)
        odds = _joint(distinct, weights, self.balance, self.confusion)
        found: Numbers = _normalised(odds)[0][places.reshape(-1)]
        return found


def fit_label_model(
    votes: Votes,
    accuracies: Sequence[float] = ACCURACIES,
    groups: Sequence[int] = GROUPS,
    theme_count: int = len(THEMES),
    correlation: float = CORRELATION,
    prior_votes: float = PRIOR_VOTES,
    prior_share: float = PRIOR_SHARE,
) -> LabelModel:
    """Estimate how sources err by expectation-maximisation; deterministic.

    Given the theme, votes are taken as independent here, and a source that abstains says nothing.
    The objective, the log likelihood of the votes plus the log of the prior, never falls.

    Args:
        votes: index of a theme or `ABSTAINS`, (n, s).
        accuracies: of each source before any data, (s,).
        groups: number of the group of each source, (s,).
        correlation: within groups, for judging texts: 0 as if independent, 1 a group counts as one
            vote.
        prior_votes: what was said before is worth, in votes by source and theme.
        prior_share: and what it is worth as a share of the votes that the source gave.
    """
    k = theme_count
    distinct, counts = np.unique(votes[(votes != ABSTAINS).any(axis=1)], axis=0, return_counts=True)
    heard = counts @ (distinct != ABSTAINS)
    prior = np.stack([
        (prior_votes + prior_share * heard[source] / k) * _expected(accuracy, k)
        for source, accuracy in enumerate(accuracies)
    ])  # fmt: skip
    even = (prior_votes + prior_share * counts.sum()) / k
    each = (distinct != ABSTAINS).astype(np.float64)
    balance, confusion = np.full(k, 1 / k), prior / prior.sum(axis=2, keepdims=True)
    objective: list[float] = []
    for _ in range(MOST_ROUNDS):
        themes, evidence = _normalised(_joint(distinct, each, balance, confusion))
        held = even * np.log(balance).sum() + (prior * np.log(confusion)).sum()
        objective.append(float(counts @ evidence + held))
        if len(objective) > 1 and objective[-1] - objective[-2] <= TOLERANCE * abs(objective[-1]):
            break
        balance, confusion = _maximised(distinct, counts, themes, prior, even)
    return LabelModel(
        balance, confusion, np.array(groups, dtype=np.int64), correlation, np.array(objective)
    )


def _expected(accuracy: float, k: int) -> Numbers:
    """Confusion of a source that is right this often and errs evenly, (k, k)."""
    table = np.full((k, k), (1 - accuracy) / (k - 1))
    np.fill_diagonal(table, accuracy)
    return table


def _voices(votes: Votes, groups: Votes, correlation: float) -> Numbers:
    """What each vote counts: less where others of its group voted too, (n, s)."""
    has_voted = (votes != ABSTAINS).astype(np.float64)
    same = (groups[:, None] == groups[None, :]).astype(np.float64)
    among = has_voted @ same
    return np.asarray(has_voted / (1 + (np.maximum(among, 1) - 1) * correlation), dtype=np.float64)


def _joint(votes: Votes, weights: Numbers, balance: Numbers, confusion: Numbers) -> Numbers:
    """Log of the balance times what the votes say, (n, k)."""
    odds = np.tile(np.log(balance), (len(votes), 1))
    for source, table in enumerate(np.log(confusion)):
        odds += weights[:, source, None] * table.T[np.maximum(votes[:, source], 0)]
    return odds


def _normalised(odds: Numbers) -> tuple[Numbers, Numbers]:
    """Probabilities that sum to 1 in each row, (n, k), and the log of what they summed to, (n,)."""
    most = odds.max(axis=1, keepdims=True)
    shares = np.exp(odds - most)
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, (np.log(total) + most)[:, 0]


def _maximised(
    votes: Votes, counts: Votes, themes: Numbers, prior: Numbers, even: float
) -> tuple[Numbers, Numbers]:
    """Balance (k,) and confusion (s, k, k) that fit the themes best."""
    expected = counts[:, None] * themes
    balance = expected.sum(axis=0) + even
    confusion = prior.copy()
    for source in range(votes.shape[1]):
        for vote in range(themes.shape[1]):
            confusion[source, :, vote] += expected[votes[:, source] == vote].sum(axis=0)
    return balance / balance.sum(), confusion / confusion.sum(axis=2, keepdims=True)
