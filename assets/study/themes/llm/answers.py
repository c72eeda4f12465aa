"""What a language model answers: its form, what is accepted of it, and where it is kept.

Belongs here: the answers' schema, checks against the codebook, answers as arrays, the store that
survives being killed. Does not belong here: what the model is told (`prompts`), asking (`llm`).

The store is one SQLite file, readable by its owner only: it holds what strangers wrote.
"""

import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from assets.study.themes.coding import Coding
from assets.study.themes.llm.prompts import cleaned
from orchestration.failures import PermanentFailure

SUMMARY, KEYWORDS, KEYWORD, CODE, RATIONALE = 500, 8, 60, 80, 400
# Longer than this and it is no answer but something else; shorter, and it is cut.
ABSURD = 20
# Added to the primary theme's figure where another's is as high: the primary is the model's word.
LEAD = 0.01
LOCK_SECONDS = 60
FORM = 1
_SPACES = re.compile(r"\s+")


# ---------------------------------------------------------------- the answers' form


def _words(limit: int) -> BeforeValidator:
    """One line without control characters, cut at a length; absurd lengths stay for refusal."""

    def trimmed(value: object) -> object:
        if not isinstance(value, str) or len(value) > limit * ABSURD:
            return value
        return _SPACES.sub(" ", cleaned(value)).strip()[:limit]

    return BeforeValidator(trimmed)


def _few(value: object) -> object:
    return value[:KEYWORDS] if isinstance(value, list) and len(value) <= 100 else value


class Claim(BaseModel):
    """What the model says of one theme."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    theme: str
    holds: bool = True
    probability: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)


class Answer(BaseModel):
    """What the model says of one text; the fields stand in the order of its steps."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str = Field(max_length=40)
    summary: Annotated[str, _words(SUMMARY), Field(max_length=SUMMARY)]
    keywords: Annotated[
        list[Annotated[str, _words(KEYWORD), Field(max_length=KEYWORD)]],
        BeforeValidator(_few),
        Field(max_length=KEYWORDS),
    ]
    code: Annotated[str, _words(CODE), Field(min_length=1, max_length=CODE)]
    themes: list[Claim] = Field(min_length=1, max_length=20)
    primary: str
    rationale: Annotated[str, _words(RATIONALE), Field(max_length=RATIONALE)] = ""


def schema_of(themes: Sequence[str]) -> dict[str, Any]:
    """JSON schema of a response: `{"answers": [...]}`, with the themes' names as the only ones."""
    name = {"type": "string", "enum": list(themes)}
    claim = {
        "theme": name,
        "holds": {"type": "boolean", "description": "Whether the theme holds for the text."},
        "probability": {
            "type": "number", "minimum": 0, "maximum": 1,
            "description": "Your probability that it is the main theme of the text.",
        },
    }  # fmt: skip
    answer = {
        "key": {"type": "string", "description": "The text's key, copied exactly."},
        "summary": {"type": "string", "maxLength": SUMMARY},
        "keywords": {
            "type": "array", "maxItems": KEYWORDS,
            "items": {"type": "string", "maxLength": KEYWORD},
        },
        "code": {"type": "string", "maxLength": CODE, "description": "The open code."},
        "themes": {"type": "array", "minItems": 1, "items": _object(claim)},
        "primary": {**name, "description": "The main theme; it holds."},
        "rationale": {"type": "string", "maxLength": RATIONALE},
    }  # fmt: skip
    return _object({"answers": {"type": "array", "items": _object(answer)}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# ---------------------------------------------------------------- what is accepted


class Refused(Exception):
    """An answer that is not taken; the reason is in words of ours, never the model's."""


def read_answers(
    raw: str, keys: Sequence[str], themes: Sequence[str]
) -> tuple[dict[str, Answer], dict[str, str]]:
    """Answers by key, and why others were refused, by key.

    Args:
        raw: what the model gave: the tool's arguments, or text with one JSON object in it.
        keys: those asked for.
        themes: the codebook's, the only ones accepted.

    Raises:
        Refused: the response as a whole is no answer, or answers for a key that was not asked or
            twice for one: then a text may have told the model what to say, and none is believed.
    """
    entries = _entries(raw)
    accepted: dict[str, Answer] = {}
    refused: dict[str, str] = {}
    seen: set[str] = set()
    for entry in entries:
        key = entry.get("key") if isinstance(entry, dict) else None
        if not isinstance(key, str) or key not in keys:
            raise Refused("it answered for a key that was not asked")
        if key in seen:
            raise Refused("it answered twice for one key")
        seen.add(key)
        try:
            accepted[key] = _checked(entry, themes)
        except Refused as reason:
            refused[key] = str(reason)
    for key in keys:
        if key not in seen:
            refused[key] = "it has no answer for the key"
    return accepted, refused


def _entries(raw: str) -> list[Any]:
    try:
        value = json.loads(_json_part(raw))
    except (ValueError, RecursionError):
        raise Refused("it is no JSON") from None
    if isinstance(value, dict) and "answers" in value:
        value = value["answers"]
    if isinstance(value, str):
        # Some servers give a tool's inner values as JSON in a string.
        value = _entries(value) if value.lstrip()[:1] in ("[", "{") else None
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        raise Refused("it has no list of answers")
    return value


def _json_part(raw: str) -> str:
    """The outermost object or list of a text, which may stand in words or a code block."""
    starts = [at for at in (raw.find("{"), raw.find("[")) if at >= 0]
    if not starts:
        return raw
    start = min(starts)
    end = raw.rfind("}" if raw[start] == "{" else "]")
    return raw[start : end + 1]


def _checked(entry: Mapping[str, Any], themes: Sequence[str]) -> Answer:
    try:
        answer = Answer.model_validate(entry)
    except ValidationError as error:
        where = str(error.errors(include_input=False, include_url=False)[0]["loc"][0])
        raise Refused(f"its field {where} is missing or has a wrong value") from None
    named = [claim.theme for claim in answer.themes]
    if answer.primary not in themes or any(name not in themes for name in named):
        raise Refused("it named a theme that is not in the codebook")
    if len(set(named)) < len(named):
        raise Refused("it named a theme twice")
    primary = next((claim for claim in answer.themes if claim.theme == answer.primary), None)
    if primary is None or not primary.holds:
        raise Refused("its primary theme is not among those that hold")
    return answer


# ---------------------------------------------------------------- answers as arrays


def probabilities_of(answer: Answer, themes: Sequence[str]) -> list[float]:
    """Figures that sum to 1, the primary theme's the highest, (themes,).

    The model's own figures where it gives one for its primary theme, else 0.8 for the primary
    theme. Themes that it says nothing of share what its figures leave of 1; then all are divided
    by their sum. Where another theme's figure is not below the primary's, the primary's is set
    just above it: the theme that the model names is its word, the figures are its estimate.
    """
    said = {claim.theme: claim.probability for claim in answer.themes}
    weights = {theme: said[theme] or 0.0 for theme in said}
    if said[answer.primary] is None:
        weights[answer.primary] = 0.8
    rest = [theme for theme in themes if said.get(theme) is None and theme != answer.primary]
    left = max(0.0, 1.0 - sum(weights.values()))
    for theme in rest:
        weights[theme] = left / len(rest)
    others = max((weights[theme] for theme in themes if theme != answer.primary), default=0.0)
    if weights[answer.primary] <= others:
        weights[answer.primary] = others + LEAD
    total = sum(weights.values())
    return [weights[theme] / total for theme in themes]


def coding_of(
    answers: Mapping[str, Answer], keys: Sequence[str], themes: Sequence[str], stopped: str | None
) -> Coding:
    """Answers by text key as a coding, in the order of `keys`; keys without an answer are left."""
    coded = tuple(key for key in keys if key in answers)
    given = [answers[key] for key in coded]
    shape = (len(coded), len(themes))
    probabilities = [probabilities_of(answer, themes) for answer in given]
    applies = [
        [any(claim.theme == theme and claim.holds for claim in answer.themes) for theme in themes]
        for answer in given
    ]
    return Coding(
        keys=coded,
        labels=tuple(themes),
        probabilities=np.array(probabilities, dtype=np.float64).reshape(shape),
        applies=np.array(applies, dtype=np.bool_).reshape(shape),
        rationales=tuple(answer.rationale or None for answer in given),
        codes=tuple(answer.code for answer in given),
        stopped=stopped,
    )


# ---------------------------------------------------------------- the store


@dataclass(frozen=True)
class Sent:
    """A request as it is kept for audit.

    Attributes:
        prompt: the user's message as sent, where an answer came; the instructions are kept once
            for each coder.
        raw: the response as the model gave it.
        problem: why it gave no answers, in words of ours.
        model: what the endpoint calls the model that answered; names of models may be aliases.
    """

    prompt: str | None
    raw: str | None
    problem: str | None
    model: str | None
    finish: str | None
    input_tokens: int
    output_tokens: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A text that was asked for and cannot be coded by this coder."""

    reason: str


_TABLES = """
create table if not exists form (number integer not null);
create table if not exists coders (
    version text primary key, parameters text not null, instructions text not null,
    schema text not null, first_used_at real not null
);
create table if not exists requests (
    id integer primary key, coder_version text not null, sent_at real not null, prompt text,
    raw text, problem text, model text, finish text, input_tokens integer not null,
    output_tokens integer not null, seconds real not null
);
create table if not exists parts (
    request integer not null, hash text not null, primary key (request, hash)
) without rowid;
create index if not exists parts_by_hash on parts (hash);
create table if not exists answers (
    hash text primary key, request integer not null, answer text, failure text,
    answered_at real not null
) without rowid;
create table if not exists asked (
    hash text not null, message_key text not null, primary key (hash, message_key)
) without rowid;
create index if not exists asked_by_key on asked (message_key);
"""


class AnswerStore:
    """Answers by the hash of what was asked; every answer is on the disk before it counts.

    Args:
        path: of the SQLite file; it and its folder are made, for their owner only.

    Raises:
        PermanentFailure: the file is no store of this form, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _told(path):
            if not path.exists():
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
            # One thread at a time: the coder may run in a thread of its own.
            self._connection = sqlite3.connect(
                path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode = wal", "synchronous = full", "secure_delete = on"):
                self._connection.execute(f"pragma {pragma}").fetchall()
            self._connection.executescript(_TABLES)
            form = self._connection.execute("select number from form").fetchone()
            if form is None:
                self._connection.execute("insert into form values (?)", (FORM,))
        if form is not None and form[0] != FORM:
            raise PermanentFailure(
                f"{path} has another form of answers.", "Move it away, or use its own version."
            )

    def __enter__(self) -> "AnswerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; the store cannot be used any more."""
        self._connection.close()

    def note_coder(
        self, version: str, parameters: Mapping[str, Any], system: str, schema: Mapping[str, Any]
    ) -> None:
        """Keep once what all requests of a coder share."""
        row = (version, _told_json(parameters), system, _told_json(schema), time.time())
        with _told(self.path):
            self._connection.execute("insert or ignore into coders values (?, ?, ?, ?, ?)", row)

    def found(self, hashes: Iterable[str]) -> dict[str, Answer | Failure]:
        """What is known of hashes; those that are unknown are left out."""
        known: dict[str, Answer | Failure] = {}
        wanted = list(dict.fromkeys(hashes))
        with _told(self.path):
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                rows = self._connection.execute(
                    f"select hash, answer, failure from answers where hash in ({marks})", part
                )
                for name, answer, failure in rows:
                    known[name] = (
                        Answer.model_validate_json(answer) if answer is not None
                        else Failure(failure)
                    )  # fmt: skip
        return known

    def keep(
        self,
        version: str,
        sent: Sent,
        answers: Mapping[str, Answer],
        failures: Mapping[str, str],
        keys: Mapping[str, Sequence[str]],
    ) -> None:
        """Keep a request and what came of it, all or nothing.

        Args:
            answers, failures: by the hash of the text asked.
            keys: the messages' keys behind each hash of the request, whatever came of it.
        """
        now = time.time()
        row = (version, now, sent.prompt, sent.raw, sent.problem, sent.model, sent.finish,
               sent.input_tokens, sent.output_tokens, sent.seconds)  # fmt: skip
        with _told(self.path), self._transaction():
            request = self._connection.execute(
                "insert into requests values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            ).lastrowid
            self._connection.executemany(
                "insert or replace into answers values (?, ?, ?, ?, ?)",
                [
                    *((name, request, one.model_dump_json(), None, now)
                      for name, one in answers.items()),
                    *((name, request, None, reason, now) for name, reason in failures.items()),
                ],
            )  # fmt: skip
            self._connection.executemany(
                "insert into parts values (?, ?)", [(request, name) for name in keys]
            )
            self._note_keys(keys)

    def note_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Keep which messages have a text of these hashes, so that they can be forgotten."""
        with _told(self.path), self._transaction():
            self._note_keys(keys)

    def _note_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        pairs = [(name, key) for name, many in keys.items() for key in many]
        self._connection.executemany("insert or ignore into asked values (?, ?)", pairs)

    def usage(self, version: str) -> tuple[int, int, int]:
        """Requests answered, input and output tokens of a coder so far."""
        with _told(self.path):
            row = self._connection.execute(
                "select count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)"
                " from requests where coder_version = ? and output_tokens > 0",
                (version,),
            ).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def audit(self, message_key: str) -> list[dict[str, Any]]:
        """All that was sent and came back for one message, the oldest first."""
        query = """
            select r.coder_version, r.sent_at, r.model, r.prompt, r.raw, r.problem, a.answer,
                a.failure
            from asked k join parts p on p.hash = k.hash join requests r on r.id = p.request
            left join answers a on a.hash = p.hash and a.request = r.id
            where k.message_key = ? order by r.id
        """
        names = ("coder_version", "sent_at", "model", "prompt", "raw", "problem", "answer",
                 "failure")  # fmt: skip
        with _told(self.path):
            rows = self._connection.execute(query, (message_key,)).fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def message_keys(self) -> list[str]:
        """Of all messages of which anything is kept."""
        with _told(self.path):
            rows = self._connection.execute("select distinct message_key from asked").fetchall()
        return [key for (key,) in rows]

    def forget(self, message_keys: Iterable[str]) -> int:
        """Delete all that is kept of messages; gives how many answers went.

        A request that also had others' texts loses its prompt and raw response; their answers
        stay. What is deleted is written over.
        """
        count = 0
        with _told(self.path), self._transaction():
            for key in dict.fromkeys(message_keys):
                count += self._forget(key)
        with _told(self.path):
            self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        return count

    def _forget(self, key: str) -> int:
        run = self._connection.execute
        hashes = run("select hash from asked where message_key = ?", (key,)).fetchall()
        count = 0
        for row in hashes:
            run(
                "update requests set prompt = null, raw = null where id in"
                " (select request from parts where hash = ?)",
                row,
            )
            run("delete from parts where hash = ?", row)
            count += run("delete from answers where hash = ?", row).rowcount
            run("delete from asked where hash = ?", row)
        return count

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Troubles of the file as one line with a remedy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise PermanentFailure(
            f"The answers in {path} cannot be used: {error}.",
            "See that the disk has room and that nobody else holds the file; where it is"
            " damaged, move it away: only what it held is asked again.",
        ) from error


def _told_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def content_hash(version: str, prompt: str, text: str, parameters: Mapping[str, Any]) -> str:
    """What an answer is kept under: sha256 of all that it depends on.

    Args:
        version: the coder's.
        prompt: hash of the instructions and fences.
        text: as shown to the model.
        parameters: the model's name and all that it is asked with.
    """
    told = json.dumps([version, prompt, text, dict(parameters)], sort_keys=True)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def open_store(folder: Path) -> AnswerStore:
    """The store of an installation; its folder is `themes/answers` in the data directory."""
    return AnswerStore(folder / "answers.sqlite")
