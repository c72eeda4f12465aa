"""Whether the ledger tells the truth about the files: nothing lost, nothing half-loaded.

Belongs here: sums of the ledger, files against their ledger rows, what the archive sent that is
not known. Does not belong here: how much of a day is there (coverage) and how old it is
(recency).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from assets.github.ingest import LOADED as ARCHIVE_LOADED
from assets.github.ingest import partition_of
from assets.github.shapes import KNOWN_TYPES
from assets.huggingface.snapshot import LOADED as HUB_LOADED
from checks.outcome import CheckOutcome, Row, Severity, failed, first_rows, listed, mined, passed
from orchestration.lake import Entry, Lake, Partition, sha256_of_file
from orchestration.parquet import asking_files

if TYPE_CHECKING:
    import duckdb

KNOWN_ERAS = frozenset({"E2", "E3"})
MOST_MALFORMED_SHARE = 0.01
MOST_UNKNOWN_SHARE = 0.01
# Below so many bad lines a large share of a small file is told, but stops nothing.
FEW_MALFORMED = 100


def archive_ledger(lake: Lake, days: Sequence[date]) -> CheckOutcome:
    """Each hour's lines are its events, duplicates and bad lines, and its file is as stated.

    Every current file is read once to hash it; rows are taken from the Parquet footer.
    """
    name = "ledger_adds_up"
    problems: list[Row] = []
    count = 0
    with _files("event_count", ARCHIVE_LOADED) as files:
        for day in days:
            partition = partition_of(lake, day)
            for entry in partition.entries():
                count += 1
                found = [*files.problems(partition, entry), *_sums(entry)]
                problems += [{"entry": entry["name"], "problem": problem} for problem in found]
    return _told(name, problems, f"{count} ledger rows and their files agree")


def snapshot_ledger(lake: Lake, source: str, table: str) -> CheckOutcome:
    """Each file of the newest observation day is there, with the rows and bytes stated."""
    name = "ledger_adds_up"
    days = lake.days(source, table)
    if not days:
        return passed(name, f"{table} were never observed")
    partition = lake.partition(source, table, days[-1])
    entries = partition.entries()
    with _files("row_count", HUB_LOADED) as files:
        problems: list[Row] = [
            {"entry": entry["name"], "problem": problem}
            for entry in entries
            for problem in files.problems(partition, entry)
        ]
    return _told(name, problems, f"{len(entries)} ledger rows of {days[-1]} and their files agree")


def archive_malformed(
    lake: Lake,
    days: Sequence[date],
    most_share: float = MOST_MALFORMED_SHARE,
    few: int = FEW_MALFORMED,
) -> CheckOutcome:
    """No hour has more than a small share of lines that could not be read."""
    rows = [
        (entry["name"], int(entry["malformed_count"]), int(entry["line_count"]))
        for day in days
        for entry in partition_of(lake, day).entries()
    ]
    return _malformed(rows, most_share, few)


def snapshot_malformed(
    lake: Lake,
    source: str,
    table: str,
    most_share: float = MOST_MALFORMED_SHARE,
    few: int = FEW_MALFORMED,
) -> CheckOutcome:
    """No file of the newest observation day has more than a small share of bad lines."""
    days = lake.days(source, table)
    if not days:
        return passed("malformed_share", f"{table} were never observed")
    rows = []
    for entry in lake.partition(source, table, days[-1]).entries():
        bad, good = entry["malformed_count"], entry["row_count"] + entry["duplicate_count"]
        rows.append((entry["name"], int(bad), int(bad + good)))
    return _malformed(rows, most_share, few)


def archive_kinds(lake: Lake, days: Sequence[date]) -> CheckOutcome:
    """Every event has a known era and a known type.

    Single events of an unknown shape are told; more than 1 % of the events mean a new era, whose
    counts would be wrong without anyone seeing it, and stop the day. The raw events stay.
    """
    name = "eras_and_types_known"
    eras = _counted(lake, days, "eras")
    types = _counted(lake, days, "types")
    unknown = {f"era {era}": count for era, count in eras.items() if era not in KNOWN_ERAS}
    unknown |= {f"type {kind}": count for kind, count in types.items() if kind not in KNOWN_TYPES}
    if not unknown:
        return passed(name, f"{len(types)} types of {listed(sorted(eras)) or 'no era'}, all known")
    rows = [{"unknown": mined(what), "events": count} for what, count in sorted(unknown.items())]
    told = f"not known: {listed([row['unknown'] for row in rows])}"
    strange = sum(count for era, count in eras.items() if era not in KNOWN_ERAS)
    is_new_era = strange > MOST_UNKNOWN_SHARE * sum(eras.values())
    severity: Severity = "error" if is_new_era else "warn"
    return failed(name, severity, told, unknown=first_rows(rows), events=sum(unknown.values()))


def archive_new_keys(lake: Lake, days: Sequence[date]) -> CheckOutcome:
    """No known type of event carries a payload key that is not known."""
    name = "payload_keys_known"
    found: dict[tuple[str, str], str] = {}
    for day in days:
        for entry in partition_of(lake, day).entries():
            for kind, new in (entry.get("new_keys") or {}).items():
                for key in new if kind in KNOWN_TYPES else []:
                    found.setdefault((kind, key), entry["name"])
    if not found:
        return passed(name, "no payload key that is not known")
    rows = [
        {"type": kind, "key": mined(key), "first_seen_in": entry}
        for (kind, key), entry in sorted(found.items())
    ]
    names = [f"{row['type']}.{row['key']}" for row in rows]
    told = f"new payload keys: {listed(names)}"
    return failed(name, "warn", told, new_keys=first_rows(rows))


def _sums(entry: Entry) -> Iterator[str]:
    """What does not add up in a ledger row of the archive."""
    parts = [entry[f"{part}_count"] for part in ("event", "duplicate", "malformed")]
    if entry["line_count"] != sum(parts):
        names = "events, duplicates and bad lines"
        yield f"{entry['line_count']} lines are not the sum of {names} ({sum(parts)})"
    for what in ("types", "eras"):
        total = sum((entry.get(what) or {}).values())
        if total != entry["event_count"]:
            yield f"events by {what} are {total}, not {entry['event_count']}"


@dataclass(frozen=True)
class _Files:
    """Files against their ledger rows.

    Attributes:
        rows: the ledger's name for the rows of a file.
        loaded: the states that have a file.
    """

    connection: "duckdb.DuckDBPyConnection"
    rows: str
    loaded: frozenset[str]

    def problems(self, partition: Partition, entry: Entry) -> Iterator[str]:
        """What is wrong with the file of a ledger row."""
        state, file = entry["state"], entry.get("file")
        if state not in self.loaded:
            if file or entry[self.rows]:
                yield f"the state is {state}, and yet there are rows or a file"
            return
        if not file:
            yield f"the state is {state}, and there is no file"
            return
        path = partition.folder / str(file)
        if not path.is_file():
            yield "the file is missing"
        elif sha256_of_file(path) != entry["content_hash"]:
            yield "the file has not the hash of the ledger"
        else:
            count = self._count(path)
            if count != entry[self.rows]:
                yield f"the file has {count} rows, the ledger says {entry[self.rows]}"

    def _count(self, path: Path) -> int | str:
        """Rows by the footer; a word where it is no Parquet."""
        import duckdb

        try:
            found = self.connection.execute(
                "select num_rows from parquet_file_metadata($path)", {"path": str(path)}
            ).fetchone()
        except duckdb.Error:
            return "unreadable"
        return int(found[0]) if found else 0


@contextmanager
def _files(rows: str, loaded: frozenset[str]) -> Iterator[_Files]:
    with asking_files() as connection:
        yield _Files(connection, rows, loaded)


def _malformed(rows: Sequence[tuple[str, int, int]], most_share: float, few: int) -> CheckOutcome:
    """Judge (entry, bad lines, lines)."""
    name = "malformed_share"
    lines, bad = sum(row[2] for row in rows), sum(row[1] for row in rows)
    totals = {"lines": lines, "malformed_lines": bad}
    above = [row for row in rows if row[1] > row[2] * most_share]
    if not above:
        return passed(name, f"{bad} of {lines} lines could not be read", **totals)
    table = [
        {"entry": entry, "malformed": count, "lines": all_lines, "share": count / max(all_lines, 1)}
        for entry, count, all_lines in above
    ]
    told = f"more than {most_share:.0%} of lines unreadable in {listed([row[0] for row in above])}"
    severity: Severity = "error" if any(row[1] > few for row in above) else "warn"
    return CheckOutcome(name, False, severity, told, {**totals, "entries": first_rows(table)})


def _counted(lake: Lake, days: Sequence[date], what: str) -> dict[str, int]:
    """Events by era or type over days, as the ledger says."""
    counts: dict[str, int] = {}
    for day in days:
        for entry in partition_of(lake, day).entries():
            for key, count in (entry.get(what) or {}).items():
                counts[key] = counts.get(key, 0) + int(count)
    return counts


def _told(name: str, problems: list[Row], fine: str) -> CheckOutcome:
    if not problems:
        return passed(name, fine)
    first = problems[0]
    told = f"{len(problems)} problems, the first: {first['entry']}: {first['problem']}"
    return failed(name, "error", told, problems=first_rows(problems))
