"""What the name of an account says about who acts.

Belongs here: taking a login apart into words, and the evidence of those words. Does not belong
here: the words and their weights (vocabulary), accounts known one by one (lists), and the decision
(classify).

A name is judged by its words, never by a part of a word: Talbot, Abbott and Robotham are surnames,
and `sabotage` is no bot. Words are what separators, digits and changes of case divide; where a name
is written without divisions, the end of the word decides, after a look at words that end so.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from assets.actors.vocabulary import (
    AT_END,
    AT_START,
    GIVEN_NAMES,
    HOLDING_BOT,
    NOT_BOTS,
    OF_ONESELF,
    SURNAMES_AT_END,
    TASKS,
    TECHNICAL,
    WEIGHTS,
)

APP_SUFFIX = "[bot]"
# A login of 39 characters is GitHub's longest; more than this is looked at only so far.
LONGEST = 200
# What a further word adds, relative to the one before it: two words for one thing are one fact.
_FURTHER = 0.5
# What a task counts before a word that is none of a machine's: `mirror-lake`.
_BEFORE_ANOTHER = 0.5
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_LEET = re.compile(r"b0t(?![a-z])", re.IGNORECASE)
# Spellings that the change of case would tear apart.
_TOGETHER = re.compile(r"git[-_]?hub|dev[-_]?ops|k8s|l10n|i18n", re.IGNORECASE)
_HOLDING = re.compile("|".join(sorted(HOLDING_BOT, key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class NameEvidence:
    """What a login's words say.

    Attributes:
        log_odds: change of the log odds that the account is automated; 0.0 where nothing is said.
        strongest: the largest weight of one word; 0.0 where no word speaks for automation.
        reasons: terms such as `name token "bot"`, the strongest first.
        words: see `words_of`.
        is_app: the login ends in `[bot]`, which GitHub gives to the accounts of its apps only.
    """

    log_odds: float
    strongest: float
    reasons: tuple[str, ...]
    words: tuple[str, ...]
    is_app: bool


def words_of(login: str) -> tuple[str, ...]:
    """The words of a login in lower case: `k8s-CIRobot2` is k8s, ci, robot, 2."""
    text = login[:LONGEST].removesuffix(APP_SUFFIX)
    text = _LEET.sub(lambda found: "BOT" if found[0].isupper() else "bot", text)
    words: list[str] = []
    end = 0
    for found in _TOGETHER.finditer(text):
        words += _divided(text[end : found.start()])
        words.append(re.sub(r"[-_]", "", found[0]).lower())
        end = found.end()
    return (*words, *_divided(text[end:]))


def _divided(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(text)]


# A batch's names are asked for by the rules, by both parts of a model and for its reasons.
@lru_cache(maxsize=100_000)
def evidence_of(login: str) -> NameEvidence:
    """Weigh the words of a login; never fails, whatever the text."""
    is_app = login.endswith(APP_SUFFIX)
    words = words_of(login)
    speaking = [(word, *_in_place(word, words)) for word in dict.fromkeys(words)]
    for_it = sorted(((w, word, why) for word, w, why in speaking if w > 0), reverse=True)
    against = sorted((w, word, why) for word, w, why in speaking if w < 0)
    log_odds = sum(item[0] * _FURTHER**rank for rank, item in enumerate(for_it))
    log_odds += against[0][0] if against else 0.0
    reasons = [f'name token "{word}": {why}' for _, word, why in (*for_it, *against[:1])]
    if is_app:
        reasons.insert(0, "name ends in [bot], which only apps of the platform do")
    strongest = for_it[0][0] if for_it else 0.0
    return NameEvidence(log_odds, strongest, tuple(reasons), words, is_app)


def _in_place(word: str, words: tuple[str, ...]) -> tuple[float, str]:
    """The weight of a word among those of its login, and why."""
    weight, why = judged(word)
    after = words[words.index(word) + 1 :]
    if word in TASKS and any(_is_ordinary(other) for other in after):
        return weight * _BEFORE_ANOTHER, f"{why}, but before a word of another kind"
    return weight, why


def _is_ordinary(word: str) -> bool:
    """Whether a word is none by which machines and their accounts are called."""
    is_word = len(word) > 1 and word.isalpha() and word != "user"
    return is_word and word not in TECHNICAL and judged(word)[0] <= 0


@lru_cache(maxsize=200_000)
def judged(word: str) -> tuple[float, str]:
    """The weight of one word in lower case and why; (0.0, "") where it says nothing."""
    known = WEIGHTS.get(word)
    if known is not None:
        return known
    if "bot" in word:
        return _of_bot(word)
    for end in AT_END:
        if word.endswith(end) and len(word) > len(end) + 1:
            weight, why = WEIGHTS.get(end, (1.5, "a tool's word"))
            return weight * 0.75, f"ends in {end}: {why}"
    for start in AT_START:
        if word.startswith(start) and len(word) > len(start) + 1:
            weight, why = WEIGHTS.get(start, (1.5, "a tool's word"))
            return weight * 0.75, f"begins with {start}: {why}"
    return 0.0, ""


def _of_bot(word: str) -> tuple[float, str]:
    """A word in which "bot" stands: at its end it usually is one, elsewhere it rarely is."""
    if is_surname(word):
        return -1.0, "a surname or word that ends like bot"
    stem = word.removesuffix("s")
    if stem.endswith("bot"):
        return _ending_in_bot(stem.removesuffix("bot"))
    if word.startswith("bot") and not _HOLDING.match(word):
        after = word.removeprefix("bot")
        if after in TECHNICAL:
            return 4.5, f"begins with bot before {after}"
        return 1.0, "begins with bot"
    return 0.0, ""


def _ending_in_bot(before: str) -> tuple[float, str]:
    """What a word ending in bot says, by what stands before that."""
    if before in TECHNICAL or any(before.endswith(end) for end in _LONG_TECHNICAL):
        return 6.0, f"ends in bot after {before}"
    if before.endswith("ro") and len(before) > 2:
        return 2.0, "ends in robot, which people call themselves too"
    if any(before.startswith(start) for start in OF_ONESELF):
        return 1.5, "ends in bot, with words of somebody about himself"
    if before in GIVEN_NAMES:
        return 2.5, "ends in bot after a given name"
    if len(before) < 4:
        return 3.0, f"ends in bot after {before}"
    return 4.0, "ends in bot"


_LONG_TECHNICAL = tuple(sorted(word for word in TECHNICAL if len(word) > 3))


def is_surname(word: str) -> bool:
    """Whether a word in lower case is or ends in a surname like Talbot, or a word like sabot.

    `talbot`, `jtalbot`, `marctalbot` and `ryanjtalbot` do; `metalbot` and `portalbot` do not.
    """
    if word in NOT_BOTS:
        return True
    if len(word) > 5 and word[1:] in NOT_BOTS and len(word[1:]) > 4:
        return True
    for name, others in SURNAMES_AT_END.items():
        before = word.removesuffix(name)
        if before != word:
            return not any(before.endswith(other) for other in others)
    return False
