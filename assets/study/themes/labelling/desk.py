"""What somebody who labels has before them: the posts in order, and what they said so far.

Belongs here: which post comes next, what an answer of the form means, keeping it; blind labelling
and the resolution of disagreements. Does not belong here: HTTP (`app`), files (`labels`).

A desk of a coder reads the posts and that coder's own labels, nothing else. Only the desk where
disagreements are resolved reads other labels, of coders who are done.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from assets.study.themes.codebook import THEMES
from assets.study.themes.labelling.posts import Post, order_of, read_posts
from assets.study.themes.labels import (
    CONSENSUS,
    MOST_SECONDS,
    Kept,
    Label,
    append_label,
    by_message,
    checked_coder,
    cleaned_note,
    coders_of,
    is_disagreement,
    median_seconds,
    ordered,
    read_coder,
)
from orchestration.failures import PermanentFailure, SettingsError


class AnswerError(ValueError):
    """An answer that cannot be kept; its text tells the coder what to do."""


@dataclass(frozen=True)
class Answer:
    """What was filled in about one post, as it came.

    Attributes:
        seen: when the label that the page showed was given, as text; empty: it showed none.
    """

    primary: str = ""
    secondary: tuple[str, ...] = ()
    is_unclear: bool = False
    note: str = ""
    seconds: str = ""
    seen: str = ""


@dataclass(frozen=True)
class Done:
    """What became of an answer.

    Attributes:
        is_kept: False: it said what the label said already, and nothing was written.
        is_other: another tab had said something else since the page was shown.
        repaired_bytes: of an unfinished line that were put aside.
    """

    label: Label
    is_kept: bool
    is_other: bool
    repaired_bytes: int


@dataclass(frozen=True)
class Desk:
    """Posts in order and where their labels are kept.

    Attributes:
        folder: of all samples.
        coder: under whose name labels are kept.
        posts: in the order in which they are shown.
        others: by message, the labels that are shown beside a post; empty while people are blind.
    """

    folder: Path
    sample: str
    coder: str
    posts: tuple[Post, ...]
    codebook_version: str
    others: Mapping[str, Sequence[Label]] = field(default_factory=dict)

    @property
    def is_resolution(self) -> bool:
        """Whether disagreements are resolved here."""
        return self.coder == CONSENSUS

    def kept(self) -> Kept:
        """What the file holds now: another tab or another start may have written to it."""
        return read_coder(self.folder, self.sample, self.coder)

    def following(self, labels: Mapping[str, Label], after: int = -1) -> int | None:
        """Index of the next post without a label, from the beginning again at the end."""
        indexes = (*range(after + 1, len(self.posts)), *range(after + 1))
        return next((k for k in indexes if self.posts[k].message_key not in labels), None)

    def labelled_count(self, labels: Mapping[str, Label]) -> int:
        """How many of the posts have a label."""
        return sum(post.message_key in labels for post in self.posts)

    def minutes_left(self, labels: Mapping[str, Label]) -> int | None:
        """How long the rest takes at the median pace so far; None where that is not known."""
        pace = median_seconds(labels.values())
        left = len(self.posts) - self.labelled_count(labels)
        return None if pace is None or not left else math.ceil(pace * left / 60)

    def keep(self, index: int, answer: Answer) -> Done:
        """Keep what was said about a post.

        Raises:
            AnswerError: it does not say enough.
            PermanentFailure, TransientFailure: see `labels.append_label`.
        """
        key = self.posts[index].message_key
        before = self.kept().labels.get(key)
        label = self._label(key, answer)
        if before is not None and before.says_as(label):
            return Done(before, False, False, 0)
        is_other = before is not None and answer.seen != before.labelled_at.isoformat()
        return Done(label, True, is_other, append_label(self.folder, label))

    def _label(self, key: str, answer: Answer) -> Label:
        themes = (answer.primary, *answer.secondary)
        unknown = [theme for theme in themes if theme and theme not in THEMES]
        if unknown:
            raise AnswerError("There is no such theme. Load the page again.")
        if not answer.primary and not answer.is_unclear:
            raise AnswerError("Choose a primary theme, or mark the post as unclear.")
        if not answer.primary and answer.secondary:
            raise AnswerError("Choose which theme is the primary one.")
        return Label(
            sample=self.sample,
            message_key=key,
            coder=self.coder,
            primary=answer.primary or None,
            secondary=ordered(theme for theme in answer.secondary if theme != answer.primary),
            is_unclear=answer.is_unclear,
            labelled_at=datetime.now(UTC),
            codebook_version=self.codebook_version,
            seconds=_seconds(answer.seconds),
            note=cleaned_note(answer.note),
        )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return round(seconds, 1) if 0 <= seconds <= MOST_SECONDS else None


def blind_desk(folder: Path, sample: str, coder: str, codebook_version: str) -> Desk:
    """The desk of a coder who sees nobody's labels but their own.

    Raises:
        SettingsError: the name of the coder or sample is none.
        PermanentFailure: the sample, or the coder's file, cannot be used.
    """
    checked_coder(coder)
    posts = _some(read_posts(folder, sample), sample)
    desk = Desk(folder, sample, coder, tuple(order_of(posts, sample, coder)), codebook_version)
    desk.kept()
    return desk


def resolution_desk(
    folder: Path,
    sample: str,
    codebook_version: str,
    between: Sequence[str] = (),
    is_partial: bool = False,
) -> Desk:
    """The desk where coders resolve what they disagree on.

    Args:
        between: whose labels; by default of all who labelled anything.
        is_partial: whether posts that somebody has not labelled yet are passed over.

    Raises:
        SettingsError: a name is none.
        PermanentFailure: fewer than two coders, or one is not done.
    """
    posts = _some(read_posts(folder, sample), sample)
    coders = [coder for coder in coders_of(folder, sample) if coder != CONSENSUS]
    chosen = [checked_coder(coder) for coder in dict.fromkeys(between)] or coders
    unknown = [coder for coder in chosen if coder not in coders]
    if unknown:
        raise SettingsError(
            f"{unknown[0]} has labelled nothing of {sample}.",
            f"Give --between of {', '.join(coders) or 'nobody: nobody has labelled yet'}.",
        )
    if len(chosen) < 2:
        raise PermanentFailure(
            f"{len(chosen)} coder has labelled posts of {sample}: there is nothing to compare.",
            "Let a second person label with another --coder.",
        )
    labels = {coder: read_coder(folder, sample, coder).labels for coder in chosen}
    if not is_partial:
        _check_done(posts, labels)
    given = by_message(label for kept in labels.values() for label in kept.values())
    others = {}
    for post in posts:
        said = given.get(post.message_key, {})
        if len(said) == len(chosen) and is_disagreement(list(said.values())):
            others[post.message_key] = [said[coder] for coder in chosen]
    disputed = tuple(post for post in posts if post.message_key in others)
    desk = Desk(folder, sample, CONSENSUS, disputed, codebook_version, others)
    desk.kept()
    return desk


def _check_done(posts: Sequence[Post], labels: Mapping[str, Mapping[str, Label]]) -> None:
    for coder, kept in labels.items():
        left = sum(post.message_key not in kept for post in posts)
        if left:
            raise PermanentFailure(
                f"{coder} has {left:,} of {len(posts):,} posts still to label.",
                "Let them finish first, or give --partial for the posts that all have labelled.",
            )


def _some(posts: list[Post], sample: str) -> list[Post]:
    if not posts:
        raise PermanentFailure(f"The sample {sample} has no posts.", "Draw it again.")
    return posts
