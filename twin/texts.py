"""Texts with planted themes: threads, comments and commit messages of both platforms.

Belongs here: which theme, language, label and wording a thread or commit has, as functions of
where it stands. Does not belong here: vocabulary (`words`), who wrote it when (`history`,
`archive`, `hub`).

Planted:
- the primary theme of every thread, drawn by hash at the published shares (GitHub: bug 42.7 %,
  suggestion 28.2 %; Hub: usage 40.0 %, performance 22.3 %), for three in ten a second theme whose
  sentences follow; language (four in five English); issue forms; and what maintainers put on as a
  label: on half of the threads, of which 8 % are wrong.
- posts that are worded as another theme than they are (`MISWORDED`): most often what is a question
  of local usage is told as a bug. A reader who sees how the thread ended knows; who goes by the
  words is misled always in the same direction, so that shares counted by the words are biased.
- commit messages: substantive ones at evenly spread marks, so that their number among the first
  n commits of a repository is exact (`substantive_before`); the others are templates (merges,
  releases, uploads) or trivial.
- strings that break careless readers, as titles of about one thread in thirty and as a few
  messages.

Texts come from pools made once for a world; an index into a pool is a hash of where the text
stands. The `*_at` functions take index-aligned arrays and return such indices, for speed; the
functions without `_at` return text. The Hub's functions take (model, number) and (model,
position) instead of a repository of GitHub.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring

import numpy as np

from twin import words
from twin.draws import (
    Bools,
    Floats,
    Hashes,
    Ints,
    below,
    exact_share,
    is_marked,
    marks_before,
    mixed,
    phase_of,
    salt_of,
    uniform_of,
)
from twin.history import History
from twin.world import World

GITHUB_THEME_SHARES = (0.427, 0.282, 0.135, 0.041, 0.115)
HUB_THEME_SHARES = (0.14, 0.12, 0.40, 0.223, 0.117)
LANGUAGE_SHARES = (0.80, 0.09, 0.045, 0.025, 0.04)
SECOND_SHARE = 0.3
TEMPLATE_SHARE = {"github": 0.3, "hub": 0.08}
LABELLED_SHARE = 0.5
LABEL_NOISE = 0.08
# By platform: primary theme, the theme whose words it is told in, share of the theme's posts.
MISWORDED = {
    "github": (("usage", "bug", 0.35), ("suggestion", "bug", 0.10)),
    "hub": (("usage", "bug", 0.20), ("performance", "usage", 0.15)),
}
HOSTILE_SHARE = 0.03
HOSTILE_MESSAGE_ONE_IN = 300
# Published: 11,706 of 212,085 messages on the Hub.
HUB_SUBSTANTIVE_SHARE = float(exact_share(np.array(11_706 / 212_085)))
MESSAGE_KINDS = ("trivial", "template", "substantive")
TRIVIAL, TEMPLATE, SUBSTANTIVE = range(3)

_THEMES, _LANGUAGES = len(words.THEMES), len(words.LANGUAGE_CODES)
_TITLES, _BODIES, _COMMENTS, _MESSAGES = 48, 16, 24, 240


@dataclass(frozen=True)
class Themes:
    """What is planted on threads; index-aligned.

    `primary`, `worded` (what the words say) and `second` index `words.THEMES` (-1: no second),
    `language` indexes `words.LANGUAGE_CODES`, `label` indexes `words.LABELS` (-1: none was put on).
    """

    primary: Ints
    worded: Ints
    second: Ints
    language: Ints
    is_template: Bools
    label: Ints
    is_hostile: Bools

    def __len__(self) -> int:
        return len(self.primary)


class Pool:
    """Texts of one kind, and the same as escaped JSON strings."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    @cached_property
    def json(self) -> list[str]:
        return [encode_basestring(text) for text in self.texts]

    def __len__(self) -> int:
        return len(self.texts)


class Texts:
    """The texts of one world. The pools are made when first used."""

    def __init__(self, world: World, history: History | None = None) -> None:
        self.world = world
        self.history = history or History(world)
        self._salt = salt_of(world.seed, "texts")
        self._hub_salt = salt_of(world.seed, "hub texts")

    # ------------------------------------------------------------ pools

    def _made(self, kind: int, count: int, make: Callable[[int, int], str]) -> Pool:
        numbers = mixed(np.arange(count), self._salt, kind) >> np.uint64(4)
        return Pool([make(k, number) for k, number in enumerate(numbers.tolist())])

    @cached_property
    def titles(self) -> Pool:
        """By theme and language, then the hostile strings."""

        def make(k: int, number: int) -> str:
            theme, language = divmod(k // _TITLES, _LANGUAGES)
            patterns = words.THEME_TITLES[words.LANGUAGE_CODES[language]][words.THEMES[theme]]
            return words.filled(patterns[k % len(patterns)], number)

        pool = self._made(1, _THEMES * _LANGUAGES * _TITLES, make)
        return Pool(pool.texts + list(words.HOSTILE))

    @cached_property
    def bodies(self) -> Pool:
        """By primary and second theme, language and form."""
        return self._made(2, _THEMES * (_THEMES + 1) * _LANGUAGES * 2 * _BODIES, _body)

    @cached_property
    def comments(self) -> Pool:
        """By theme of the thread and language."""

        def make(k: int, number: int) -> str:
            theme, language = divmod(k // _COMMENTS, _LANGUAGES)
            code = words.LANGUAGE_CODES[language]
            patterns = words.REPLIES[code]
            if k % 3 == 0:
                patterns = words.THEME_SENTENCES[code][words.THEMES[theme]]
            text = words.filled(patterns[(number >> 5) % len(patterns)], number)
            return f"{text}\n\nMail me: {words.address(number)}" if k % 29 == 5 else text

        return self._made(3, _THEMES * _LANGUAGES * _COMMENTS, make)

    @cached_property
    def messages(self) -> Pool:
        """Commit messages of GitHub: trivial, template, substantive, hostile, the first one."""
        pool = self._message_pool(4, words.TRIVIAL_MESSAGES, words.TEMPLATE_MESSAGES)
        return Pool([*pool.texts, "Initial commit"])

    @cached_property
    def hub_messages(self) -> Pool:
        """Commit messages of the Hub, in the same order."""
        return self._message_pool(5, words.HUB_TRIVIAL_MESSAGES, words.HUB_TEMPLATE_MESSAGES)

    def _message_pool(self, kind: int, trivial: tuple[str, ...], template: tuple[str, ...]) -> Pool:
        patterns = (trivial, template, words.SUBSTANTIVE)

        def make(k: int, number: int) -> str:
            of_kind = patterns[k // _MESSAGES]
            text = words.filled(of_kind[(number >> 5) % len(of_kind)], number)
            if k % 25 == 3:
                text += f"\n\nCo-authored-by: {words.address(number)}"
            return text

        return Pool(self._made(kind, 3 * _MESSAGES, make).texts + list(words.HOSTILE))

    # ------------------------------------------------------------ threads of GitHub

    def theme(self, repository: Ints, number: Ints) -> Themes:
        """What is planted on threads of GitHub, of the history and of the flow."""
        return _themes(mixed(repository, number, self._salt), GITHUB_THEME_SHARES, "github")

    def titles_at(self, repository: Ints, number: Ints, themes: Themes | None = None) -> Ints:
        """Indices into `titles`; `themes` saves asking for them again."""
        known = themes if themes is not None else self.theme(repository, number)
        return _title_places(mixed(repository, number, self._salt), known)

    def bodies_at(self, repository: Ints, number: Ints, themes: Themes | None = None) -> Ints:
        """Indices into `bodies`."""
        known = themes if themes is not None else self.theme(repository, number)
        return _body_places(mixed(repository, number, self._salt), known)

    def comments_at(
        self, repository: Ints, number: Ints, k: Ints, themes: Themes | None = None
    ) -> Ints:
        """Indices into `comments` of the k-th comments (from 0)."""
        known = themes if themes is not None else self.theme(repository, number)
        return _comment_places(mixed(repository, number, self._salt), k, known)

    def title(self, i: int, number: int) -> str:
        return self.titles.texts[int(self.titles_at(*_one(i, number))[0])]

    def body(self, i: int, number: int) -> str:
        return self.bodies.texts[int(self.bodies_at(*_one(i, number))[0])]

    def comment(self, i: int, number: int, k: int) -> str:
        return self.comments.texts[int(self.comments_at(*_one(i, number), np.array([k]))[0])]

    def title_json(self, i: int, number: int) -> str:
        return self.titles.json[int(self.titles_at(*_one(i, number))[0])]

    def body_json(self, i: int, number: int) -> str:
        return self.bodies.json[int(self.bodies_at(*_one(i, number))[0])]

    def comment_json(self, i: int, number: int, k: int) -> str:
        return self.comments.json[int(self.comments_at(*_one(i, number), np.array([k]))[0])]

    # ------------------------------------------------------------ messages of GitHub

    def _substantive_marks(self, repository: Ints) -> tuple[Floats, Floats]:
        share = self.world.repositories.substantive_share[repository]
        return share, phase_of(mixed(repository, self._salt, 6))

    def substantive_before(self, repository: Ints, own_position: Ints) -> Ints:
        """Substantive messages among a repository's first own commits (without inherited)."""
        return marks_before(own_position, *self._substantive_marks(repository))

    def message_kinds(self, repository: Ints, position: Ints) -> Ints:
        """Kinds (index into `MESSAGE_KINDS`) of the messages at listed positions.

        Holds for the history and for the flow's commits, which continue the positions. The merge
        of a pull request is a template unless it is marked substantive.
        """
        origin, _, own = self.history.origins(repository, position)
        return self._kinds(origin, own, self._pulls(repository, position) > 0)

    def _kinds(self, origin: Ints, own: Ints, by_pull: Bools) -> Ints:
        marked = is_marked(own, *self._substantive_marks(origin))
        template = by_pull | self._is_first(origin, own)
        template |= mixed(origin, own, self._salt, 7) % np.uint64(5) < np.uint64(2)
        return np.where(marked, SUBSTANTIVE, np.where(template, TEMPLATE, TRIVIAL))

    def _is_first(self, origin: Ints, own: Ints) -> Bools:
        """A repository's first commit; a fork's first own one is none."""
        first: Bools = (own == 0) & (self.world.repositories.inherited_count[origin] == 0)
        return first

    def _pulls(self, repository: Ints, position: Ints) -> Ints:
        """Numbers of the pull requests that brought commits; 0 where direct or of the flow."""
        line, r = self.history.timeline, self.world.repositories
        found = np.zeros(len(position), np.int64)
        past = np.flatnonzero((position < r.commit_stock[repository]) & (position >= 0))
        if len(past):
            origin, _, own = self.history.origins(repository[past], position[past])
            found[past] = line.merged_thread(origin, line.commit_step(origin, own)) + 1
        return found

    def messages_at(self, repository: Ints, position: Ints) -> Ints:
        """Indices into `messages` of direct commits; the merges of the history differ by text."""
        origin, _, own = self.history.origins(repository, position)
        kind = self._kinds(origin, own, np.zeros(len(own), bool))
        places = _message_places(mixed(origin, own, self._salt, 8), kind)
        is_first = self._is_first(origin, own) & (kind == TEMPLATE)
        return np.where(is_first, len(self.messages) - 1, places)

    def message(self, i: int, position: int) -> str:
        return self.messages_of(*_one(i, position))[0]

    def message_json(self, i: int, position: int) -> str:
        return encode_basestring(self.message(i, position))

    def messages_of(self, repository: Ints, position: Ints) -> list[str]:
        """Messages at listed positions, elementwise; also of a history's merges."""
        places = self.messages_at(repository, position)
        texts = [self.messages.texts[k] for k in places.tolist()]
        merges = np.flatnonzero(self._pulls(repository, position))
        # Most commits that are asked for alone are none; of nothing the rest takes as long.
        if len(merges) == 0:
            return texts
        for k, text in zip(
            merges.tolist(),
            self._merge_messages(
                repository[merges], position[merges], [texts[k] for k in merges.tolist()]
            ),
            strict=True,
        ):
            texts[k] = text
        return texts

    def _merge_messages(self, repository: Ints, position: Ints, direct: list[str]) -> Iterator[str]:
        """The messages that the platform proposes for merges and squashes.

        `direct` are the messages that the commits would have without a pull request.
        """
        commits = self.history.commits_at(repository, position)
        substantive = self.message_kinds(repository, position) == SUBSTANTIVE
        titles = self.titles_at(commits.origin, commits.pull_number)
        for k, text in enumerate(direct):
            number, title = int(commits.pull_number[k]), self.titles.texts[titles[k]]
            if commits.is_merge[k]:
                login = self.world.accounts.login_at(int(commits.person[k])).removesuffix("[bot]")
                head = f"Merge pull request #{number} from {login}/patch-{number}"
                yield f"{head}\n\n{text if substantive[k] else title}"
            else:
                subject, line, rest = text.partition("\n") if substantive[k] else (title, "", "")
                yield f"{subject} (#{number}){line}{rest}"

    # ------------------------------------------------------------ the Hub

    def hub_theme(self, model: Ints, number: Ints) -> Themes:
        """What is planted on discussions of the Hub."""
        return _themes(mixed(model, number, self._hub_salt), HUB_THEME_SHARES, "hub")

    def hub_titles_at(self, model: Ints, number: Ints) -> Ints:
        """Indices into `titles`."""
        return _title_places(mixed(model, number, self._hub_salt), self.hub_theme(model, number))

    def hub_bodies_at(self, model: Ints, number: Ints) -> Ints:
        """Indices into `bodies`."""
        return _body_places(mixed(model, number, self._hub_salt), self.hub_theme(model, number))

    def hub_comments_at(self, model: Ints, number: Ints, k: Ints) -> Ints:
        """Indices into `comments`."""
        hashed = mixed(model, number, self._hub_salt)
        return _comment_places(hashed, k, self.hub_theme(model, number))

    def hub_body(self, model: int, number: int) -> str:
        return self.bodies.texts[int(self.hub_bodies_at(*_one(model, number))[0])]

    def hub_comment(self, model: int, number: int, k: int) -> str:
        return self.comments.texts[
            int(self.hub_comments_at(*_one(model, number), np.array([k]))[0])
        ]

    def _hub_marks(self, model: Ints) -> tuple[Floats, Floats]:
        share = np.full(len(model), HUB_SUBSTANTIVE_SHARE)
        return share, phase_of(mixed(model, self._hub_salt, 6))

    def hub_substantive_before(self, model: Ints, position: Ints) -> Ints:
        """Substantive messages among a model's first commits (without the `system` one)."""
        return marks_before(position, *self._hub_marks(model))

    def hub_message_kinds(self, model: Ints, position: Ints) -> Ints:
        """Kinds of messages of people's commits, position 0 the oldest."""
        marked = is_marked(position, *self._hub_marks(model))
        template = mixed(model, position, self._hub_salt, 7) % np.uint64(10) < np.uint64(7)
        return np.where(marked, SUBSTANTIVE, np.where(template, TEMPLATE, TRIVIAL))

    def hub_messages_at(self, model: Ints, position: Ints) -> Ints:
        """Indices into `hub_messages`."""
        hashed = mixed(model, position, self._hub_salt, 8)
        return _message_places(hashed, self.hub_message_kinds(model, position))

    def hub_message(self, model: int, position: int) -> str:
        """Title on the first line, the rest below."""
        return self.hub_messages.texts[int(self.hub_messages_at(*_one(model, position))[0])]


def _one(a: int, b: int) -> tuple[Ints, Ints]:
    return np.array([a]), np.array([b])


def _chosen(hashed: Hashes, part: int, shares: tuple[float, ...]) -> Ints:
    edges = np.cumsum(shares)[:-1]
    return np.searchsorted(edges, uniform_of(mixed(hashed, part)), side="right").astype(np.int64)


def _themes(hashed: Hashes, shares: tuple[float, ...], platform: str) -> Themes:
    primary = _chosen(hashed, 1, shares)
    worded, by_chance = primary.copy(), uniform_of(mixed(hashed, 10))
    for theme, told, share in MISWORDED[platform]:
        is_told = (primary == words.THEMES.index(theme)) & (by_chance < share)
        worded[is_told] = words.THEMES.index(told)
    has_second = uniform_of(mixed(hashed, 2)) < SECOND_SHARE
    step = 1 + below(mixed(hashed, 3), _THEMES - 1)
    second = np.where(has_second, (primary + step) % _THEMES, -1)
    is_noise = uniform_of(mixed(hashed, 4)) < LABEL_NOISE
    wrong = (primary + 1 + below(mixed(hashed, 5), len(words.LABELS) - 1)) % len(words.LABELS)
    labelled = uniform_of(mixed(hashed, 6)) < LABELLED_SHARE
    return Themes(
        primary=primary, worded=worded, second=second, language=_chosen(hashed, 7, LANGUAGE_SHARES),
        is_template=uniform_of(mixed(hashed, 8)) < TEMPLATE_SHARE[platform],
        label=np.where(labelled, np.where(is_noise, wrong, primary), -1),
        is_hostile=uniform_of(mixed(hashed, 9)) < HOSTILE_SHARE,
    )  # fmt: skip


def _title_places(hashed: Hashes, themes: Themes) -> Ints:
    plain = (themes.worded * _LANGUAGES + themes.language) * _TITLES
    plain = plain + below(mixed(hashed, 20), _TITLES)
    hostile = _THEMES * _LANGUAGES * _TITLES + below(mixed(hashed, 21), len(words.HOSTILE))
    return np.where(themes.is_hostile, hostile, plain)


def _body_places(hashed: Hashes, themes: Themes) -> Ints:
    place = themes.worded * (_THEMES + 1) + themes.second + 1
    place = (place * _LANGUAGES + themes.language) * 2 + themes.is_template
    return place * _BODIES + below(mixed(hashed, 22), _BODIES)


def _comment_places(hashed: Hashes, k: Ints, themes: Themes) -> Ints:
    place = (themes.worded * _LANGUAGES + themes.language) * _COMMENTS
    return place + below(mixed(hashed, k, 23), _COMMENTS)


def _message_places(hashed: Hashes, kind: Ints) -> Ints:
    plain = kind * _MESSAGES + below(hashed, _MESSAGES)
    hostile = 3 * _MESSAGES + below(hashed >> np.uint64(20), len(words.HOSTILE))
    is_hostile = (kind == TRIVIAL) & (
        hashed >> np.uint64(40) < np.uint64((1 << 24) // HOSTILE_MESSAGE_ONE_IN)
    )
    return np.where(is_hostile, hostile, plain)


def _body(k: int, number: int) -> str:
    """The body at a place of the pool: sentences of the primary theme, then of the second."""
    place, is_template = divmod(k // _BODIES, 2)
    place, language = divmod(place, _LANGUAGES)
    primary, second = divmod(place, _THEMES + 1)
    sentences = words.THEME_SENTENCES[words.LANGUAGE_CODES[language]]
    theme = words.THEMES[primary]
    parts = _sentences(sentences[theme], number, 1 + number % 4)
    if second:
        parts += _sentences(sentences[words.THEMES[second - 1]], number >> 7, 1 + number % 2)
    if number % 41 == 7:
        parts.append(f"Please write to {words.address(number)}.")
    if is_template:
        headings = words.TEMPLATES[theme]
        filled = [*parts, *["_No response_"] * len(headings)]
        forms = [f"{head}\r\n\r\n{text}" for head, text in zip(headings, filled, strict=False)]
        return "\r\n\r\n".join([*forms, *parts[len(headings) :]])
    return "\r\n\r\n".join(parts)


def _sentences(patterns: tuple[str, ...], number: int, count: int) -> list[str]:
    return [
        words.filled(patterns[(number + step) % len(patterns)], number * (step + 1) % (1 << 59))
        for step in range(count)
    ]
