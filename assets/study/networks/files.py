"""Acts from any table with an actor, a repository and a time.

Belongs here: reading Parquet, CSV and JSON files through DuckDB, names to codes. Does not belong
here: figures (`measure`), what is printed (the command line).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.draw import workshop
from assets.study.files import kinds_of, quoted
from assets.study.networks.acts import Acts
from orchestration.failures import PermanentFailure

READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".tsv": "read_csv",
           ".json": "read_json_auto", ".jsonl": "read_json_auto",
           ".ndjson": "read_json_auto"}  # fmt: skip
MEMORY_MEGABYTES = 2_000
BATCH = 200_000
Names = NDArray[Any]


@dataclass(frozen=True)
class Columns:
    """What a file's columns are called."""

    actor: str = "actor"
    repository: str = "repository"
    occurred_at: str = "occurred_at"


@dataclass(frozen=True)
class Table:
    """Acts and the names behind their codes.

    Attributes:
        acts: in the order of the file's rows.
        actor_names: Arrow array of (actors,) names in the order of their codes.
        repository_names: Arrow array of (repositories,) names in the order of their codes.
        rows: rows of the file.
        skipped: rows without an actor, a repository or a time that is needed.
    """

    acts: Acts
    actor_names: Any
    repository_names: Any
    rows: int
    skipped: int

    @cached_property
    def actors(self) -> Names:
        """(actors,) names."""
        names: Names = self.actor_names.to_numpy(zero_copy_only=False)
        return names

    @cached_property
    def repositories(self) -> Names:
        """(repositories,) names."""
        names: Names = self.repository_names.to_numpy(zero_copy_only=False)
        return names


def read_acts(
    path: Path,
    columns: Columns | None = None,
    is_dated: bool = True,
    memory_megabytes: int = MEMORY_MEGABYTES,
) -> Table:
    """Acts of a Parquet, CSV or JSON file, plain or gzipped; not dated: all are of 1970.

    Times without a zone are of UTC. Nodes are the names that occur in rows that are complete.

    Raises:
        PermanentFailure: the file cannot be read, or a column is missing or holds no times.
    """
    columns = columns or Columns()
    wanted = [columns.actor, columns.repository, *([columns.occurred_at] if is_dated else [])]
    with workshop(memory_megabytes) as connection, told_of(path):
        source = source_of(path)
        missing = [name for name in wanted if name not in kinds_of(connection, source)]
        if missing:
            raise PermanentFailure(
                f"{path} lacks the columns {', '.join(missing)}.",
                f"Its columns are {', '.join(kinds_of(connection, source))}; name them with"
                " --actor, --repository and --occurred-at.",
            )
        # The order of acts, and so of codes, is that of the file's rows.
        connection.execute("SET preserve_insertion_order = true")
        actor, repository = (f"{quoted(name)}::VARCHAR" for name in wanted[:2])
        at = f"epoch_us({quoted(wanted[2])}::TIMESTAMPTZ)" if is_dated else "0::BIGINT"
        source = source_of(path, wanted[:2])
        query = f"SELECT {actor} AS actor, {repository} AS repository, {at} AS at FROM {source}"
        return table_of(connection.sql(query).to_arrow_reader(BATCH))


def table_of(batches: Iterable[Any]) -> Table:
    """Acts of Arrow batches with `actor`, `repository` and `at` (microseconds since 1970 UTC)."""
    import pyarrow as pa

    rows = 0
    at = [np.empty(0, np.int64)]
    names = {
        name: [pa.array([], pa.string()).dictionary_encode()] for name in ("actor", "repository")
    }
    for batch in batches:
        rows += batch.num_rows
        whole = batch.drop_null()
        at.append(whole["at"].to_numpy())
        for name, found in names.items():
            found.append(whole[name].dictionary_encode())
    coded = [
        pa.chunked_array(found).unify_dictionaries().combine_chunks() for found in names.values()
    ]
    actor, repository = (one.indices.to_numpy() for one in coded)
    actors, repositories = (one.dictionary for one in coded)
    instant = np.concatenate(at)
    acts = Acts(actor, repository, instant, instant, len(actors), len(repositories))
    return Table(acts, actors, repositories, rows, rows - instant.size)


def source_of(path: Path, texts: Sequence[str] = ()) -> str:
    """The file as a relation in SQL.

    Args:
        texts: columns of a CSV file that are no numbers, whatever they look like.

    Raises:
        PermanentFailure: there is none, or its kind is unknown.
    """
    if not path.is_file():
        raise PermanentFailure(f"There is no file {path}.", "Check its path.")
    kind = (path.with_suffix("") if path.suffix in (".gz", ".zst") else path).suffix.lower()
    if kind not in READERS:
        raise PermanentFailure(
            f"{path} is of no kind that is read.", f"Give a file as {', '.join(READERS)}."
        )
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in texts)
    option = f", types = {{{types}}}" if types and READERS[kind] == "read_csv" else ""
    return f"{READERS[kind]}({literal(str(path))}{option})"


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """What DuckDB says of a file as a failure that names the file."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise PermanentFailure(
            f"{path} cannot be used: {str(error).splitlines()[0]}",
            "Give a Parquet, CSV or JSON file whose times are dates or timestamps.",
        ) from error
