"""The class of every account of the warehouse, for those whose evidence or rules changed.

Belongs here: taking evidence to `assets.actors.classify` in batches, and what tells that a class
has to be found again. Does not belong here: the evidence (int_actors__described), the rules
(assets.actors), reviewers' decisions (dim_actor), and how dbt stores what comes of it.
"""

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa

from assets.actors import classify, lists

# Holds the path of a model that was trained here; none, and the rules decide alone.
MODEL_VARIABLE = "OSMOSCOPE_ACTOR_MODEL"
BATCH_ROWS = 50_000
# Beside what the rules say: who it is about, and what it was made of.
SCHEMA = pa.schema(
    [
        ("actor_key", pa.string()),
        ("evidence_digest", pa.string()),
        ("rules_digest", pa.string()),
        *((field.name, field.type) for field in classify.SCHEMA if field.name != "login"),
    ]
)


def model_path() -> Path | None:
    """The trained model that this installation uses, if there is one."""
    named = os.environ.get(MODEL_VARIABLE, "")
    return Path(named) if named and Path(named).is_file() else None


def _digest_of(files: Iterable[Path]) -> str:
    digest = sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + sha256(path.read_bytes()).digest())
    return digest.hexdigest()


# Of the code as it was loaded, whatever becomes of its files meanwhile.
CODE = _digest_of(sorted(Path(classify.__file__).parent.glob("*.py")))


def rules_digest(model: Path | None) -> str:
    """A hash of the rules' code and lists, and of the model: another one classifies all again."""
    data = [lists.SEEDS / lists.AUTOMATION, *([model] if model else [])]
    return sha256(f"{CODE} {_digest_of(data)}".encode()).hexdigest()


def classified(
    described: duckdb.DuckDBPyRelation, known: str | None, connection: duckdb.DuckDBPyConnection
) -> pa.RecordBatchReader:
    """Classify accounts as their evidence is read.

    Args:
        described: one row an account: `actor_key`, `evidence_digest` and the columns that
            `assets.actors.classify` takes.
        known: the table of an earlier result, whose rows are not made again where neither evidence
            nor rules changed; none where there is none.
        connection: the one that both belong to.

    Returns:
        Batches of `SCHEMA`, made as they are read.
    """
    model = model_path()
    digest = rules_digest(model)
    changed = described
    if known is not None:
        changed = connection.sql(
            f"""
            select described.* from described
            anti join (select * from {known} where rules_digest = '{digest}') as known
                on described.actor_key = known.actor_key
                and described.evidence_digest = known.evidence_digest
            """
        )
    reader = changed.to_arrow_reader(BATCH_ROWS)
    rules = classify.Rules.load(model)
    return pa.RecordBatchReader.from_batches(SCHEMA, _batches(reader, rules, digest))


def _batches(
    reader: pa.RecordBatchReader, rules: classify.Rules, digest: str
) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        told = classify.classify(batch, rules)
        columns = [
            batch.column("actor_key"),
            batch.column("evidence_digest"),
            pa.array([digest] * batch.num_rows, pa.string()),
            *(told.column(name) for name in SCHEMA.names[3:]),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
