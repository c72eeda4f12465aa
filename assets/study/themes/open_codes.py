"""From open codes to themes: people merge what a coder proposed, and the commonest themes stay.

Belongs here: reading open codes, the table of distinct codes with proposals of what is nearly
equal, the merge file that people edit, what follows from it, and the rule of 90 % coverage. Does
not belong here: proposing codes (`llm`), the fixed codebook (`codebook`), and the commands
(`orchestration.themes_codes_cli`).

After the published study: codes are grouped by people into themes; themes are ranked by
prevalence, those that reach 90 % of the posts together stay, all others become Others. A program
only counts, proposes and checks: no proposal becomes a decision by itself.
"""

import csv
import hashlib
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.study.themes.codebook import OTHERS, THEMES
from orchestration.failures import PermanentFailure
from orchestration.lake import writing
from orchestration.spreadsheets import as_was, harmless

if TYPE_CHECKING:
    import pyarrow as pa

COVERAGE = 0.9
# What a merge file has; the columns after `note` are for the eye, and whatever people add stays.
DECIDED = ("theme", "group", "decided_by", "note")
MERGE_COLUMNS = ("code", "count", "share", "proposed_group", *DECIDED, "platforms", "examples")
RESULT_COLUMNS = ("message_key", "platform", "code", "group", "theme", "kept_theme", "weight")
LEVELS = ("theme", "group")
CODE_LENGTH, EXAMPLE_LENGTH, EXAMPLE_COUNT = 120, 200, 3
# Cosine of the rarer words and letters that two codes share, from which on they are proposed.
LEAST_ALIKE = 0.5
# Of more codes only the commonest are compared.
MOST_COMPARED = 20_000
MOST_PROBLEMS = 5
_BLOCK = 500
_LONGEST_CELL = 2**31 - 1
_WORD = re.compile(r"[^\W_]+[+#]*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_UNWRITABLE = re.compile("[\ud800-\udfff]")
# The remedy where a file cannot be written.
_OTHER_OUT = "Choose another --out."
_ENDINGS = ("isations", "izations", "isation", "ization", "ations", "ation", "ities", "ments",
            "ings", "ions", "ures", "ment", "ing", "ion", "ies", "ity", "ure", "ed", "es", "er",
            "e", "s", "y")  # fmt: skip
# Words that mean the same in names of codes, by their stems; for proposals only.
_SAME = {
    "fail": "error", "exception": "error", "except": "error", "issu": "error", "problem": "error",
    "bug": "error", "fault": "error", "trouble": "error", "troubl": "error", "crash": "error",
    "login": "auth", "authent": "auth", "authentic": "auth", "authoris": "auth", "authoriz": "auth",
    "credential": "auth", "signin": "auth",
    "doc": "document", "setup": "install", "deploy": "install",
    "config": "configur", "sett": "configur", "perf": "perform", "speed": "perform",
    "slow": "perform", "latenc": "perform", "ask": "request", "wish": "request", "want": "request",
    "propos": "suggest", "idea": "suggest", "recommend": "suggest", "help": "question",
    "howto": "question", "clarif": "question", "quant": "quantis", "quantiz": "quantis",
    "gguf": "quantis", "licens": "licenc", "finetun": "tun", "benchmark": "evaluat",
    "eval": "evaluat", "score": "evaluat", "scor": "evaluat", "incorrect": "wrong",
    "inaccur": "wrong", "unexpect": "wrong", "hang": "freez", "unrespons": "freez",
    "incompat": "compat",
}  # fmt: skip
_IDLE = frozenset({"the", "a", "an", "of", "for", "in", "on", "to", "and", "with", "about", "or"})


# ---------------------------------------------------------------- codes


@dataclass(frozen=True, slots=True)
class CodedMessage:
    """A post and the code that was proposed for it.

    Attributes:
        code: normalised; empty where none was proposed.
        summary: what the coder says of the post, in one line; may be empty.
        weight: posts that it stands for.
    """

    key: str
    platform: str
    code: str
    summary: str
    weight: float


@dataclass(frozen=True)
class CodeCount:
    """A distinct code.

    Attributes:
        weight: sum of the posts' weights.
        platforms: posts by platform.
        examples: summaries of some of its posts, distinct.
    """

    code: str
    count: int
    weight: float
    platforms: Mapping[str, int]
    examples: tuple[str, ...]


def normal_code(text: str | None) -> str:
    """A code as it is counted: lower case words with one space between them.

    >>> normal_code("  Auth-Fail (login) ")
    'auth fail login'
    """
    known = unicodedata.normalize("NFKC", _UNWRITABLE.sub(" ", (text or "")[: 10 * CODE_LENGTH]))
    words: list[str] = _WORD.findall(known.casefold())
    return " ".join(words)[:CODE_LENGTH].strip()


def one_line(text: str | None, length: int = EXAMPLE_LENGTH) -> str:
    """A text in one line without control characters and marks of direction, cut to a length."""
    line = _SPACE.sub(" ", _UNWRITABLE.sub(" ", (text or "")[: 10 * length])).strip()
    return line if len(line) <= length else line[: length - 1] + "…"


def read_codes(path: Path) -> list[CodedMessage]:
    """Read open codes: `message_key`, `code`, and where known `platform`, `summary`, `weight`.

    A row that is there twice counts once. Rows without a code stay, with an empty one.

    Args:
        path: `.parquet`, `.csv` or `.jsonl`.

    Raises:
        PermanentFailure: it cannot be read, lacks a column, a message has two codes, or a weight
            is no number above 0; with the row.
    """
    kind = next((one for one in _READERS if path.name.lower().endswith(one)), None)
    if kind is None:
        raise PermanentFailure(
            f"{path} is of no kind that is read.", f"Name it as {', '.join(_READERS)}."
        )
    if not path.is_file():
        raise PermanentFailure(f"There is no file {path}.", "Check its path.")
    found: dict[tuple[str, str], CodedMessage] = {}
    for place, row in _READERS[kind](path):
        message = _message(path, place, row)
        known = found.setdefault((message.platform, message.key), message)
        if known.code != message.code:
            raise PermanentFailure(
                f"{path}, {place}: the message {message.key[:80]!r} has the code "
                f"{message.code!r} and before {known.code!r}.",
                "Give each message one code, of one version of one coder.",
            )
    if not found:
        raise PermanentFailure(f"{path} has no rows.", "Give at least one coded message.")
    return list(found.values())


def _message(path: Path, place: str, row: Mapping[str, Any]) -> CodedMessage:
    for column in ("message_key", "code"):
        if column not in row:
            raise PermanentFailure(
                f"{path}, {place}: there is no {column}.", "Give message_key and code."
            )
    key = row["message_key"]
    if key is None or str(key) == "":
        raise PermanentFailure(f"{path}, {place}: message_key is empty.", "Give each row its key.")
    weight = row.get("weight")
    try:
        number = 1.0 if weight is None or weight == "" else float(weight)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise PermanentFailure(
            f"{path}, {place}: the weight {str(weight)[:40]!r} is no number above 0.",
            "Correct it, or leave it empty for 1.",
        )
    platform, code, summary = (_text(row.get(one)) for one in ("platform", "code", "summary"))
    return CodedMessage(
        str(key), one_line(platform, 40), normal_code(code), one_line(summary), number
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for line, cells in _cells(path):
        yield f"line {line}", cells


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _told(path), path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise PermanentFailure(
                    f"{path}, line {number}: this is no JSON.", "Write one object a line."
                ) from error
            if not isinstance(row, dict):
                raise PermanentFailure(
                    f"{path}, line {number}: this is no object.", "Write one object a line."
                )
            yield f"line {number}", row


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = ("message_key", "code", "platform", "summary", "weight")
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            columns = [one for one in wanted if one in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=10_000, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise PermanentFailure(f"{path} cannot be read: {line[:200]}.", "Write it anew.") from error


_READERS = {".parquet": _parquet_rows, ".csv": _csv_rows, ".jsonl": _json_rows}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system says of a text file into a clear failure."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise PermanentFailure(f"{path} is not valid UTF-8.", "Save it as CSV in UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise PermanentFailure(f"{path} cannot be read: {error}.", "Check the file.") from error


def _cells(path: Path, needed: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file by their columns, each with the line on which it ends.

    Spreadsheets of many countries write semicolons: the header says what divides.

    Raises:
        PermanentFailure: it cannot be read, lacks a column, or a row has another length.
    """
    longest = csv.field_size_limit(_LONGEST_CELL)
    try:
        with _told(path), path.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            divider = max(",;\t", key=header.count)
            names = [name.strip() for name in next(csv.reader([header], delimiter=divider), [])]
            problem = _wrong_header(names, needed)
            if problem:
                raise PermanentFailure(f"{path}: {problem}.", "Give each column once, by name.")
            reader = csv.reader(stream, delimiter=divider)
            for cells in reader:
                line = reader.line_num + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(names):
                    raise PermanentFailure(
                        f"{path}, line {line}: there are {len(cells)} cells for {len(names)} "
                        "columns.",
                        "Put a cell with a comma in quotation marks.",
                    )
                yield line, dict(zip(names, cells, strict=True))
    finally:
        csv.field_size_limit(longest)


def _wrong_header(names: Sequence[str], needed: Sequence[str]) -> str:
    missing = [name for name in needed if name not in names]
    if missing:
        return f"there is no column {missing[0]}"
    twice = [name for name in names if names.count(name) > 1]
    return f"there are two columns {twice[0]!r}" if twice else ""


def tally(messages: Iterable[CodedMessage], example_count: int = EXAMPLE_COUNT) -> list[CodeCount]:
    """Distinct codes, the one that stands for most posts first; posts without a code left out."""
    of_code: dict[str, list[CodedMessage]] = {}
    for message in messages:
        if message.code:
            of_code.setdefault(message.code, []).append(message)
    counts = []
    for code, its in of_code.items():
        platforms: dict[str, int] = {}
        for message in its:
            platforms[message.platform] = platforms.get(message.platform, 0) + 1
        told = dict.fromkeys(one.summary for one in sorted(its, key=_by_hash) if one.summary)
        counts.append(CodeCount(
            code, len(its), math.fsum(one.weight for one in its),
            dict(sorted(platforms.items())), tuple(told)[:example_count],
        ))  # fmt: skip
    return sorted(counts, key=lambda one: (-one.weight, one.code))


def _by_hash(message: CodedMessage) -> str:
    """Examples are chosen by hash: whatever order posts come in, and not the oldest only."""
    return hashlib.sha256(f"{message.platform}\n{message.key}".encode()).hexdigest()


# ---------------------------------------------------------------- proposals


def proposals(codes: Sequence[str], decided: Mapping[str, str]) -> dict[str, str]:
    """Groups of codes that are nearly equal; for people to judge.

    Each code, in the order given, joins the first code before it that is near enough, or founds a
    group: no chain can grow. Decided codes come first, with the groups they have.

    Args:
        codes: undecided ones, the commonest first.
        decided: group of each code that is decided.

    Returns:
        A group for each undecided code that is near to another.
    """
    import numpy as np

    every = list(decided)[: MOST_COMPARED // 2]
    every = [*every, *(code for code in codes if code not in decided)][:MOST_COMPARED]
    features = _features(every)
    is_founder = np.zeros(len(every), dtype=bool)
    found: dict[str, str] = {}
    for start in range(0, len(every), _BLOCK):
        alike = (features[start : start + _BLOCK] @ features.T).toarray()
        for row, code in enumerate(every[start : start + _BLOCK], start):
            near = alike[row - start, :row] * is_founder[:row]
            place = int(near.argmax()) if row else 0
            if code in decided or not row or near[place] < LEAST_ALIKE:
                is_founder[row] = True
            else:
                founder = every[place]
                found[code] = decided.get(founder, founder)
                if founder not in decided:
                    found[founder] = founder
    return found


def _features(codes: Sequence[str]) -> Any:
    """Stems and their letters in threes, the rarer the heavier, rows of length 1; sparse (n, f)."""
    import numpy as np
    from scipy import sparse

    numbers: dict[str, int] = {}
    rows = []
    columns = []
    for row, code in enumerate(codes):
        for feature in sorted(_parts(code)):
            rows.append(row)
            columns.append(numbers.setdefault(feature, len(numbers)))
    shape = (len(codes), max(len(numbers), 1))
    present = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    heard = np.asarray(present.sum(axis=0)).ravel()
    # A stem says as much as its letters together.
    rarity = np.log((1 + len(codes)) / (1 + heard)) + 1
    for feature, number in numbers.items():
        rarity[number] *= 1.0 if feature.startswith("=") else 0.35
    weighed = sparse.csr_matrix(present.multiply(rarity))
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(lengths, 1e-12)) @ weighed


def _parts(code: str) -> set[str]:
    stems = [_stem(word) for word in code.split() if word not in _IDLE] or code.split()
    letters = {f" {stem} "[k : k + 3] for stem in stems for k in range(len(stem))}
    return {f"={stem}" for stem in stems} | letters


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return _SAME.get(word, word)


# ---------------------------------------------------------------- merge file


@dataclass(frozen=True)
class Decision:
    """A row of a merge file.

    Attributes:
        line: where it ends in the file.
        theme, group, decided_by, note: as people wrote them.
        extra: columns that people added.
    """

    line: int
    code: str
    theme: str
    group: str
    decided_by: str
    note: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_decided(self) -> bool:
        return bool(self.theme or self.group)


@dataclass(frozen=True)
class Merge:
    """What people decided.

    Attributes:
        decisions: by code.
        groups: last group of each decided code, codes that were merged into others followed.
        themes: theme of each code that has one.
        version: eight hex digits of the decisions.
    """

    decisions: Mapping[str, Decision]
    groups: Mapping[str, str]
    themes: Mapping[str, str]
    version: str


def read_merge(path: Path, more_themes: Sequence[str] = ()) -> Merge:
    """Read and check a merge file.

    A code without a theme takes that of its group. A group may be the name of another code: then
    what was decided of that code holds for this one.

    Args:
        more_themes: themes beside those of the codebook.

    Raises:
        PermanentFailure: with the lines of what cannot be meant: a code twice, an unknown theme,
            a decision without the name of who took it, groups in a circle, a group with two themes.
    """
    if not path.is_file():
        raise PermanentFailure(
            f"There is no merge file {path}.", "Write it with `osmoscope themes codes export`."
        )
    known = (*THEMES, *(_theme_name(name) for name in more_themes))
    decisions: dict[str, Decision] = {}
    problems: list[str] = []
    for line, cells in _cells(path, ("code", *DECIDED)):
        decision = _decision(line, cells)
        before = decisions.get(decision.code)
        if not decision.code:
            problems.append(f"line {line}: there is no code")
        elif before is not None:
            problems.append(f"line {line}: {decision.code!r} is on line {before.line} too")
        else:
            decisions[decision.code] = decision
            problems += _wrong(decision, known)
    groups, circles = _last_groups(decisions)
    themes, quarrels = _group_themes(decisions, groups)
    _complain(path, problems + circles + quarrels)
    said = sorted((one.code, one.theme, one.group) for one in decisions.values() if one.is_decided)
    version = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:8]
    return Merge(decisions, groups, themes, version)


def _theme_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PermanentFailure(
            f"{name!r} is no name of a theme.", "Use lower case letters, digits and _."
        )
    return name


def _decision(line: int, cells: Mapping[str, str]) -> Decision:
    given = {name: as_was(cells[name].strip()) for name in DECIDED}
    extra = {name: as_was(cell) for name, cell in cells.items() if name not in MERGE_COLUMNS}
    given["theme"] = given["theme"].casefold().replace(" ", "_")
    return Decision(line, normal_code(cells["code"]), **given, extra=extra)


def _wrong(decision: Decision, known: Sequence[str]) -> Iterator[str]:
    """What is wrong with one decision."""
    if decision.theme and decision.theme not in known:
        yield (
            f"line {decision.line}: the theme {one_line(decision.theme, 60)!r} is none of "
            f"{', '.join(known)}"
        )
    if decision.group and not normal_code(decision.group):
        yield f"line {decision.line}: the group {one_line(decision.group, 60)!r} has no word"
    if decision.is_decided and not decision.decided_by:
        yield f"line {decision.line}: decided_by does not say who decided {decision.code!r}"
    if decision.decided_by and not decision.is_decided:
        yield f"line {decision.line}: {decision.code!r} has decided_by but no theme and no group"


def _last_groups(decisions: Mapping[str, Decision]) -> tuple[dict[str, str], list[str]]:
    """The last group of each decided code, and circles in words."""
    groups: dict[str, str] = {}
    circles: dict[frozenset[str], str] = {}
    for code, decision in decisions.items():
        if not decision.is_decided:
            continue
        path = [code]
        while (further := _next(decisions, path[-1])) is not None and further not in path:
            path.append(further)
        if further is None:
            last = decisions.get(path[-1])
            own = normal_code(last.group) if last is not None else ""
            groups[code] = own or path[-1]
        else:
            ring = path[path.index(further) :]
            lines = ", ".join(str(line) for line in sorted(decisions[one].line for one in ring))
            circles[frozenset(ring)] = f"lines {lines}: the groups go in a circle"
    return groups, list(circles.values())


def _next(decisions: Mapping[str, Decision], code: str) -> str | None:
    """The other code into which a code was merged; None where its group is its last."""
    group = normal_code(decisions[code].group)
    return group if group and group != code and group in decisions else None


def _group_themes(
    decisions: Mapping[str, Decision], groups: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The theme of each code whose group has one, and groups with two in words."""
    first: dict[str, Decision] = {}
    quarrels = []
    for code, group in groups.items():
        decision = decisions[code]
        if not decision.theme:
            continue
        other = first.setdefault(group, decision)
        if other.theme != decision.theme:
            quarrels.append(
                f"lines {other.line} and {decision.line}: the group {group!r} has the themes "
                f"{other.theme} and {decision.theme}"
            )
    return {code: first[group].theme for code, group in groups.items() if group in first}, quarrels


def _complain(path: Path, problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - MOST_PROBLEMS
        told = "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more:,} more" if more > 0 else "")
        raise PermanentFailure(f"{path}, {told}.", "Correct the file; nothing was changed.")


# ---------------------------------------------------------------- export


@dataclass(frozen=True)
class Exported:
    """What a merge file holds after an export.

    Attributes:
        new: codes that it did not hold before, the commonest first; all at the first time.
        undecided: codes without a theme, new ones among them.
        gone: decided codes that no post has now; their rows stay with count 0.
        uncoded: posts without a code, which no row shows.
    """

    codes: int
    decided: int
    new: tuple[CodeCount, ...]
    undecided: int
    gone: int
    uncoded: int


def export_merge(
    messages: Sequence[CodedMessage],
    path: Path,
    more_themes: Sequence[str] = (),
    example_count: int = EXAMPLE_COUNT,
) -> Exported:
    """Write or renew a merge file: undecided codes by proposed group, then decisions as they were.

    Raises:
        PermanentFailure: the file that is there cannot be meant, or it cannot be written. Nothing
            is changed then.
    """
    before = read_merge(path, more_themes) if path.exists() else Merge({}, {}, {}, "")
    counts = tally(messages, example_count)
    total = math.fsum(one.weight for one in counts)
    # A group without a theme waits for one: it stays in sight.
    open_ = [one for one in counts if one.code not in before.themes]
    proposed = proposals([one.code for one in open_], before.groups)
    extra = dict.fromkeys(name for one in before.decisions.values() for name in one.extra)
    by_code = {one.code: one for one in counts}
    lost = [code for code in before.decisions if code not in by_code]
    rows = [
        _merge_row(one, total, proposed.get(one.code, ""), before.decisions.get(one.code))
        for one in (
            *_side_by_side(open_, proposed),
            *(one for one in counts if one.code in before.themes),
        )
    ]
    for code in lost:
        nothing = CodeCount(code, 0, 0.0, {}, ())
        rows.append(_merge_row(nothing, total, "", before.decisions[code]))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*MERGE_COLUMNS, *extra], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # With its mark, spreadsheets take it for UTF-8.
    with writing(path, _OTHER_OUT) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8-sig")
    return Exported(
        codes=len(counts),
        decided=sum(one.code in before.themes for one in counts),
        new=tuple(one for one in counts if one.code not in before.decisions),
        undecided=len(open_),
        gone=sum(code in before.themes for code in lost),
        uncoded=sum(not one.code for one in messages),
    )


def _side_by_side(counts: Sequence[CodeCount], proposed: Mapping[str, str]) -> list[CodeCount]:
    """Codes with those of their proposed group, the group that stands for most posts first."""
    weights: dict[str, list[float]] = {}
    for one in counts:
        weights.setdefault(proposed.get(one.code, one.code), []).append(one.weight)
    sums = {group: math.fsum(its) for group, its in weights.items()}

    def place(one: CodeCount) -> tuple[float, str, float, str]:
        group = proposed.get(one.code, one.code)
        return (-sums[group], group, -one.weight, one.code)

    return sorted(counts, key=place)


def _merge_row(
    count: CodeCount, total: float, proposed: str, decision: Decision | None
) -> dict[str, str]:
    row = {
        "code": count.code,
        "count": str(count.count),
        "share": f"{count.weight / total:.6f}" if total else "0",
        "proposed_group": proposed,
        "platforms": "; ".join(f"{name or 'unknown'} {n}" for name, n in count.platforms.items()),
        "examples": " / ".join(count.examples),
    }
    if decision is not None:
        row |= {name: getattr(decision, name) for name in DECIDED}
        row |= decision.extra
    return {name: _writable(text) for name, text in row.items()}


def _writable(text: str) -> str:
    """A cell that UTF-8 can hold and no spreadsheet takes for a formula."""
    clean = _UNWRITABLE.sub("\ufffd", text).replace("\x00", "\ufffd")
    return harmless(clean)


# ---------------------------------------------------------------- themes


@dataclass(frozen=True)
class Ranked:
    """A theme or group in the order of prevalence.

    Attributes:
        share: of all weight.
        cumulative: share of it and of all before it.
        is_kept: it stays a theme of its own.
    """

    name: str
    weight: float
    share: float
    cumulative: float
    is_kept: bool


def kept_to_coverage(
    weights: Mapping[str, float], coverage: float = COVERAGE, undecided: float = 0.0
) -> list[Ranked]:
    """The smallest number of the commonest themes that reach a coverage; the rest are Others.

    Equal ones stand in the order of their names, so that the order in which they come decides
    nothing. What is Others already counts as part of the whole and is last and never kept; where
    the named ones cannot reach the coverage for it, all of them stay.

    Args:
        weights: of each theme, 0 or more, whatever they add up to.
        coverage: share to reach, above 0 and up to 1.
        undecided: weight that may yet become anything: part of the whole, and of no theme.

    Raises:
        PermanentFailure: the coverage is no share.
    """
    if not 0 < coverage <= 1:
        raise PermanentFailure(f"The coverage {coverage} is no share.", "Give 0.9, or up to 1.")
    # Exact, so that 0.9 of a whole is reached by nine tenths of it.
    exact = {name: Fraction(weight) for name, weight in weights.items()}
    total = sum(exact.values(), Fraction(undecided))
    wanted = Fraction(str(coverage)) * total
    order = sorted(exact, key=lambda name: (name == OTHERS, -exact[name], name))
    ranked = []
    reached = Fraction(0)
    for name in order:
        is_kept = name != OTHERS and exact[name] > 0 and reached < wanted
        reached += exact[name]
        share, cumulative = (float(one / total) if total else 0.0 for one in (exact[name], reached))
        ranked.append(Ranked(name, float(exact[name]), share, cumulative, is_kept))
    return ranked


@dataclass(frozen=True)
class Applied:
    """What follows from a merge file.

    Attributes:
        rows: of `RESULT_COLUMNS`; `theme` and `kept_theme` are None where nothing is decided.
        ranking: over all platforms.
        by_platform: share of each kept theme, of Others and of what is undecided (None).
        undecided: share of the weight whose code has no theme yet.
        uncoded: posts without a code; they are in `rows` and in no share.
    """

    rows: tuple[tuple[str, str, str, str | None, str | None, str | None, float], ...]
    ranking: tuple[Ranked, ...]
    by_platform: Mapping[str, Mapping[str | None, float]]
    undecided: float
    undecided_codes: int
    uncoded: int
    version: str


def apply_merge(
    messages: Sequence[CodedMessage],
    path: Path,
    more_themes: Sequence[str] = (),
    coverage: float = COVERAGE,
    level: str = "theme",
) -> Applied:
    """Give each post the theme of its code, and keep the themes that reach the coverage.

    Args:
        level: `theme`, or `group` to rank groups as the themes.

    Raises:
        PermanentFailure: the merge file cannot be meant, or lacks a code that a post has.
    """
    if level not in LEVELS:
        raise PermanentFailure(f"There is no level {level!r}.", f"Use {' or '.join(LEVELS)}.")
    merge = read_merge(path, more_themes)
    coded = [message for message in messages if message.code]
    lost = sorted({one.code for one in coded} - set(merge.decisions))
    if lost:
        raise PermanentFailure(
            f"{path} lacks {len(lost):,} codes that posts have, as {lost[0]!r}.",
            "Export again into the same file: decisions stay, and what is new is added.",
        )
    names = merge.themes if level == "theme" else _named_groups(merge)
    weights: dict[str | None, list[float]] = {}
    for message in coded:
        weights.setdefault(names.get(message.code), []).append(message.weight)
    sums = {name: math.fsum(its) for name, its in weights.items()}
    undecided = sums.pop(None, 0.0)
    total = math.fsum([*sums.values(), undecided])
    named = {name: its for name, its in sums.items() if name is not None}
    ranking = tuple(kept_to_coverage(named, coverage, undecided))
    kept = {one.name: one.name if one.is_kept else OTHERS for one in ranking}
    rows = tuple(
        (one.key, one.platform, one.code, merge.groups.get(one.code), merge.themes.get(one.code),
         kept.get(names.get(one.code, "")), one.weight)
        for one in messages
    )  # fmt: skip
    return Applied(
        rows=rows,
        ranking=ranking,
        by_platform=_by_platform(coded, [kept.get(names.get(one.code, "")) for one in coded]),
        undecided=undecided / total if total else 0.0,
        undecided_codes=len({one.code for one in coded if one.code not in names}),
        uncoded=len(messages) - len(coded),
        version=merge.version,
    )


def _named_groups(merge: Merge) -> dict[str, str]:
    """Groups as themes; those that people put under Others stay there."""
    return {
        code: OTHERS if merge.themes.get(code) == OTHERS else group
        for code, group in merge.groups.items()
    }


def _by_platform(
    messages: Sequence[CodedMessage], themes: Sequence[str | None]
) -> dict[str, dict[str | None, float]]:
    weights: dict[str, dict[str | None, list[float]]] = {}
    for message, theme in zip(messages, themes, strict=True):
        weights.setdefault(message.platform, {}).setdefault(theme, []).append(message.weight)
    shares = {}
    for platform, its in sorted(weights.items()):
        sums = {theme: math.fsum(one) for theme, one in its.items()}
        total = math.fsum(sums.values())
        order = sorted(sums, key=lambda theme: (theme is None, -sums[theme], theme or ""))
        shares[platform] = {theme: sums[theme] / total for theme in order}
    return shares


def write_themes(applied: Applied, path: Path) -> None:
    """Write `RESULT_COLUMNS` as `.parquet` or `.csv`, at once or not at all.

    Raises:
        PermanentFailure: it has another name, or cannot be written.
    """
    check_result(path)
    if path.suffix.lower() == ".csv":
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(RESULT_COLUMNS)
        for row in applied.rows:
            writer.writerow([_writable(one) if isinstance(one, str) else one for one in row])
        with writing(path, _OTHER_OUT) as temporary:
            temporary.write_text(stream.getvalue(), encoding="utf-8")
        return
    import pyarrow.parquet as pq

    with writing(path, _OTHER_OUT) as temporary:
        pq.write_table(_table(applied), temporary)


def check_result(path: Path) -> None:
    """Refuse a file of no kind that is written.

    Raises:
        PermanentFailure: its name ends otherwise.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise PermanentFailure(
            f"{path} is of no kind that is written.", "Let --out end in .csv or .parquet."
        )


def _table(applied: Applied) -> "pa.Table":
    import pyarrow as pa

    types = [pa.string()] * (len(RESULT_COLUMNS) - 1) + [pa.float64()]
    columns = list(zip(*applied.rows, strict=True)) or [()] * len(RESULT_COLUMNS)
    arrays = [
        pa.array([_whole(one) for one in column], kind)
        for column, kind in zip(columns, types, strict=True)
    ]
    return pa.table(dict(zip(RESULT_COLUMNS, arrays, strict=True)))


def _whole(value: object) -> object:
    """A value that Arrow can hold: no half of a surrogate pair."""
    return _UNWRITABLE.sub("\ufffd", value) if isinstance(value, str) else value
