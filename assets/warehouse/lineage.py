"""Column lineage of the dbt models, worked out once for each state of the project.

Belongs here: keeping what dagster-dbt found, and when it is still true. Does not belong here:
finding it (dagster-dbt, by parsing the SQL of each model).

Parsing costs seconds a night and gives the same every night, as long as nobody changes a model,
a macro or a source.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlglot.optimizer.qualify import qualify

from orchestration.lake import write_atomically

FILE_NAME = "lineage.json"
# Model to column to the columns that it is made of, each as asset key and name.
Columns = dict[str, list[tuple[list[str], str]]]
Kept = dict[str, Columns]


def project_digest(manifest: Mapping[str, Any]) -> str:
    """A hash of everything in a dbt manifest that a model's lineage depends on."""
    parts = [
        *((name, node["checksum"]["checksum"]) for name, node in manifest["nodes"].items()),
        *((name, macro["macro_sql"]) for name, macro in manifest["macros"].items()),
        *((name, source["relation_name"]) for name, source in manifest["sources"].items()),
    ]
    return sha256(json.dumps(sorted(parts)).encode()).hexdigest()


class LineageStore:
    """Lineage by model, of one state of the project.

    Attributes:
        known: the models whose lineage need not be worked out. Models in Python have none: what
            they do with a column cannot be read from SQL.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._path = folder / FILE_NAME
        self._digest = project_digest(manifest)
        in_python: Kept = {
            name: {} for name, node in manifest["nodes"].items() if node.get("language") == "python"
        }
        self.known: Kept = in_python | self._read()

    def _read(self) -> Kept:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(kept["models"]) if kept["digest"] == self._digest else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def learn(self, found: Kept) -> None:
        """Keep the lineage of some models, for other nights."""
        if found:
            self.known.update(found)
            kept = {"digest": self._digest, "models": self.known}
            write_atomically(self._path, json.dumps(kept, sort_keys=True))


@contextmanager
def looked_at_once() -> Iterator[None]:
    """While it lasts, dagster-dbt looks at models economically.

    It parses a model once and not once for each column (sqlglot gives the lineage of all columns
    for little more than that of one), does not cut the text of each step down to its column (which
    nobody reads, and which costs more than all the rest), qualifies columns in place of optimising
    the whole query (the lineage is the same), and works in the calling thread: with a pool, as it
    is, the caller asks without pause whether the pool is done, and takes the processor from it.
    """
    library: Any = import_module("dagster_dbt.core.dbt_cli_event")
    iterator: Any = import_module("dagster_dbt.core.dbt_event_iterator")
    one_column, in_pool, optimise = library.lineage, iterator.imap, library.optimize

    @lru_cache(maxsize=1)
    def all_columns(sql: str, dialect: str, schema: "_Same") -> Mapping[str, Any]:
        found: Mapping[str, Any] = one_column(
            None, sql, schema.value, dialect=dialect, trim_selects=False
        )
        return found

    def lineage(column: str, sql: str, schema: Any, dialect: str) -> Any:
        return all_columns(sql, dialect, _Same(schema))[column]

    def in_this_thread(executor: Any, iterable: Iterable[Any], func: Any) -> Iterator[Any]:  # noqa: ARG001
        return map(func, iterable)

    library.lineage, iterator.imap = lineage, in_this_thread
    library.optimize = partial(optimise, rules=(qualify,))
    try:
        yield
    finally:
        library.lineage, iterator.imap, library.optimize = one_column, in_pool, optimise


class _Same:
    """A value that is equal to itself only, so that it can be a key."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)
