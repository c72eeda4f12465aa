"""What a commit message is worth: the published rule, as the warehouse applies it.

Belongs here: the same judgement as dbt_project/macros/message_kind.sql gives, for one message, and
the rule's conditions with their reasons. Does not belong here: the rule itself, which is a literal
of that macro and read from there.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orchestration.failures import PermanentFailure

MACRO = Path(__file__).resolve().parents[3] / "dbt_project" / "macros" / "message_kind.sql"
KINDS = ("substantive", "template", "trivial", "blank")
_LITERAL = re.compile(
    r"\{% macro message_rules\(\) -%\}\s*\{\{ return\((.*?)\) \}\}\s*\{%- endmacro", re.DOTALL
)
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)} | {13: 10}


@dataclass(frozen=True)
class Judgement:
    """What the rule says of a message.

    Attributes:
        kind: one of `KINDS`.
        condition: the first condition that held.
        is_merge: the subject is what is proposed for merges.
        word_count: words of subject and body that count.
    """

    kind: str
    condition: str
    is_merge: bool
    word_count: int


@dataclass(frozen=True)
class Condition:
    """A condition of the rule; the first that holds decides.

    Attributes:
        pattern: of the subject, where it has one.
        words: least number, where it counts.
    """

    name: str
    kind: str
    when: str
    reason: str
    pattern: "re.Pattern[str] | None"
    words: int


@dataclass(frozen=True)
class Rule:
    """All of the rule.

    Attributes:
        patterns: by name, compiled.
    """

    version: int
    most_characters: int
    most_subject: int
    patterns: dict[str, "re.Pattern[str]"]
    conditions: tuple[Condition, ...]


@cache
def rule(path: Path = MACRO) -> Rule:
    """The rule as the macro states it.

    Raises:
        PermanentFailure: the macro is missing or has another form.
    """
    try:
        found = _LITERAL.search(path.read_text(encoding="utf-8"))
        stated: dict[str, Any] = ast.literal_eval(found[1]) if found else {}
        names = set(stated) - {"version", "most_characters", "most_subject", "conditions"}
        patterns = {name: _compiled(stated[name]) for name in names}
        conditions = tuple(
            Condition(
                one["name"],
                one["kind"],
                one["when"],
                one["reason"],
                patterns.get(one["pattern"]) or _compiled(one["pattern"])
                if "pattern" in one
                else None,
                one.get("words", 0),
            )
            for one in stated["conditions"]
        )
        return Rule(
            stated["version"],
            stated["most_characters"],
            stated["most_subject"],
            patterns,
            conditions,
        )
    except (OSError, KeyError, SyntaxError, ValueError, re.error) as error:
        raise PermanentFailure(
            f"{path} does not state the rule of commit messages.", "Get the project's own file."
        ) from error


def _compiled(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern, re.ASCII)


def judged(title: str | None, body: str | None = None) -> Judgement:
    """Judge a message.

    Args:
        title: its first line, where the platform gives it apart; else None.
        body: the message, or what follows the title.
    """
    stated = rule()
    most = stated.most_characters
    text = f"{(title or '')[:most]}\n{(body or '')[:most]}"[:most].translate(_LOWER)
    text = stated.patterns["spaces"].sub(" ", text)
    text = _stripped(stated.patterns["conflicts"].sub(" ", text))
    line = text.partition("\n")[0]
    is_merge = bool(stated.patterns["merge"].search(line[: stated.most_subject]))
    judged_text = _stripped(text[len(line) :]) if is_merge else text
    line = judged_text.partition("\n")[0]
    subject, rest = line[: stated.most_subject], judged_text[len(line) :]
    if stated.patterns["squash"].search(subject):
        rest = stated.patterns["squashed"].sub(" ", rest)
    subject_words = _words(stated, "subject_without", subject)
    body_words = _words(stated, "body_without", rest)
    counts = {"body_words": body_words, "subject_words": subject_words}
    for one in stated.conditions:
        if _holds(one, text, subject, is_merge, counts):
            return Judgement(one.kind, one.name, is_merge, subject_words + body_words)
    raise AssertionError("the last condition always holds")


def _stripped(text: str) -> str:
    """Without leading blanks and empty lines."""
    return re.sub(r"^[ \n]+", "", text)


def _words(stated: Rule, removed: str, text: str) -> int:
    return len(stated.patterns["words"].findall(stated.patterns[removed].sub(" ", text)))


def _holds(one: Condition, text: str, subject: str, is_merge: bool, counts: dict[str, int]) -> bool:
    if one.when == "blank":
        return text == ""
    if one.when == "merge":
        return is_merge
    if one.when in counts:
        enough = counts[one.when] >= one.words
        return enough and (one.pattern is None or bool(one.pattern.search(subject)))
    if one.pattern is not None:
        return bool(one.pattern.search(subject))
    return one.when == "always"
