"""What a linear coder sees of an opening post: its words, its letters and its form, as numbers.

Belongs here: fields of a text, cue words, and their sparse matrix with a vocabulary. Does not
belong here: weights and probabilities (`linear`), and cleaning for people to read (`cleaning`).

Each field is a vector of its own, of length 1 and then weighted, so that a title counts beside a
body a hundred times as long. Why each of them is there:

- `title_words`, `title_letters`: a title says most in fewest words; letters bridge word forms.
- `prose`: what was written by hand, as beginnings of words, which is a stemmer for many languages.
  Function words are not weighed down: `how`, `should` and `not` tell intents apart.
- `opening_letters`, `opening_words`: intent is stated first; further down are logs and versions.
- `lines`: templates, headings and what was answered below each (`### issue type` = `bug`).
- `code`: exceptions, console logs and examples look different.
- `form`: lengths, shares of code, questions, and families of cue words, which help where there are
  few texts to learn from.

Words are kept as hashes of 64 bits: a vocabulary holds no text. All of a text beyond `MOST_BODY`
characters is left aside, so that the work for a text has a bound.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.coding import Text

Numbers = NDArray[np.float64]
Codes = NDArray[np.uint64]
Ints = NDArray[np.int64]

# Characters that are read.
MOST_TITLE, MOST_BODY = 500, 20_000
MOST_PROSE, MOST_CODE = 4_000, 5_000
MOST_OPENING, MOST_FIRST = 600, 400
MOST_LINES, MOST_LINE = 500, 120
STEM = 5
BATCH = 1_000
# Words of which the hash is remembered.
MOST_REMEMBERED = 500_000
# A feature seen in one text only says little about another.
LEAST_TEXTS = 2
# A figure of form is never further from the mean than so many standard deviations.
MOST_DEVIATIONS = 5.0

_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]\n]{0,200}\]\([^)\n]{0,500}\)|<img[^>\n]{0,500}>")
_URL = re.compile(r"https?://\S+")
_HASH = re.compile(r"\b[0-9a-f]{7,40}\b")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w[\w']*|[?!]")
_TITLE_WORD = re.compile(r"\w[\w']*|[?!:\[\]]")
_SYMBOL = re.compile(r"\w+|[^\w\s]{1,20}")
_HEADING = re.compile(r"^[#*].*$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+|\n[^\S\n]*\n")
_ISSUE_NUMBER = re.compile(r"#\d+")
_FRAME = re.compile(r"^\s+at ", re.MULTILINE)
_ERROR = re.compile(r"error:|exception|traceback", re.IGNORECASE)

# Families of cues: words (as patterns of whole words), and pairs of words.
_CUES: dict[str, tuple[str, tuple[str, ...]]] = {
    "failure": (
        r"crash\w*|segfault\w*|hang\w*|freez\w+|fail\w*|broken|breaks?|exception\w*|panic\w*|"
        r"assert\w*|abort\w*|stuck|deadlock\w*|leak\w*|corrupt\w*|overflow\w*|oom",
        ("segmentation fault", "out of", "undefined behavior"),
    ),
    "defect": (
        r"bugs?|buggy|regression\w*|incorrect\w*|wrong\w*|invalid|unexpected\w*|missing|"
        r"inconsisten\w+|mismatch\w*|typo\w*|flak\w+|intermittent\w*|fix\w*",
        ("doesn't work", "not work", "not working", "no longer", "does not"),
    ),
    "error": (r"errors?|traceback|stacktrace|warnings?", ("stack trace",)),
    "add": (
        r"add|adds|added|adding|support\w*|implement\w*|introduc\w+|enabl\w+|allow\w*|provid\w+|"
        r"expos\w+|extend\w*|integrat\w+|new",
        (),
    ),
    "wish": (
        r"feature\w*|request\w*|propos\w+|suggest\w*|enhancement\w*|improv\w+|wish\w*|ideas?|"
        r"should|could|consider\w*|rfc|option\w*|ability",
        ("be nice", "be great", "be good", "be useful", "be helpful", "would like", "it'd be"),
    ),
    "change": (
        r"remov\w+|deprecat\w+|renam\w+|refactor\w*|clean\w*|replac\w+|moved?|migrat\w+|bump\w*|"
        r"updat\w+|optimi[sz]\w+|document\w*|docs?|tests?",
        (),
    ),
    "ask": (
        r"why|where|question\w*|wonder\w*",
        ("how do", "how can", "how to", "how does", "how should", "what is", "what's", "what are",
         "can i", "can we", "could i", "is it", "is there", "are there", "does anyone", "do i",
         "should i", "any idea", "any way", "any help"),
    ),
    "help": (
        r"help|please|thanks?|confus\w+|understand\w*|beginner\w*|tutorial\w*|example\w*|guid\w+|"
        r"stackoverflow|forum\w*|explain\w*|clarif\w+|tried|trying",
        ("don't know", "not sure", "new to", "thank you", "stack overflow"),
    ),
    "setup": (
        r"install\w*|build\w*|compil\w+|cmake|pip|conda|docker|config\w*|setup|environment|"
        r"versions?|upgrad\w+|download\w*|import\w*|path",
        (),
    ),
    "speed": (
        r"slow\w*|fast\w*|performance|speed\w*|latency|memory|benchmark\w*|throughput|accuracy|"
        r"cpu|gpu|vram|quality|results?",
        (),
    ),
    "self": (r"i|i'm|i've|my|me|mine", ()),
    "team": (r"we|our|us|we're", ()),
    "not": (r"not|\w+n't|cannot|unable|no|never|without", ()),
    "template": (
        r"expected|actual|describe|alternatives?|motivation|minimal",
        ("to reproduce", "current behavior", "use case", "additional context",
         "system information"),
    ),
}  # fmt: skip
_FAMILIES = [re.compile(words) for words, _ in _CUES.values()]
_PAIRS = {pair: family for family, (_, pairs) in enumerate(_CUES.values()) for pair in pairs}
_PAIR_STARTS = {pair.split()[0] for pair in _PAIRS}


class _Hashes(dict[str, int]):
    """Hashes of texts, remembered."""

    def __missing__(self, text: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        raw = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        found = self[text] = int.from_bytes(raw, "little")
        return found


class _Cues(dict[str, int]):
    """The family of a word, -1 where it is in none, remembered."""

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        found = next((at for at, rule in enumerate(_FAMILIES) if rule.fullmatch(word)), -1)
        self[word] = found
        return found


# Figures of a text's form: those of `_figures`, and three of each family of cues.
FORM_COUNT = 24 + 3 * len(_CUES)

_hashes = _Hashes()
_cues = _Cues()


# ---------------------------------------------------------------- parts of a text


@dataclass(frozen=True, slots=True)
class Parts:
    """A text taken apart; words are in lower case."""

    title: str
    title_words: list[str]
    prose_words: list[str]
    opening: str
    first_words: list[str]
    lines: list[str]
    code: list[str]
    form: list[float]


def parts_of(text: Text) -> Parts:
    """Take a text apart: a title, prose, the beginning, lines, code, and figures of its form."""
    title = text.title[:MOST_TITLE].strip()
    body = text.body[:MOST_BODY].replace("\r\n", "\n").replace("\r", "\n")
    code = " ".join(_FENCE.findall(body))
    rest = _FENCE.sub(" codeblock ", body)
    comments = sum(map(len, _COMMENT.findall(rest)))
    rest = _COMMENT.sub(" ", rest)
    rest, images = _IMAGE.subn(" image ", rest)
    rest, links = _URL.subn(" url ", rest)
    prose = _plain(rest)
    words = _WORD.findall(prose[:MOST_PROSE])
    title_words = _TITLE_WORD.findall(_plain(title))
    written = _HEADING.sub("", prose[: MOST_FIRST * 4]).strip()
    first = " ".join(_SENTENCE_END.split(written, maxsplit=2)[:2])[:MOST_FIRST]
    return Parts(
        title=title,
        title_words=["^", *title_words],
        prose_words=words,
        opening=body[:MOST_OPENING],
        first_words=_WORD.findall(first),
        lines=_lines(body),
        code=_SYMBOL.findall(code[:MOST_CODE]),
        form=[
            *_figures(title, body, prose, code, comments, images, links),
            *_cue_counts(title_words, words),
        ],
    )


def _plain(text: str) -> str:
    """Lower case, with one apostrophe, and numbers and hashes masked."""
    lower = text.lower().replace("\u2019", "'")
    return _NUMBER.sub("0", _HASH.sub(" hash ", lower))


def _lines(body: str) -> list[str]:
    """Lines without numbers, and each heading with what stands below it."""
    found: list[str] = []
    above = ""
    for raw in body.split("\n", MOST_LINES)[:MOST_LINES]:
        line = _NUMBER.sub("0", raw.strip().lower()[:MOST_LINE])
        if line:
            found.append(line)
            if above.startswith(("#", "**")):
                found.append(f"{above[:60]}={line[:40]}")
            above = line
    return found


def _figures(
    title: str, body: str, prose: str, code: str, comments: int, images: int, links: int
) -> list[float]:
    """Lengths, shares and marks of a text."""
    size = max(len(body), 1)
    start = title[:30]
    return [
        *map(math.log1p, (
            len(title), len(body), len(prose), code.count("\n"), prose.count("?"),
            body.count("`"), body.count("- [ ]"), body.count("- [x]"), images, links,
            len(_ISSUE_NUMBER.findall(prose)),
        )),
        len(code) / size,
        comments / size,
        *map(float, (
            "?" in title, title.endswith("?"), "Traceback" in body,
            _FRAME.search(body) is not None, _ERROR.search(body) is not None, len(body) < 200,
            title.islower(), title[:1].isupper(), "[" in start[:3], ":" in start, "`" in title,
        )),
    ]  # fmt: skip


def _cue_counts(title: Sequence[str], prose: Sequence[str]) -> list[float]:
    """Cues of each family in the title, in the prose for its length, and at its beginning."""
    in_title, in_prose, at_start = _counted(title), _counted(prose), _counted(prose[:60])
    scale = 100 / (len(prose) + 30)
    return [
        *(min(count, 2.0) for count in in_title),
        *(math.log1p(count * scale) for count in in_prose),
        *(min(count, 3.0) for count in at_start),
    ]


def _counted(words: Sequence[str]) -> list[float]:
    counts = [0.0] * len(_CUES)
    for at, word in enumerate(words):
        family = _cues[word]
        if family >= 0:
            counts[family] += 1
        if word in _PAIR_STARTS and at + 1 < len(words):
            pair = _PAIRS.get(f"{word} {words[at + 1]}")
            if pair is not None:
                counts[pair] += 1
    return counts


# ---------------------------------------------------------------- codes of a field


def word_codes(texts: Sequence[Sequence[str]], most: int) -> tuple[Ints, Codes]:
    """Runs of 1 to `most` words of each text: its row, and the run's code."""
    flat = list(chain.from_iterable(texts))
    single = np.fromiter(map(_hashes.__getitem__, flat), np.uint64, len(flat))
    row = np.repeat(np.arange(len(texts)), [len(words) for words in texts])
    rows, codes = [row], [single]
    run = single
    for size in range(2, most + 1):
        if len(flat) < size:
            break
        run = _joined(run[:-1], single[size - 1 :])
        is_one = row[: len(run)] == row[size - 1 :]
        rows.append(row[: len(run)][is_one])
        codes.append(run[is_one])
    return np.concatenate(rows), np.concatenate(codes)


def letter_codes(texts: Sequence[str], least: int, most: int) -> tuple[Ints, Codes]:
    """Runs of `least` to `most` letters of each text, none across words but with their ends."""
    spaced = [f" {' '.join(text.lower().split())} " if text.strip() else "" for text in texts]
    raw = "".join(spaced).encode("utf-32-le", "surrogatepass")
    letters = np.frombuffer(raw, np.uint32).astype(np.uint64)
    row = np.repeat(np.arange(len(texts)), [len(text) for text in spaced])
    spaces = np.concatenate([[0], np.cumsum(letters == ord(" "))])
    rows, codes = [row[:0]], [letters[:0]]
    run = letters
    for size in range(2, most + 1):
        if len(letters) < size:
            break
        run = _joined(run[:-1], letters[size - 1 :])
        if size < least:
            continue
        count = len(run)
        within = spaces[size - 1 : size - 1 + count] - spaces[1 : 1 + count]
        is_one = (row[:count] == row[size - 1 :]) & (within == 0)
        rows.append(row[:count][is_one])
        codes.append(run[is_one])
    return np.concatenate(rows), np.concatenate(codes)


def _joined(before: Codes, last: Codes) -> Codes:
    """Codes of runs that are one longer; sums and products of 64 bits wrap around."""
    mixed = (before ^ (before >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    found: Codes = (mixed ^ (mixed >> np.uint64(32))) + last * np.uint64(0x9E3779B97F4A7C15)
    return found


# ---------------------------------------------------------------- fields


@dataclass(frozen=True)
class Field:
    """A part of texts that has a vector of its own.

    Attributes:
        codes: rows and codes of texts' parts.
        weight: squared length of the vector.
        is_rare_more: a feature counts more where few texts have it.
        is_counted: a feature counts more where it occurs often in a text.
        least_texts: that have a feature which is kept.
    """

    name: str
    codes: Callable[[Sequence[Parts]], tuple[Ints, Codes]]
    weight: float
    is_rare_more: bool = True
    is_counted: bool = True
    least_texts: int = LEAST_TEXTS


FORM_WEIGHT = 0.15
FIELDS = (
    # Rare words are kept here: they make the vector of a title of rare words shorter in the rest.
    Field(
        "title_words", lambda some: word_codes([one.title_words for one in some], 3), 0.3,
        least_texts=1,
    ),
    Field("title_letters", lambda some: letter_codes([one.title for one in some], 2, 5), 0.3),
    Field(
        "prose",
        lambda some: word_codes([[word[:STEM] for word in one.prose_words] for one in some], 3),
        0.7, is_rare_more=False, is_counted=False,
    ),
    Field("opening_letters", lambda some: letter_codes([one.opening for one in some], 3, 5), 0.3),
    Field("opening_words", lambda some: word_codes([one.first_words for one in some], 2), 0.15),
    Field("lines", lambda some: word_codes([one.lines for one in some], 1), 0.2),
    Field(
        "code", lambda some: word_codes([one.code for one in some], 1), 0.15, is_rare_more=False
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    """Which features there are.

    Attributes:
        codes: of each field, sorted.
        rarities: what a feature of a field counts, of the same lengths.
        form_mean, form_deviation: of the figures of form.
    """

    codes: tuple[Codes, ...]
    rarities: tuple[Numbers, ...]
    form_mean: Numbers
    form_deviation: Numbers

    @property
    def size(self) -> int:
        """Columns of its matrices."""
        return sum(map(len, self.codes)) + len(self.form_mean)

    def matrix(self, texts: Sequence[Text]) -> Any:
        """Features of texts, scipy CSR of float64, (n, size); a row depends on its text alone."""
        from scipy import sparse

        parts = [self._matrix(batch) for batch in _batches(texts)]
        if not parts:
            return sparse.csr_matrix((0, self.size))
        return sparse.vstack(parts, format="csr")

    def _matrix(self, parts: Sequence[Parts]) -> Any:
        from scipy import sparse

        blocks = [self._field(at, parts) for at in range(len(FIELDS))]
        form = (np.array([one.form for one in parts]) - self.form_mean) / self.form_deviation
        form = np.clip(form, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        blocks.append(sparse.csr_matrix(form * math.sqrt(FORM_WEIGHT / form.shape[1])))
        return sparse.hstack(blocks, format="csr")

    def _field(self, at: int, parts: Sequence[Parts]) -> Any:
        from scipy import sparse

        field, known = FIELDS[at], self.codes[at]
        row, code = field.codes(parts)
        column = np.searchsorted(known, code)
        if len(known):
            column[column == len(known)] = 0
            is_known = known[column] == code
        else:
            is_known = np.zeros(len(code), dtype=bool)
        row, column = row[is_known], column[is_known]
        shape = (len(parts), len(known))
        found = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)
        found.data = 1 + np.log(found.data) if field.is_counted else np.ones_like(found.data)
        found.data *= self.rarities[at][found.indices]
        square = np.asarray(found.multiply(found).sum(axis=1)).ravel()
        length = np.sqrt(field.weight / np.where(square > 0, square, 1))
        found.data *= np.repeat(length, np.diff(found.indptr))
        return found


def _batches(texts: Sequence[Text]) -> Iterable[list[Parts]]:
    for begin in range(0, len(texts), BATCH):
        yield [parts_of(text) for text in texts[begin : begin + BATCH]]


def vocabulary_of(texts: Sequence[Text]) -> Vocabulary:
    """The features that enough of these texts have."""
    seen: list[list[tuple[Codes, Ints]]] = [[] for _ in FIELDS]
    forms: list[list[float]] = []
    for parts in _batches(texts):
        forms += [one.form for one in parts]
        for at, field in enumerate(FIELDS):
            seen[at].append(_text_counts(*field.codes(parts)))
    codes = []
    rarities = []
    for at, field in enumerate(FIELDS):
        code, count = _added(seen[at])
        is_kept = count >= field.least_texts
        codes.append(code[is_kept])
        rarity = np.log((1 + len(texts)) / (1 + count[is_kept])) + 1
        rarities.append(rarity if field.is_rare_more else np.ones_like(rarity))
    form = np.array(forms, dtype=np.float64)
    deviation = form.std(axis=0)
    return Vocabulary(
        tuple(codes), tuple(rarities), form.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)
    )


def _text_counts(row: Ints, code: Codes) -> tuple[Codes, Ints]:
    """In how many texts each code occurs."""
    order = np.lexsort((row, code))
    row, code = row[order], code[order]
    is_first = np.ones(len(code), dtype=bool)
    is_first[1:] = (code[1:] != code[:-1]) | (row[1:] != row[:-1])
    found, count = np.unique(code[is_first], return_counts=True)
    return found, count.astype(np.int64)


def _added(parts: Sequence[tuple[Codes, Ints]]) -> tuple[Codes, Ints]:
    """Counts of all batches together."""
    code = np.concatenate([part[0] for part in parts])
    count = np.concatenate([part[1] for part in parts])
    found, at = np.unique(code, return_inverse=True)
    total = np.bincount(at, weights=count, minlength=len(found)).astype(np.int64)
    return found, total
