"""Taking opted-out accounts out of a Parquet file of the lake, whatever its table.

Belongs here: which columns tell an account, what is left of a row, learning names of an account
from the rows it is in. Does not belong here: what a text tells (masking), which files there are
(removal).

The grammar of column names decides, so that a table that is added is covered: `<role>_login` and
`<role>_id` are one account, `<role>_name` and `<role>_address_hash` belong to it, and what the role
of an author wrote is gone with them. An act stays as an act of nobody, so that counts of other
people's repositories stay right; rows that are about nothing but the account go.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.privacy import optout
from orchestration.privacy.masking import Masker
from orchestration.privacy.optout import GITHUB, HUB, Compiled, Entry

if TYPE_CHECKING:
    import duckdb

PLATFORM_OF = {"gharchive": GITHUB, "github": GITHUB, "huggingface": HUB}
MEMORY_MEGABYTES = 400
# Tables whose rows say no more than that an account is, belongs or likes, and who says it.
_ABOUT = {
    "accounts": ("account_",),
    "organisation_members": ("member_", "organisation_"),
    "likers": ("actor_",),
}
# What the account of a role wrote.
_WRITTEN = {
    "author_": ("title", "body", "message", "discussion_title"),
    "thread_author_": ("thread_title", "thread_body"),
    "actor_": ("comment_body",),
}
_LOGIN, _ID = "login", "id"
_BELONGING = ("id", "login", "name", "address_hash")
_NAMES = ("repository_name", "forkee_name", "parent_repository_name", "name_now")
# Of a repository of an opted-out account nothing is kept that its owner wrote about it.
_OF_OWNER = ("extra", "owner_name")
_LISTS_OF_LOGINS = ("authors", "organisations")


def mask(lake_root: Path, source: str, table: str, parquet: Path) -> int:
    """Take the accounts on a lake's list out of a file that is about to be landed in it.

    Nothing is written where no opted-out account is in the file, so that its bytes stay.

    Returns:
        How many rows are gone.
    """
    found = _compiled(lake_root)
    platform = PLATFORM_OF.get(source)
    if found is None or platform is None:
        return 0
    with connected() as connection:
        columns = _columns(connection, parquet)
        learned = list(known_as(connection, columns, platform, found, [parquet]))
        if learned and optout.learn(lake_root, learned):
            found = optout.compiled(lake_root) or found
        masker = Masker(found.accounts(), platform, found.secret)
        work = _Work(masker, table, columns)
        work.make_known(connection)
        if not work.hits(connection, parquet):
            return 0
        return work.rewrite(connection, parquet)


def has_any(
    connection: "duckdb.DuckDBPyConnection", parquet: Path, masker: Masker, table: str
) -> bool:
    """Whether an opted-out account is in a file of the lake."""
    work = _Work(masker, table, _columns(connection, parquet))
    work.make_known(connection)
    return work.hits(connection, parquet)


def names_in(
    connection: "duckdb.DuckDBPyConnection", files: list[Path], platform: str, found: Compiled
) -> list[Entry]:
    """What the rows of files of one table know of the accounts; see `known_as`."""
    columns = _columns(connection, files[0])
    return list(known_as(connection, columns, platform, found, files))


def known_as(
    connection: "duckdb.DuckDBPyConnection",
    columns: Mapping[str, str],
    platform: str,
    found: Compiled,
    files: list[Path],
) -> Iterator[Entry]:
    """Logins and address hashes of the opted-out accounts, as the rows of files have them.

    An account is followed by its id. One that was entered by login has the id with which this
    login was seen last: before, it may have been somebody else's.
    """
    listed = found.accounts()
    mine = [one for one in listed if one.platform == platform]
    for role in _roles(columns):
        number = f"{role}{_ID}"
        if number not in columns:
            continue
        hashed = f"{role}address_hash"
        pieces = [
            f'"{number}"::varchar', f'"{role}{_LOGIN}"',
            f'"{hashed}"' if hashed in columns else "null::varchar", _moment(columns),
        ]  # fmt: skip
        ids = [one.native_id for one in mine if one.native_id]
        unnamed = {login for one in mine if one.native_id is None for login in one.logins}
        rows = connection.execute(
            f"select {pieces[0]}, {pieces[1]}, {pieces[2]}, max({pieces[3]}) as seen_at "
            "from read_parquet($files, union_by_name = true, hive_partitioning = false) "
            f"where list_contains($ids::varchar[], {pieces[0]}) "
            f"or ({pieces[0]} is not null "
            f"and list_contains($logins::varchar[], lower({pieces[1]})))"
            " group by all order by seen_at nulls first, 1, 2, 3",
            {"files": [str(file) for file in files], "ids": ids, "logins": sorted(unnamed)},
        ).fetchall()
        yield from _entries(platform, ids, rows)


def _entries(platform: str, ids: list[str], rows: list[tuple[Any, ...]]) -> Iterator[Entry]:
    """Rows of id, login, address hash and moment, ascending by moment, as rows of the list."""
    today = date.today()
    last = {login.lower(): number for number, login, _, _ in rows if login}
    wanted = {*ids, *last.values()}
    for number, login, hashed, _ in rows:
        if number in wanted and (number in ids or last.get((login or "").lower()) == number):
            hashes = (hashed,) if hashed and hashed.startswith("email:") else ()
            name = login if login and optout.is_login(login) else None
            clean = tuple(one.split(" ")[0] for one in hashes)
            yield Entry(platform, number, name, today, "also known as", clean)


def _moment(columns: Mapping[str, str]) -> str:
    for name in ("created_at", "observed_at"):
        if name in columns:
            return f'"{name}"'
    return "null::timestamp"


def _roles(columns: Mapping[str, str]) -> list[str]:
    return [
        name.removesuffix(_LOGIN)
        for name, kind in columns.items()
        if name.endswith(_LOGIN) and kind == "VARCHAR"
    ]


class _Work:
    """One file's masking: the conditions and expressions of its columns."""

    def __init__(self, masker: Masker, table: str, columns: Mapping[str, str]) -> None:
        self._masker, self._table, self._columns = masker, table, columns
        self._roles = {role: self._is_account(role) for role in _roles(columns)}
        self._values: dict[str, Any] = {
            "ids": sorted(masker.known.ids),
            "logins": sorted(masker.known.logins),
            "open_logins": sorted(masker.known.open_logins),
            "hashes": sorted(masker.known.hashes),
            "hint": masker.hint,
        }

    def make_known(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Make the masking functions known to a connection."""
        masker = self._masker
        for name, function in {
            "masked_text": masker.text,
            "masked_name": masker.name,
            "masked_subject": masker.subject,
            "masked_json": lambda text: json.dumps(masker.json(json.loads(text))),
            "nobodys_json": _of_nobody,
        }.items():
            _define(connection, name, function, "VARCHAR")
        _define(connection, "masked_texts", self._texts, "VARCHAR[]")
        _define(connection, "masked_logins", self._logins, "VARCHAR[]")

    def hits(self, connection: "duckdb.DuckDBPyConnection", parquet: Path) -> bool:
        """Whether an account is in the file."""
        conditions = [*self._roles.values()]
        for name, kind in self._columns.items():
            text = _as_text(name, kind)
            if text and name.removesuffix(_LOGIN) not in self._roles:
                # The pattern tells in a fraction of the time that most texts have nothing.
                conditions.append(
                    f"(regexp_matches({text}, $hint) and {self._masked(name, kind)} "
                    f'is distinct from "{name}")'
                )
        if not conditions:
            return False
        query = (
            "select 1 from read_parquet($path, hive_partitioning = false) "
            f"where {' or '.join(conditions)} limit 1"
        )
        found = connection.execute(query, self._used(query, path=str(parquet))).fetchone()
        return found is not None

    def rewrite(self, connection: "duckdb.DuckDBPyConnection", parquet: Path) -> int:
        """Write the file anew without the accounts; returns how many rows are gone."""
        columns = ", ".join(
            f'{self._expression(name, kind)} as "{name}"' for name, kind in self._columns.items()
        )
        gone = self._is_gone()
        before = _count(connection, parquet)
        temporary = parquet.with_name(f"{parquet.name}.masked")
        try:
            # One thread reads a file in its order; sorting would need it all in memory.
            query = (
                f"copy (select {columns} from read_parquet({_literal(parquet)}, "
                f"hive_partitioning = false) where not coalesce({gone}, false)) "
                f"to {_literal(temporary)} (format parquet, compression zstd)"
            )
            connection.execute(query, self._used(query))
            rows = _count(connection, temporary)
            temporary.replace(parquet)
        finally:
            temporary.unlink(missing_ok=True)
        return before - rows

    def _used(self, query: str, **others: Any) -> dict[str, Any]:
        """The parameters that a query names: others are refused."""
        values = {**self._values, **others}
        return {name: value for name, value in values.items() if f"${name}" in query}

    def _is_account(self, role: str) -> str:
        """Whether a role of a row is an opted-out account.

        Where the number is known, it decides: a login may have been given up and taken by another.
        """
        login = f'lower("{role}{_LOGIN}")'
        if f"{role}{_ID}" not in self._columns:
            return f"coalesce(list_contains($logins::varchar[], {login}), false)"
        number = f'"{role}{_ID}"::varchar'
        told = f"list_contains($logins::varchar[], {login})"
        if f"{role}address_hash" in self._columns:
            # A domain may be kept behind the hash.
            hashed = f"split_part(\"{role}address_hash\", ' ', 1)"
            told += f" or list_contains($hashes::varchar[], {hashed})"
        return (
            f"coalesce(coalesce(list_contains($ids::varchar[], {number}), false) "
            f"or coalesce(list_contains($open_logins::varchar[], {login}), false) "
            f"or ({number} is null and ({told})), false)"
        )

    def _is_gone(self) -> str:
        """Whether a row is about nothing but an account."""
        told = [self._roles[role] for role in _ABOUT.get(self._table, ()) if role in self._roles]
        if "subject" in self._columns:
            told.append("list_contains($logins::varchar[], lower(subject))")
            # GitHub's organisations are asked about by number, as repositories are.
            told.append(
                "(kind = 'organisation_members' and list_contains($ids::varchar[], subject))"
            )
        return " or ".join(told) or "false"

    def _expression(self, name: str, kind: str) -> str:
        """What becomes of a column."""
        gone = [
            told
            for role, told in self._roles.items()
            if name in [role + what for what in _BELONGING] or name in _WRITTEN.get(role, ())
        ]
        if name in _WRITTEN["author_"] and "authors" in self._columns:
            gone.append(
                "coalesce(list_has_any(list_transform(authors, lambda a: lower(a)), "
                "$logins::varchar[]), false)"
            )
        if name in _OF_OWNER and "repository_name" in self._columns:
            gone.append(_is_own("repository_name"))
        text = _as_text(name, kind)
        if name == "commits" and "actor_" in self._roles and text:
            actor = self._roles["actor_"]
            own = f"cast(nobodys_json(to_json({name})::varchar)::json as {kind})"
            return f"case when {actor} then {own} else {self._found(name, kind, text)} end"
        kept = (
            self._found(name, kind, text) if text and name not in self._logins_of() else f'"{name}"'
        )
        if not gone:
            return kept
        return f"case when {' or '.join(gone)} then null else {kept} end"

    def _logins_of(self) -> set[str]:
        """Columns that a role decides alone: a login there may be another account's by now."""
        return {f"{role}{_LOGIN}" for role in self._roles if f"{role}{_ID}" in self._columns}

    def _found(self, name: str, kind: str, text: str) -> str:
        masked = self._masked(name, kind)
        return f'case when regexp_matches({text}, $hint) then {masked} else "{name}" end'

    def _masked(self, name: str, kind: str) -> str:
        column = f'"{name}"'
        if kind == "VARCHAR":
            function = "name" if name in _NAMES else "subject" if name == "subject" else "text"
            return f"masked_{function}({column})"
        if kind == "VARCHAR[]":
            return f"masked_{'logins' if name in _LISTS_OF_LOGINS else 'texts'}({column})"
        return f"cast(masked_json(to_json({column})::varchar)::json as {kind})"

    def _texts(self, texts: list[str | None] | None) -> list[str | None] | None:
        if texts is None:
            return None
        masked = [None if text is None else self._masker.text(text) for text in texts]
        pairs = zip(texts, masked, strict=True)
        return [after for before, after in pairs if before is None or after is not None]

    def _logins(self, logins: list[str | None] | None) -> list[str | None] | None:
        """Of a list of acting accounts each keeps its place: an act of nobody."""
        if logins is None:
            return None
        return [None if one is None or self._masker.is_login(one) else one for one in logins]


def _of_nobody(text: str) -> str:
    """Commits of a push without who made them and what they say."""
    commits = json.loads(text)
    for one in commits or []:
        if isinstance(one, dict):
            one.update({key: None for key in ("author", "message") if key in one})
    return json.dumps(commits)


def _is_own(name: str) -> str:
    return (
        f"coalesce(contains({name}, '/') and "
        f"list_contains($logins::varchar[], lower(split_part({name}, '/', 1))), false)"
    )


def _as_text(name: str, kind: str) -> str | None:
    """The SQL of a column's whole text; None where it holds none."""
    if kind == "VARCHAR":
        return f'"{name}"'
    if kind == "VARCHAR[]":
        return f"array_to_string(\"{name}\", ' ')"
    if "VARCHAR" in kind:
        return f'to_json("{name}")::varchar'
    return None


def _define(
    connection: "duckdb.DuckDBPyConnection",
    name: str,
    function: Callable[[Any], Any],
    kind: str,
) -> None:
    def of_value(value: Any) -> Any:
        return None if value is None else function(value)

    import duckdb

    special: Any = "special"
    # Another file's list may be another one.
    with suppress(duckdb.InvalidInputException):
        connection.remove_function(name)
    connection.create_function(name, of_value, [kind], kind, null_handling=special)


@contextmanager
def connected() -> Iterator["duckdb.DuckDBPyConnection"]:
    """What files are read with; for many of them one, as making it takes longer than a file."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{MEMORY_MEGABYTES}MB'")
        connection.execute("set enable_external_file_cache = false")
        yield connection


def _columns(connection: "duckdb.DuckDBPyConnection", parquet: Path) -> dict[str, str]:
    described = connection.execute(
        "describe select * from read_parquet($path, hive_partitioning = false)",
        {"path": str(parquet)},
    ).fetchall()
    return {row[0]: row[1] for row in described}


def _count(connection: "duckdb.DuckDBPyConnection", parquet: Path) -> int:
    row = connection.execute(
        "select count(*) from read_parquet($path, hive_partitioning = false)",
        {"path": str(parquet)},
    ).fetchone()
    assert row is not None
    return int(row[0])


def _literal(path: Path) -> str:
    """A path as a SQL string literal (COPY takes no parameters there)."""
    return "'" + str(path).replace("'", "''") + "'"


def _compiled(lake_root: Path) -> Compiled | None:
    """The lake's list, read again only when its file is another one."""
    try:
        state = (lake_root / optout.COMPILED).stat()
    except FileNotFoundError:
        return None
    return _read(lake_root, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=4)
def _read(lake_root: Path, changed_at: int, number: int) -> Compiled | None:
    del changed_at, number
    return optout.compiled(lake_root)
