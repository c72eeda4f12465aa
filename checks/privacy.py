"""No e-mail address in what was landed, nobody's name in what is published.

Belongs here: looking for addresses in a bounded sample of the lake's text, and for logins and keys
of people in the whole published copy. Does not belong here: taking them out (assets.github.lines,
assets.publish.names, orchestration.privacy). What is found is counted and never shown.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.publish.snapshot import DATABASE_NAME
from checks.outcome import CheckOutcome, Row, failed, first_rows, listed, passed
from checks.warehouse import reading
from orchestration.parquet import asking_files
from orchestration.privacy.masking import Masker
from orchestration.privacy.optout import PLATFORMS, Account

if TYPE_CHECKING:
    import duckdb

# A systematic leak shows in any few thousand rows; a day's text is gigabytes.
ROWS_A_FILE = 2000
MOST_FILES = 48

# What the landing calls an address, but RE2 has no look-behind: hashes are taken out first, so
# that `email:<hash>@host` (of `a@b.com@host`) is none, and `git@host` is told by its own count.
_HASHED = r"email:[0-9a-f]{32}"
_DOMAIN = r"@([A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}"
_ADDRESS = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}{_DOMAIN}"
_AUTHOR = rf"(?s){_HASHED}( .*)?"
_ESCAPE = r"\\(u[0-9A-Fa-f]{4}|.)"

_COMMIT_TEXT = (
    "array_to_string(list_transform(commits, "
    "lambda c: concat_ws(chr(10), c.author.name, c.author.email, c.message)), chr(10))"
)
_NAMES = "array_to_string(list_transform({0}, lambda one: one.name), chr(10))"
# Structures are taken apart: as one text, a quotation mark would become part of an address.
_TEXTS = {
    "commits": _COMMIT_TEXT,
    "base_models": _NAMES.format("base_models"),
    "co_authors": _NAMES.format("co_authors"),
    "extra": "regexp_replace(extra, $escape, ' ', 'g')",
}
# What holds nothing but hashes of addresses: column to the SQL of its values, as a list.
_HASHES = {
    "commits": "list_transform(commits, lambda c: c.author.email)",
    "co_authors": "list_transform(co_authors, lambda one: one.address_hash)",
}
_HASH_SUFFIX = "_address_hash"
# A column with fewer values is a vocabulary.
MOST_WORDS = 100
_NAMING = re.compile(r"(^|_)(name|key|login|native_id|actor|owner|account|member|author)s?$")
_IS_KEY = "regexp_matches({0}, '(github|huggingface):actor:|email:[0-9a-f]{{32}}')"
_UNHASHED = """
    len(list_filter({0}, lambda value: coalesce(value, '') <> ''
        and not regexp_full_match(value, $author)))
"""


def no_addresses(
    files: Sequence[Path], rows_a_file: int = ROWS_A_FILE, most_files: int = MOST_FILES
) -> CheckOutcome:
    """No address in a sample of every text column; what stands for an address is a hash.

    Args:
        files: current Parquet files of the lake; some, spread evenly, where there are more than
            `most_files`. Of each, one block of rows at a place that its content decides.
        rows_a_file: rows of the block.
    """
    name = "no_raw_addresses"
    present = [file for file in files if file.is_file()]
    if not present:
        return passed(name, "no files to look into")
    chosen = _spread(present, most_files)
    found: list[Row] = []
    looked_at = 0
    with asking_files() as connection:
        for file in chosen:
            rows, leaks = _leaks(connection, file, rows_a_file)
            looked_at += rows
            found += [{"file": file.name, "column": name, "found": count} for name, count in leaks]
    numbers = {
        "rows_looked_at": looked_at,
        "files_looked_at": f"{len(chosen)} of {len(present)}",
        "sample": f"one block of {rows_a_file} rows a file",
    }
    if not found:
        return passed(name, f"no address in {looked_at} rows", **numbers)
    columns = sorted({str(row["column"]) for row in found})
    told = f"{sum(row['found'] for row in found)} raw addresses in {listed(columns)}"
    return failed(name, "error", told, columns=first_rows(found), **numbers)


def published_is_pseudonymous(
    warehouse: Path,
    published_dir: Path,
    published_names: str,
    opted_out: Sequence[Account] = (),
) -> CheckOutcome:
    """No text of the copy has a login of a person, a key of an account, or an opted-out account.

    Args:
        published_names: the setting; with `all`, names of repositories show their owners.
        opted_out: accounts of the opt-out list.
    """
    name = "published_is_pseudonymous"
    copy = published_dir / DATABASE_NAME
    if not copy.is_file():
        return passed(name, "nothing is published yet")
    found: list[Row] = []
    with reading(warehouse=warehouse, copy_of_it=copy) as connection:
        person_count = _know_people(connection)
        columns = connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() "
            "where database_name = 'copy_of_it' order by all"
        ).fetchall()
        for table, column, kind in columns:
            if "VARCHAR" not in kind:
                continue
            source = _Source(f'copy_of_it.main."{table}"', f'"{column}"::varchar')
            told = {
                "key of an account": _count_of(connection, source, _IS_KEY),
                "opted-out account": _opted_out(connection, source, opted_out),
            }
            if published_names != "all":
                told["login of a person"] = _people_in(connection, source, column)
            found += [
                {"table": table, "column": column, "what": what, "found": count}
                for what, count in told.items()
                if count
            ]
    numbers = {"people_known": person_count, "columns_looked_at": len(columns)}
    if not found:
        return passed(name, f"none of {person_count} people is in the copy", **numbers)
    where = listed(sorted({f"{row['table']}.{row['column']}" for row in found}))
    told_in = f"{sum(row['found'] for row in found)} values tell an account, in {where}"
    return failed(name, "error", told_in, values=first_rows(found), **numbers)


@dataclass(frozen=True)
class _Source:
    """A column as text, and the table it is in."""

    table: str
    text: str


def _know_people(connection: "duckdb.DuckDBPyConnection") -> int:
    """A table of the logins that are people's, or may be: not organisations', not automation's."""
    connection.execute(
        """
        create temp table person as
        select distinct actors.platform, lower(actors.login) as login
        from warehouse.core.dim_actor as actors
        where
            actors.login is not null
            and actors.actor_class not in (
                'organisation', 'bot', 'ai_agent', 'platform_automation'
            )
            and not exists (
                select 1 from warehouse.core.dim_organisation as organisations
                where
                    organisations.platform = actors.platform
                    and lower(organisations.login) = lower(actors.login)
            )
        """
    )
    found = connection.execute("select count(*) from person").fetchone()
    assert found is not None
    return int(found[0])


def _count_of(connection: "duckdb.DuckDBPyConnection", source: _Source, condition: str) -> int:
    text = condition.format(source.text)
    found = connection.execute(f"select count(*) from {source.table} where {text}").fetchone()
    assert found is not None
    return int(found[0])


def _people_in(connection: "duckdb.DuckDBPyConnection", source: _Source, column: str) -> int:
    """Values that are a login, or a name with one as its owner.

    Words of a vocabulary may be somebody's login too: a column of few values is looked into only
    where it is one of names. Names are compared within their platform where the row tells it.
    """
    values = connection.execute(
        f"select approx_count_distinct({source.text}) from {source.table}"
    ).fetchone()
    assert values is not None
    if values[0] <= MOST_WORDS and not _NAMING.search(column):
        return 0
    owner = f"lower(split_part(regexp_replace({source.text}, '^.*name:', ''), '/', 1))"
    described = connection.execute(f"describe {source.table}").fetchall()
    has_platform = any(row[0] == "platform" for row in described)
    same = "person.platform = one.platform and" if has_platform else ""
    return _count_of(
        connection,
        _Source(f"{source.table} as one", source.text),
        f"exists (select 1 from person where {same} person.login = {owner})",
    )


def _opted_out(
    connection: "duckdb.DuckDBPyConnection", source: _Source, opted_out: Sequence[Account]
) -> int:
    """Values that tell an account of the opt-out list; few values match the pattern at all."""
    if not opted_out:
        return 0
    maskers = [Masker(opted_out, platform, "") for platform in PLATFORMS]
    found = connection.execute(
        f"select distinct {source.text} from {source.table} "
        f"where regexp_matches({source.text}, $hint)",
        {"hint": maskers[0].hint},
    ).fetchall()
    return sum(any(masker.is_in(text) for masker in maskers) for (text,) in found)


def _spread(files: Sequence[Path], most: int) -> list[Path]:
    """At most so many files, evenly spread and the last included."""
    if len(files) <= most:
        return list(files)
    step = len(files) / most
    return [files[int((place + 1) * step) - 1] for place in range(most)]


def _leaks(
    connection: "duckdb.DuckDBPyConnection", file: Path, rows_a_file: int
) -> tuple[int, list[tuple[str, int]]]:
    """Rows looked at, and what was found by column."""
    source = {"path": str(file)}
    described = connection.execute("describe select * from read_parquet($path)", source).fetchall()
    texts = dict(_texts({row[0]: row[1] for row in described}))
    total = connection.execute("select count(*) from read_parquet($path)", source).fetchone()
    first = _place(file) % max(1, (total[0] if total else 0) - rows_a_file + 1)
    columns = {column: _found(text) for column, text in texts.items()}
    for column in texts:
        hashes = f'["{column}"]' if column.endswith(_HASH_SUFFIX) else _HASHES.get(column)
        if hashes:
            columns[f"{column} (hash)"] = _UNHASHED.format(hashes)
    sums = ", ".join(f"coalesce(sum({count_of}), 0)" for count_of in columns.values())
    query = (
        f"select count(*), {sums} from read_parquet($path, file_row_number = true) "
        "where file_row_number >= $first and file_row_number < $last"
    )
    values = {**source, "first": first, "last": first + rows_a_file}
    patterns = {"address": _ADDRESS, "hashed": _HASHED, "author": _AUTHOR, "escape": _ESCAPE}
    values |= {key: text for key, text in patterns.items() if f"${key}" in query}
    row = connection.execute(query, values).fetchone()
    assert row is not None
    leaks = [(column, int(n)) for column, n in zip(columns, row[1:], strict=True) if n]
    return int(row[0]), leaks


def _texts(types: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Column to the SQL of its text, for every column that holds text."""
    for column, kind in types.items():
        if column in _TEXTS:
            yield column, _TEXTS[column]
        elif kind == "VARCHAR":
            yield column, f'"{column}"'
        elif kind == "VARCHAR[]":
            yield column, f'array_to_string("{column}", chr(10))'


def _found(text: str) -> str:
    """SQL that counts addresses in a text; most texts have no @ and cost nothing more."""
    hits = f"regexp_extract_all(regexp_replace({text}, $hashed, ' ', 'g'), $address)"
    personal = f"list_filter({hits}, lambda hit: not starts_with(lower(hit), 'git@'))"
    return f"case when contains({text}, '@') then len({personal}) else 0 end"


def _place(file: Path) -> int:
    """A number from the hash in a lake file's name: the same content, the same block."""
    digest = file.name.removesuffix(".parquet").rsplit(".", 1)[-1]
    return int(digest, 16) if digest and set(digest) <= set("0123456789abcdef") else 0
