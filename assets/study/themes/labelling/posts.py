"""The posts of a verification sample as the page shows them, and in which order.

Belongs here: reading what a coder may see of a sample, making it safe to look at, each coder's
order. Does not belong here: what is in a sample (`verification`), labels (`labels`).

Six columns are read and no others: whatever else stands in the sample, above all what machines
said, is not in memory while people label.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.study.themes.cleaning import CODE, EMAIL, IMAGE, LOG, TRACE
from assets.study.themes.labels import checked_sample, is_key
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "sample.parquet"
COLUMNS = ("message_key", "platform", "language", "title", "body", "place")
MOST_BODY_CHARACTERS = 20_000
MOST_TITLE_CHARACTERS = 500
MOST_POSTS = 100_000
# Posts that change places with each other between coders, see `order_of`.
BLOCK = 20
_BYTES_A_CHARACTER = 4
_BATCH_ROWS = 32
_JOINERS = frozenset("\u200c\u200d")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
# What cleaning leaves where it took something out.
_MARK = re.compile(f"({'|'.join(map(re.escape, (CODE, LOG, TRACE, IMAGE, EMAIL)))})")
_REMEDY = "Draw the sample again."


@dataclass(frozen=True, slots=True)
class Post:
    """An opening post, safe to look at once it is escaped.

    Attributes:
        language: ISO 639 code; None where none is known.
        hidden_bytes: of the body, beyond what is shown.
        place: in the sample's random order.
    """

    message_key: str
    platform: str
    language: str | None
    title: str
    body: str
    hidden_bytes: int
    place: int

    def parts(self) -> list[tuple[bool, str]]:
        """The body in pieces: whether each is a mark of something taken out, and its text."""
        pieces = enumerate(_MARK.split(self.body))
        return [(number % 2 == 1, piece) for number, piece in pieces if piece]


def read_posts(folder: Path, sample: str) -> list[Post]:
    """The posts of a sample, by place.

    Args:
        folder: of all samples.

    Raises:
        SettingsError: the name is none.
        PermanentFailure: there is no such sample, or it cannot be used.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = checked_sample(folder, sample) / FILE
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
            if missing:
                raise PermanentFailure(f"{path} has no column {missing[0]}.", _REMEDY)
            if file.metadata.num_rows > MOST_POSTS:
                raise PermanentFailure(
                    f"{path} has {file.metadata.num_rows:,} posts.", "Draw a sample to label."
                )
            batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=list(COLUMNS))
            posts = [post for batch in batches for post in _posts(batch, path)]
    except FileNotFoundError as error:
        raise PermanentFailure(f"There is no {path}.", _REMEDY) from error
    except (OSError, pa.ArrowException) as error:
        problem = (str(error).splitlines() or ["no reason given"])[0]
        raise PermanentFailure(f"{path} cannot be read: {problem}.", _REMEDY) from error
    keys = [post.message_key for post in posts]
    if len(set(keys)) != len(keys):
        raise PermanentFailure(f"{path} has a message twice.", _REMEDY)
    return sorted(posts, key=lambda post: (post.place, post.message_key))


def _posts(batch: "pa.RecordBatch", path: Path) -> Iterator[Post]:
    texts = [_texts(batch.column(name), most) for name, most in (
        ("message_key", MOST_TITLE_CHARACTERS), ("platform", MOST_TITLE_CHARACTERS),
        ("language", MOST_TITLE_CHARACTERS), ("title", MOST_TITLE_CHARACTERS),
        ("body", MOST_BODY_CHARACTERS),
    )]  # fmt: skip
    places = batch.column("place").to_pylist()
    for key, platform, language, title, body, place in zip(*texts, places, strict=True):
        if not isinstance(place, int) or not is_key(key[0]) or key[1]:
            raise PermanentFailure(f"{path} has a post without a key or place.", _REMEDY)
        yield Post(
            message_key=key[0],
            platform=_one_line(platform[0]),
            language=language[0] if _LANGUAGE.fullmatch(language[0]) else None,
            title=_one_line(title[0]),
            body=visible(body[0]),
            hidden_bytes=body[1],
            place=place,
        )


def _texts(column: "pa.Array", most: int) -> list[tuple[str, int]]:
    """The beginning of each text, and how many bytes of it are left out; null is empty.

    A body may have megabytes: it is cut before it becomes a text of Python.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return [("", 0)] * len(column)
    whole = column.cast(pa.large_string() if pa.types.is_integer(column.type) else column.type)
    raw = whole.cast(pa.large_binary())
    lengths = pc.binary_length(raw).to_pylist()
    kept = pc.binary_slice(raw, 0, most * _BYTES_A_CHARACTER).to_pylist()
    return [
        _beginning(b"" if k is None else k, n or 0, most)
        for k, n in zip(kept, lengths, strict=True)
    ]


def _beginning(kept: bytes, byte_count: int, most: int) -> tuple[str, int]:
    text = kept.decode("utf-8", "replace")[:most]
    shown = len(text.encode("utf-8", "replace"))
    return text, max(0, byte_count - shown) if len(text) == most else 0


class _Visible(dict[int, int]):
    """What stands for each character: itself, or a sign that something invisible was there."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        is_kept = character in _JOINERS or unicodedata.category(character)[0] != "C"
        self[code] = code if is_kept else ord("\N{REPLACEMENT CHARACTER}")
        return self[code]


_VISIBLE = _Visible({ord(c): ord(c) for c in "\n\t"} | {ord(c): ord("\n") for c in "\u2028\u2029"})


def visible(text: str) -> str:
    """Text whose whitespace is as it was, without controls and marks that turn the direction."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())


def order_of(posts: Sequence[Post], sample: str, coder: str) -> list[Post]:
    """The posts in a coder's order, which is the same at each start.

    Within blocks of `BLOCK` posts of the sample's order, each coder has an order of their own: what
    one post does to how the next is read is then not the same for both. Blocks themselves keep
    their places, so that coders who stop early have nearly the same posts, and those are a random
    part of the sample.
    """

    def within(post: Post) -> bytes:
        told = "\0".join((sample, coder, post.message_key))
        return hashlib.sha256(told.encode()).digest()

    by_place = sorted(posts, key=lambda post: (post.place, post.message_key))
    blocks = [by_place[first : first + BLOCK] for first in range(0, len(by_place), BLOCK)]
    return [post for block in blocks for post in sorted(block, key=within)]
