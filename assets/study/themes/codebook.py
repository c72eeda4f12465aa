"""The codebook of themes: what each theme and code means, as people and machines read it.

Belongs here: reading and checking the seed `theme_codebook.csv`, its version, and its reading form
for people (`docs/codebook.md`). Does not belong here: what themes mean (the seed), which labels and
words are evidence of them (`weak`), and codes that coders propose (`open_codes`).
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from orchestration.failures import PermanentFailure

SEEDS = Path(__file__).resolve().parents[3] / "dbt_project" / "seeds"
CODEBOOK = "theme_codebook.csv"
THEMES: tuple[str, ...] = (
    "bug_report", "suggestion", "usage_problem", "performance_evaluation", "others",
)  # fmt: skip
OTHERS = "others"
KINDS = ("theme", "code", "rule")
COLUMNS = ("version", "kind", "name", "theme", "title", "key", "definition", "includes",
           "excludes", "examples")  # fmt: skip
# What an example begins with.
PLATFORMS = ("GitHub", "Hub")
# Between the examples of one row.
DIVIDER = " | "
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_KEY = re.compile(r"[0-9a-z]")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")
_REMEDY = "Correct the row, or get the project's own file again."


@dataclass(frozen=True)
class Theme:
    """What a post is about.

    Attributes:
        includes, excludes: when it holds, and when another theme does, in words.
        examples: each begins with the platform.
        key: digit or letter that chooses it where people label.
    """

    name: str
    title: str
    definition: str
    includes: str
    excludes: str
    examples: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class Code:
    """A finer kind of post within a theme."""

    name: str
    theme: str
    title: str
    definition: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """How to decide where themes meet; it holds for all coders."""

    name: str
    title: str
    definition: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Codebook:
    """Themes in the order of `THEMES`, codes in the order of their themes, rules.

    Attributes:
        version: the version that people gave it and a hash of its content, as `1.0-0a1b2c3d`: no
            word can change without it.
    """

    version: str
    themes: tuple[Theme, ...]
    codes: tuple[Code, ...]
    rules: tuple[Rule, ...]

    def theme(self, name: str) -> Theme:
        """The theme of a name.

        Raises:
            PermanentFailure: there is none.
        """
        for theme in self.themes:
            if theme.name == name:
                return theme
        raise PermanentFailure(
            f"The codebook has no theme {name!r}.",
            f"Use one of {', '.join(theme.name for theme in self.themes)}.",
        )

    def codes_of(self, theme: str) -> tuple[Code, ...]:
        """The codes of one theme, in order."""
        return tuple(code for code in self.codes if code.theme == theme)


def load_codebook(folder: Path = SEEDS) -> Codebook:
    """Read and check the codebook of a folder.

    Raises:
        PermanentFailure: it cannot be read, or a row is not as it has to be; the message names the
            line of the file.
    """
    path = folder / CODEBOOK
    rows = list(seed_rows(path, COLUMNS))
    if not rows:
        raise PermanentFailure(f"{path} has no rows.", _REMEDY)
    themes: dict[str, Theme] = {}
    codes: dict[str, Code] = {}
    rules: dict[str, Rule] = {}
    for row in rows:
        _check(row, rows[0]["version"])
        name, examples = row["name"], _examples(row["examples"])
        if name in themes or name in codes or name in rules:
            row.refuse(f"the name {name} is given twice")
        told = (row["title"], row["definition"])
        if row["kind"] == "theme":
            if row["theme"] not in ("", name):
                row.refuse("a theme belongs to no theme")
            themes[name] = Theme(name, *told, row["includes"], row["excludes"], examples,
                                 row["key"])  # fmt: skip
        elif row["kind"] == "code":
            if row["theme"] not in THEMES:
                row.refuse(f"the theme {row['theme']!r} is unknown")
            codes[name] = Code(name, row["theme"], *told, examples)
        else:
            rules[name] = Rule(name, *told, examples)
    _check_themes(path, themes)
    return Codebook(
        version=f"{rows[0]['version']}-{_digest(rows)}",
        themes=tuple(themes[name] for name in THEMES),
        codes=tuple(code for name in THEMES for code in codes.values() if code.theme == name),
        rules=tuple(rules.values()),
    )


def example_text(example: str) -> str:
    """An example without its platform: the text alone.

    >>> example_text("GitHub: Segmentation fault when two tabs are closed")
    'Segmentation fault when two tabs are closed'
    """
    platform, _, text = example.partition(": ")
    return text if platform in PLATFORMS else example


def _check(row: "SeedRow", version: str) -> None:
    """Refuse a row that says too little or what nobody knows."""
    if row["kind"] not in KINDS:
        row.refuse(f"the kind {row['kind']!r} is none of {', '.join(KINDS)}")
    if not _NAME.fullmatch(row["name"]):
        row.refuse(f"the name {row['name']!r} is not in lower case letters, digits and _")
    for column in ("title", "definition"):
        if not row[column]:
            row.refuse(f"{row['name']} has an empty {column}")
    if row["version"] != version or not _VERSION.fullmatch(version):
        row.refuse(f"the version {row['version']!r} is not the one number that all rows share")
    if row["kind"] != "theme":
        return
    if row["name"] not in THEMES:
        row.refuse(f"the theme {row['name']!r} is unknown")
    if not _KEY.fullmatch(row["key"]):
        row.refuse(f"the key {row['key']!r} is not one digit or letter")
    for column in ("includes", "excludes"):
        if not row[column]:
            row.refuse(f"{row['name']} has an empty {column}")


def _check_themes(path: Path, themes: dict[str, Theme]) -> None:
    missing = [name for name in THEMES if name not in themes]
    if missing:
        raise PermanentFailure(f"{path} has no theme {missing[0]}.", _REMEDY)
    keys = [theme.key for theme in themes.values()]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise PermanentFailure(f"{path} gives the key {twice} to two themes.", _REMEDY)


def _examples(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(DIVIDER) if part.strip())


def _digest(rows: list["SeedRow"]) -> str:
    """Eight hex digits of all that the rows say, however the file is written."""
    said = [[row[column] for column in COLUMNS] for row in rows]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()[:8]


# ---------------------------------------------------------------- seeds


class SeedRow:
    """A row of a seed that knows where it stands; cells without spaces around them."""

    def __init__(self, path: Path, line: int, cells: dict[str, str]) -> None:
        self.path = path
        self.line = line
        self._cells = cells

    def __getitem__(self, column: str) -> str:
        return self._cells[column]

    def refuse(self, why: str) -> NoReturn:
        """Tell what is wrong with the row.

        Raises:
            PermanentFailure: always.
        """
        raise PermanentFailure(f"{self.path}, line {self.line}: {why}.", _REMEDY)


def seed_rows(path: Path, columns: tuple[str, ...]) -> Iterator[SeedRow]:
    """The rows of a CSV file that has these columns and perhaps more.

    Raises:
        PermanentFailure: it is missing, is no UTF-8, lacks a column, or has a row of another
            length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in columns if name not in header]
            if missing:
                raise PermanentFailure(f"{path} has no column {missing[0]}.", _REMEDY)
            for cells in reader:
                row = SeedRow(path, reader.line_num, {})
                if not cells:
                    continue
                if len(cells) != len(header):
                    row.refuse(f"there are {len(cells)} cells for {len(header)} columns")
                named = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
                yield SeedRow(path, reader.line_num, named)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PermanentFailure(f"{path} cannot be read: {error}.", _REMEDY) from error


# ---------------------------------------------------------------- reading form


def reading_form(codebook: Codebook) -> str:
    """The codebook as Markdown for people who code; also of a codebook of one's own."""
    lines = [f"Version {codebook.version}", ""]
    for theme in codebook.themes:
        lines += [f"## {theme.title} (`{theme.name}`, key {theme.key})", "", theme.definition, ""]
        lines += [f"**It holds for:** {theme.includes}", ""]
        lines += [f"**It does not hold for:** {theme.excludes}", "", "Examples:", ""]
        lines += [f"- {example}" for example in theme.examples]
        lines += ["", "| code | title | definition | example |", "|---|---|---|---|"]
        for code in codebook.codes_of(theme.name):
            cells = (f"`{code.name}`", code.title, code.definition, "; ".join(code.examples))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    lines += ["## Where themes meet", ""]
    for rule in codebook.rules:
        lines += [f"**{rule.title}** (`{rule.name}`). {rule.definition}", ""]
        lines += [f"- {example}" for example in rule.examples]
        lines += [""] if rule.examples else []
    return "\n".join(lines).rstrip() + "\n"
