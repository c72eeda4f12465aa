"""Names in the published copy: whose are shown, and what stands for the others.

Belongs here: which columns of a mart tell an account, and their published form. Does not belong
here: making a pseudonym (orchestration.privacy.pseudonyms) and the copy (snapshot).

The names of columns decide, so that a mart that is added is covered. A repository keeps its key,
by which tables are joined; its name has its owner's login in it and is shown for organisations
only, unless the settings say otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from orchestration.privacy.masking import OWNER
from orchestration.privacy.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    import duckdb

SCHEMA = "published"
_ORGANISATIONS = "published_organisation"
# Published as pseudonyms whatever the settings say.
ACTOR_KEY = re.compile(r"(^|_)(actor_key|owner_key)$")
REPOSITORY_NAME = re.compile(r"(^|_)repository_name$")
OWNER_NAME = re.compile(r"(^|_)(owner_name|organisation_name)$")
# Identify a Hub repository by name where the Hub's id is not known.
NAMED_KEY = re.compile(r"(^|_)(repository_key|native_id)$")
_NAMED = r"^(.*:)?name:(.+)$"
# Where the warehouse says that an owner is an organisation: platform and login.
_SOURCES = {
    "dim_organisation": "select platform, login from source.core.dim_organisation",
    "dim_repository": (
        "select platform, owner_name from source.core.dim_repository "
        "where owner_type = 'organisation'"
    ),
}


@dataclass(frozen=True)
class Names:
    """How accounts appear in the copy.

    Attributes:
        shown: whose repositories keep their names.
    """

    shown: Literal["all", "organisations", "none"]
    pseudonyms: Pseudonyms


def prepare(
    connection: "duckdb.DuckDBPyConnection", tables: Sequence[str], names: Names | None
) -> None:
    """Give a connection a view `published.<mart>` of each mart as it is published.

    Args:
        connection: has the warehouse attached as `source`.
        names: None: as they are.
    """
    connection.execute(f"create schema {SCHEMA}")
    if names is not None:
        _know_organisations(connection)
    for table in tables:
        columns = _columns(connection, table)
        changed = [] if names is None else list(_changed(columns, names))
        replaced = f" replace ({', '.join(changed)})" if changed else ""
        connection.execute(
            f"create view {SCHEMA}.{table} as select *{replaced} from source.marts.{table}"
        )


def _know_organisations(connection: "duckdb.DuckDBPyConnection") -> None:
    """A table of the organisations' logins; empty where the warehouse knows none."""
    found = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'source' "
        "and schema_name = 'core' union select view_name from duckdb_views() "
        "where database_name = 'source' and schema_name = 'core'"
    ).fetchall()
    present = [sql for table, sql in _SOURCES.items() if (table,) in found]
    union = " union ".join([*present, "select null::varchar, null::varchar where false"])
    connection.execute(
        f"create table {_ORGANISATIONS} as select distinct platform, lower(login) as login "
        f"from ({union}) as known(platform, login) where login is not null"
    )


def _columns(connection: "duckdb.DuckDBPyConnection", table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"describe source.marts.{table}").fetchall()]


def _changed(columns: list[str], names: Names) -> list[str]:
    """`expression as column` of the columns that are published in another form."""
    platform = "platform" if "platform" in columns else "''"
    form = _Form(names, platform)
    changed = []
    for column in columns:
        quoted = '"' + column.replace('"', '""') + '"'
        if ACTOR_KEY.search(column):
            expression = names.pseudonyms.sql("actor", f"{quoted}::varchar")
        elif REPOSITORY_NAME.search(column):
            expression = form.repository(quoted)
        elif OWNER_NAME.search(column):
            expression = form.owner(quoted)
        elif NAMED_KEY.search(column):
            expression = form.key(quoted)
        else:
            continue
        changed.append(f"{expression} as {quoted}")
    return changed


@dataclass(frozen=True)
class _Form:
    """SQL of the published forms, for rows of one platform expression."""

    names: Names
    platform: str

    def owner(self, login: str) -> str:
        """An owner's name: itself where it is shown, else its pseudonym."""
        hidden = self._hidden_owner(login)
        return f"case when {self._is_shown(login)} then {login} else {hidden} end"

    def repository(self, name: str) -> str:
        """A repository's name: both parts or none; one without an owner has no login in it."""
        login = f"split_part({name}, '/', 1)"
        rest = self.names.pseudonyms.sql("name", f"{self.platform} || ':' || {name}")
        is_shown = self._is_shown(login)
        if self.names.shown != "none":
            is_shown = f"{is_shown} or not contains({name}, '/')"
        return (
            f"case when {name} is null or {is_shown} then {name} "
            f"else {self._hidden_owner(login)} || '/' || {rest} end"
        )

    def key(self, key: str) -> str:
        """A key, which holds the name where nothing else identifies the repository."""
        name = f"regexp_extract({key}::varchar, '{_NAMED}', 2)"
        head = f"coalesce(regexp_extract({key}::varchar, '{_NAMED}', 1), '') || 'name:'"
        is_named = f"regexp_matches({key}::varchar, '{_NAMED}')"
        return f"case when {is_named} then {head} || {self.repository(name)} else {key} end"

    def _hidden_owner(self, login: str) -> str:
        return self.names.pseudonyms.sql("owner", f"{self.platform} || ':' || lower({login})")

    def _is_shown(self, login: str) -> str:
        removed = f"{login} = '{OWNER}'"
        if self.names.shown == "all":
            return "true"
        if self.names.shown == "none":
            return removed
        known = f"(select platform, login from {_ORGANISATIONS})"
        return f"{removed} or coalesce(({self.platform}, lower({login})) in {known}, false)"
