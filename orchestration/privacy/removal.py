"""Removing opted-out accounts from all that an installation has stored.

Belongs here: the order in which places are swept, what is remembered as swept, what has to be made
again afterwards. Does not belong here: what of a value tells an account (masking), tables of the
lake (tables), building and publishing (the assets, which ask `is_due`).

The lake is written anew file by file, each in one commit, so that a kill leaves every file old or
new and the next call goes on. Before the first one, a note says that warehouse and published copies
are to be made again: they are then made anew from nothing, because a database keeps what was
deleted in its free blocks, and incremental models keep rows under keys that are no more.
"""

import base64
import json
import os
import re
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from hmac import digest as hmac_digest
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestration.failures import TransientFailure
from orchestration.lake import Entry as Row
from orchestration.lake import Lake, Partition, write_atomically
from orchestration.privacy import optout, tables
from orchestration.privacy.masking import OWNER, Masker
from orchestration.privacy.optout import GITHUB, Account, Compiled, Entry
from orchestration.settings import Settings

BY_DAY, SNAPSHOT, PUBLISHED = "by_day", "snapshot", "published"
OF_WAREHOUSE = (BY_DAY, SNAPSHOT)
PARTS = (*OF_WAREHOUSE, PUBLISHED)
LOCK_SECONDS = 60.0
# GitHub's addresses that stand for an account; no other can be told from a name alone.
_NO_REPLY = ("{id}+{login}@users.noreply.github.com", "{login}@users.noreply.github.com")
_HASH_DIGITS = 32
_MOST_ROUNDS = 10
_FILES_AT_ONCE = 200
_CHUNK = 1 << 20
_OVERLAP = 256
Tell = Callable[[str], None]


@dataclass
class Applied:
    """What one call found and did.

    Attributes:
        account_count: accounts on the list.
        seen_file_count: files of the lake that were looked into.
        file_count: files of the lake that were written anew.
        row_count: rows that are gone; all others stay as acts of nobody.
        kept_count: entries of quarantine, journals and logs that were emptied or deleted.
        busy: journals that another process has, to be swept by the next call.
        due: what has to be made again: `by_day`, `snapshot`, `published`.
    """

    account_count: int = 0
    seen_file_count: int = 0
    file_count: int = 0
    row_count: int = 0
    kept_count: int = 0
    busy: list[str] = field(default_factory=list)
    due: list[str] = field(default_factory=list)


def apply(settings: Settings, salt: bytes, tell: Tell | None = None) -> Applied:
    """Take the accounts of the opt-out list out of everything stored; cheap where all is done.

    Args:
        salt: of e-mail addresses.
        tell: called with what is done.

    Raises:
        SettingsError: the list is not understood.
        TransientFailure: another call is under way.
    """
    entries = optout.read(settings.opt_out_path)
    if not entries and optout.compiled(settings.lake_root) is None:
        return Applied()
    with _alone(settings):
        sweep = _Sweep(settings, salt, tell or _silent)
        return sweep.run()


def enter(settings: Settings, entry: Entry) -> list[Entry]:
    """Put an account on the list; from now on nothing of it is landed.

    Returns:
        The rows of the account, as they were where it was on the list already.
    """
    with _alone(settings):
        entries = optout.read(settings.opt_out_path)
        known = [one for one in entries if _is_same(one, entry)]
        if not known:
            entries.append(entry)
            optout.write(settings.opt_out_path, entries)
        with optout.kept_still(settings.lake_root):
            optout.compile_for(settings.lake_root, entries, _learned(settings.lake_root))
    return known or [entry]


def withdraw(settings: Settings, entry: Entry) -> list[Entry]:
    """Take an account off the list; returns its rows, none where it was not on it."""
    with _alone(settings):
        entries = optout.read(settings.opt_out_path)
        account = next((one for one in optout.accounts(entries) if _is_named(one, entry)), None)
        if account is None:
            return []
        gone = [one for one in entries if _is_of(one, account)]
        kept = [one for one in entries if one not in gone]
        optout.write(settings.opt_out_path, kept)
        with optout.kept_still(settings.lake_root):
            learned = [one for one in _learned(settings.lake_root) if not _is_of(one, account)]
            optout.compile_for(settings.lake_root, kept, learned if kept else ())
    return gone


def is_due(settings: Settings, part: str) -> bool:
    """Whether a part has to be made anew because an account was taken out of the lake."""
    return part in _due(settings)


def made(settings: Settings, part: str) -> None:
    """Note that a part was made anew."""
    left = [one for one in _due(settings) if one != part]
    if left:
        write_atomically(_due_file(settings), json.dumps(left) + "\n")
    else:
        _due_file(settings).unlink(missing_ok=True)


def _due(settings: Settings) -> list[str]:
    try:
        noted = json.loads(_due_file(settings).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError:
        return list(PARTS)
    return [one for one in PARTS if one in noted]


def _due_file(settings: Settings) -> Path:
    return settings.state_dir / "privacy" / "due.json"


def _alone(settings: Settings) -> "_Alone":
    return _Alone(settings.state_dir / "privacy" / ".lock")


def _silent(text: str) -> None:
    del text


class _Alone:
    """Keeps other processes out of list and sweep."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path, timeout=LOCK_SECONDS)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise TransientFailure(
                "Another process applies the opt-out list.", "Wait for it, or stop it."
            ) from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _learned(lake_root: Path) -> Sequence[Entry]:
    known = optout.compiled(lake_root)
    return known.learned if known else ()


def _is_same(known: Entry, entry: Entry) -> bool:
    if known.platform != entry.platform:
        return False
    if entry.native_id is not None:
        return known.native_id == entry.native_id
    return (known.login or "").lower() == (entry.login or "").lower()


def _is_named(account: Account, entry: Entry) -> bool:
    if account.platform != entry.platform:
        return False
    if entry.native_id is not None:
        return account.native_id == entry.native_id
    return (entry.login or "").lower() in account.logins


def _is_of(entry: Entry, account: Account) -> bool:
    if entry.platform != account.platform:
        return False
    if entry.native_id is not None:
        return entry.native_id == account.native_id
    return (entry.login or "").lower() in account.logins


class _Sweep:
    """One call of `apply`."""

    def __init__(self, settings: Settings, salt: bytes, tell: Tell) -> None:
        self._settings, self._salt, self._tell = settings, salt, tell
        self._root = settings.lake_root
        self._lake = Lake(self._root)
        self._done = Applied()
        self._ledger = _Ledger(settings.state_dir / "privacy" / "swept.json")

    def run(self) -> Applied:
        """Bring the list up to what the lake knows, then sweep every place."""
        # What killed processes left may hold what they were taking out.
        self._lake.clean()
        found = self._resolved()
        self._done.account_count = len(found.accounts()) if found else 0
        if found is not None:
            self._ledger.begin(found.digest())
            self._sweep_lake(found)
            self._sweep_quarantine(found)
            self._sweep_checkpoints(found)
            self._sweep_journals(found)
            self._sweep_logs(found)
            self._ledger.save()
        self._done.due = _due(self._settings)
        return self._done

    # ------------------------------------------------------------ who it is

    def _resolved(self) -> Compiled | None:
        """The list with ids, names and hashes that the lake has of its accounts; written back."""
        found = None
        for _ in range(_MOST_ROUNDS):
            found = self._compile()
            if found is None:
                return None
            self._ledger.begin(found.digest())
            self._tell("looking up names")
            learned: list[Entry] = []
            with tables.connected() as connection:
                for platform, files in self._unswept_by_table():
                    learned += tables.names_in(connection, files, platform, found)
            if not (learned and optout.learn(self._root, learned)):
                return found
        return found

    def _compile(self) -> Compiled | None:
        """The lake's copy of the list as it is, with what was learned written into the list."""
        with optout.kept_still(self._root):
            entries = optout.read(self._settings.opt_out_path)
            merged = _merged(entries, _learned(self._root))
            if merged != entries:
                optout.write(self._settings.opt_out_path, merged)
            optout.compile_for(self._root, [*merged, *self._no_reply(merged)])
            return optout.compiled(self._root)

    def _no_reply(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        """The hashes of the addresses that GitHub makes from number and login."""
        for account in optout.accounts(entries):
            if account.platform != GITHUB:
                continue
            addresses = {
                form.format(id=account.native_id, login=login)
                for form in _NO_REPLY
                for login in account.logins
                if account.native_id or "{id}" not in form
            }
            hashes = tuple(sorted(address_hash(one, self._salt) for one in addresses))
            login = min(account.logins, default=None)
            yield Entry(GITHUB, account.native_id, login, date(1970, 1, 1), "", hashes)

    # ------------------------------------------------------------ the lake

    def _partitions(self) -> Iterator[Partition]:
        for folder in sorted((self._root / "raw").glob("*/*")):
            source, table = folder.parent.name, folder.name
            for day in self._lake.days(source, table):
                yield self._lake.partition(source, table, day)

    def _unswept(self) -> Iterator[tuple[Partition, Row]]:
        for partition in self._partitions():
            for entry in partition.entries():
                if entry.get("file") and not self._ledger.has(_key(partition, entry)):
                    yield partition, entry

    def _unswept_by_table(self) -> Iterator[tuple[str, list[Path]]]:
        """Files of one table, at most so many at once, with their platform."""
        by_table: dict[tuple[str, str], list[Path]] = {}
        for partition, entry in self._unswept():
            path = partition.folder / entry["file"]
            by_table.setdefault((partition.source, partition.table), []).append(path)
        for (source, _), files in by_table.items():
            if source in tables.PLATFORM_OF:
                for k in range(0, len(files), _FILES_AT_ONCE):
                    yield tables.PLATFORM_OF[source], files[k : k + _FILES_AT_ONCE]

    def _sweep_lake(self, found: Compiled) -> None:
        maskers = _Maskers(found)
        with tables.connected() as connection:
            for partition, entry in list(self._unswept()):
                if partition.source not in tables.PLATFORM_OF:
                    continue
                self._tell(f"{partition.source} {partition.table} {partition.day}")
                self._done.seen_file_count += 1
                path = partition.folder / entry["file"]
                masker = maskers.of(partition.source)
                row = _clean_row(entry, masker)
                if row != entry or tables.has_any(connection, path, masker, partition.table):
                    self._write_anew(partition, row, path)
                    entry = partition.entry(entry["name"]) or row
                partition.prune()
                self._ledger.add(_key(partition, entry))

    def _write_anew(self, partition: Partition, row: Row, path: Path) -> None:
        self._note_due()
        with self._lake.temporary(".parquet") as temporary:
            # A link is enough: what is masked is written beside it and renamed over it.
            _link_or_copy(path, temporary)
            before = row.get("row_count")
            written = partition.commit(row, temporary)
        self._done.file_count += 1
        if before is not None:
            self._done.row_count += before - written["row_count"]

    def _note_due(self) -> None:
        """Before the first file is written anew: a kill afterwards must not lose the note."""
        if _due(self._settings) != list(PARTS):
            write_atomically(_due_file(self._settings), json.dumps(PARTS) + "\n")

    # ------------------------------------------------------------ beside the lake

    def _sweep_quarantine(self, found: Compiled) -> None:
        maskers = _Maskers(found)
        for path in _files(self._root / "quarantine"):
            source = path.relative_to(self._root / "quarantine").parts[0]
            if source not in tables.PLATFORM_OF or not self._ledger.is_changed(path):
                continue
            masker = maskers.of(source)
            if path.suffix == ".jsonl":
                self._sweep_lines(path, masker)
            elif _bytes_tell(path, masker):
                path.unlink()
                self._done.kept_count += 1
            self._ledger.note(path)

    def _sweep_lines(self, path: Path, masker: Masker) -> None:
        """Bad lines keep number, reason and hash; the text of one that tells an account goes."""
        lines = path.read_text(encoding="utf-8").splitlines()
        swept = [_clean_line(line, masker) for line in lines]
        if swept != lines:
            self._done.kept_count += sum(a != b for a, b in zip(lines, swept, strict=True))
            optout.write_private(path, "\n".join(swept) + "\n")

    def _sweep_checkpoints(self, found: Compiled) -> None:
        """A listing under way that has an account in its pages is begun anew."""
        maskers = _Maskers(found)
        for folder in sorted((self._root / "checkpoints").glob("*/*")):
            if not folder.is_dir() or folder.parent.name not in tables.PLATFORM_OF:
                continue
            masker = maskers.of(folder.parent.name)
            lines = folder.glob("*.jsonl")
            with tables.connected() as connection:
                is_told = any(
                    tables.has_any(connection, part, masker, folder.name)
                    for part in folder.glob("*.parquet")
                )
            if is_told or any(
                masker.is_in(line)
                for file in lines
                for line in file.read_text(encoding="utf-8").splitlines()
            ):
                shutil.rmtree(folder, ignore_errors=True)
                self._done.kept_count += 1

    def _sweep_journals(self, found: Compiled) -> None:
        maskers = _Maskers(found)
        for path in sorted(self._settings.mining_dir.glob("*.sqlite")):
            if path.stem not in tables.PLATFORM_OF:
                continue
            lock = FileLock(path.with_name(f".{path.stem}.lock"), timeout=0)
            try:
                with lock:
                    self._done.kept_count += _sweep_journal(path, maskers.of(path.stem))
                    if path.stem == GITHUB:
                        self._forget_population(found)
            except Timeout:
                self._done.busy.append(path.stem)

    def _forget_population(self, found: Compiled) -> None:
        """What the archive's newest names were folded into is made again by the next night."""
        if self._done.file_count or self._ledger.value("population") != found.digest():
            for path in self._settings.mining_dir.glob("*population.duckdb*"):
                path.unlink()
            self._ledger.set_value("population", found.digest())

    def _sweep_logs(self, found: Compiled) -> None:
        """Previews in Dagster's event log, and what dbt printed."""
        home = self._settings.data_dir / "dagster"
        maskers = [
            Masker(found.accounts(), platform, found.secret) for platform in optout.PLATFORMS
        ]
        for path in sorted(home.rglob("*.db")):
            with closing(_opened(path)) as connection:
                self._done.kept_count += self._sweep_log(connection, path, maskers)
        texts = [*_files(home), *_files(self._settings.dbt_dir)]
        for path in texts:
            if path.suffix in _TEXTS and self._ledger.is_changed(path):
                text = path.read_text(encoding="utf-8", errors="replace")
                if any(masker.is_in(text) for masker in maskers):
                    # Made again where it is needed; nobody reads it back otherwise.
                    path.unlink()
                    self._done.kept_count += 1
                self._ledger.note(path)

    def _sweep_log(
        self, connection: sqlite3.Connection, path: Path, maskers: Sequence[Masker]
    ) -> int:
        count = 0
        for table in _tables_of(connection):
            name = f"{path.relative_to(self._settings.data_dir)}:{table}"
            # Events are only ever added; the other tables are small and change in place.
            after = int(self._ledger.value(name) or 0) if table == "event_logs" else 0
            for column in _text_columns(connection, table):
                count += _sweep_column(connection, table, column, after, maskers)
            row = connection.execute(f'select max(rowid) from "{table}"').fetchone()
            if table == "event_logs" and row and row[0] is not None:
                self._ledger.set_value(name, str(row[0]))
        connection.commit()
        if count:
            # As far as readers let it: their snapshot ends with them.
            connection.execute("pragma wal_checkpoint(truncate)")
        return count


_TEXTS = {".log", ".json", ".out", ".err", ".txt", ".sql", ".yaml"}


class _Maskers:
    """A masker for each source, made once."""

    def __init__(self, found: Compiled) -> None:
        accounts = found.accounts()
        self._by_platform = {
            platform: Masker(accounts, platform, found.secret) for platform in optout.PLATFORMS
        }

    def of(self, source: str) -> Masker:
        return self._by_platform[tables.PLATFORM_OF[source]]


class _Ledger:
    """What was swept under the present list, on disk; another list begins it anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: dict[str, Any] = {"digest": None, "files": [], "values": {}}
        self._unsaved = 0
        # Sweeping again what was swept changes nothing.
        with suppress(FileNotFoundError, ValueError, TypeError):
            self._state.update(json.loads(path.read_text(encoding="utf-8")))
        self._files = set(self._state["files"])

    def begin(self, digest: str) -> None:
        if self._state["digest"] != digest:
            self._state = {"digest": digest, "files": [], "values": {}}
            self._files = set()

    def has(self, key: str) -> bool:
        return key in self._files

    def add(self, key: str) -> None:
        self._files.add(key)
        self._unsaved += 1
        if self._unsaved >= _FILES_AT_ONCE:
            self.save()

    def value(self, name: str) -> str | None:
        found: str | None = self._state["values"].get(name)
        return found

    def set_value(self, name: str, value: str) -> None:
        self._state["values"][name] = value

    def is_changed(self, path: Path) -> bool:
        return path.exists() and not self.has(_stamp(path))

    def note(self, path: Path) -> None:
        if path.exists():
            self.add(_stamp(path))

    def save(self) -> None:
        self._state["files"] = sorted(self._files)
        write_atomically(self._path, json.dumps(self._state) + "\n")
        self._unsaved = 0


def address_hash(address: str, salt: bytes) -> str:
    """What stands for an address wherever rows are landed; the same as at unpacking."""
    return "email:" + hmac_digest(salt, address.lower().encode(), sha256).hex()[:_HASH_DIGITS]


def _merged(entries: Sequence[Entry], learned: Iterable[Entry]) -> list[Entry]:
    """The list with ids, names and hashes that were learned of the accounts that are on it."""
    merged: list[Entry] = []
    taken: list[Entry] = []
    for account in optout.accounts([*entries, *learned]):
        rows = [one for one in entries if _is_of(one, account) and one not in taken]
        if not rows:
            continue
        taken += rows
        rows = [replace(one, native_id=account.native_id) for one in rows]
        hashes = tuple(sorted(account.address_hashes))
        rows[0] = replace(rows[0], address_hashes=hashes)
        named = {(one.login or "").lower() for one in rows}
        for login in sorted(account.logins - named):
            if rows[0].login is None:
                rows[0] = replace(rows[0], login=login)
            else:
                since = rows[0].since
                rows.append(Entry(account.platform, account.native_id, login, since, "other name"))
        merged += rows
    return merged


def _key(partition: Partition, entry: Row) -> str:
    return f"{partition.source}/{partition.table}/{partition.day}/{entry['file']}"


def _stamp(path: Path) -> str:
    state = path.stat()
    return f"{path}@{state.st_mtime_ns}-{state.st_size}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _link_or_copy(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _clean_row(entry: Row, masker: Masker) -> Row:
    """A manifest's row whose reason tells no account."""
    reason = entry.get("reason")
    return {**entry, "reason": masker.text(reason)} if isinstance(reason, str) else entry


# ---------------------------------------------------------------- quarantine


def _clean_line(line: str, masker: Masker) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return json.dumps({"reason": OWNER}) if masker.has_word(line) else line
    texts = [str(row[key]) for key in ("text", "item") if row.get(key) is not None]
    texts += [json.dumps(row.get("item"), ensure_ascii=False)] if row.get("item") else []
    if row.get("base64"):
        texts.append(base64.b64decode(row["base64"]).decode("utf-8", "replace"))
    if not any(masker.is_in(text) or masker.has_word(text) for text in texts):
        return line
    kept = {key: value for key, value in row.items() if key not in ("text", "item", "base64")}
    return json.dumps({**kept, "removed": True}, ensure_ascii=False)


def _bytes_tell(path: Path, masker: Masker) -> bool:
    """Whether a file that could not be loaded has an account in it, as far as it unpacks."""
    tail = ""
    for chunk in _unpacked(path):
        text = tail + chunk.decode("utf-8", "replace")
        if masker.has_word(text):
            return True
        tail = text[-_OVERLAP:]
    return False


def _unpacked(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        head = stream.read(2)
        stream.seek(0)
        unpack = zlib.decompressobj(wbits=31) if head == b"\x1f\x8b" else None
        while data := stream.read(_CHUNK):
            if unpack is None:
                yield data
                continue
            # Some output may be left when all input is taken.
            is_more = True
            while is_more:
                try:
                    out = unpack.decompress(data, _CHUNK)
                except zlib.error:
                    return
                yield out
                data = unpack.unconsumed_tail
                is_more = bool(data) or len(out) == _CHUNK
                if unpack.eof:
                    data, unpack = unpack.unused_data, zlib.decompressobj(wbits=31)
                    is_more = bool(data)


# ---------------------------------------------------------------- journals


def _sweep_journal(path: Path, masker: Masker) -> int:
    """Take the accounts out of a journal: questions with them are asked again, without them."""
    count = 0
    with closing(_opened(path)) as connection:
        tainted = {
            (kind, subject)
            for kind, subject, body in connection.execute("select kind, subject, body from page")
            if _tells(zlib.decompress(body).decode("utf-8", "replace").split("\n"), masker)
        }
        rows = connection.execute(
            "select kind, subject, context, cursor, reason, name_now, seen from question"
        ).fetchall()
        tainted |= {(row[0], row[1]) for row in rows if _asks(row[0], row[1], row[2:], masker)}
        for kind, subject in tainted:
            for table in ("page", "question", "bad"):
                count += connection.execute(
                    f"delete from {table} where kind = ? and subject = ?", (kind, subject)
                ).rowcount
        count += _sweep_known(connection, masker)
        for (line,) in connection.execute("select distinct line from bad").fetchall():
            if _tells([line], masker):
                count += connection.execute("delete from bad where line = ?", (line,)).rowcount
        for (url,) in connection.execute("select url from etag").fetchall():
            if masker.has_word(url):
                count += connection.execute("delete from etag where url = ?", (url,)).rowcount
        connection.commit()
        if count:
            connection.execute("pragma wal_checkpoint(truncate)")
    return count


def _sweep_known(connection: sqlite3.Connection, masker: Masker) -> int:
    count = 0
    rows = connection.execute("select kind, subject, seen, name_now from known").fetchall()
    for kind, subject, *texts in rows:
        if _asks(kind, subject, (), masker):
            count += connection.execute(
                "delete from known where kind = ? and subject = ?", (kind, subject)
            ).rowcount
            continue
        swept = [None if text is None else masker.text(text) for text in texts]
        if swept != texts:
            count += connection.execute(
                "update known set seen = ?, name_now = ? where kind = ? and subject = ?",
                (*swept, kind, subject),
            ).rowcount
    return count


def _asks(kind: str, subject: str, texts: Sequence[str | None], masker: Masker) -> bool:
    """Whether a question is about an account, or has one in what it carries."""
    if masker.subject(subject) != subject:
        return True
    if kind == "organisation_members" and subject in masker.known.ids:
        return True
    return _tells([text for text in texts if text], masker)


def _tells(texts: Iterable[str], masker: Masker) -> bool:
    return any(masker.is_in(text) for text in texts)


# ---------------------------------------------------------------- logs


def _opened(path: Path) -> sqlite3.Connection:
    """A database in which what is deleted or replaced is written over."""
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS)
    connection.execute("pragma secure_delete = on")
    return connection


def _tables_of(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    return [name for (name,) in found if re.fullmatch(r"\w+", name) and "sqlite_" not in name]


def _text_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    described = connection.execute(f'pragma table_info("{table}")').fetchall()
    kinds = ("TEXT", "CHAR", "CLOB", "JSON")
    return [row[1] for row in described if any(kind in row[2].upper() for kind in kinds)]


def _sweep_column(
    connection: sqlite3.Connection, table: str, column: str, after: int, maskers: Sequence[Masker]
) -> int:
    count = 0
    connection.create_function(
        "tells", 1, lambda text: isinstance(text, str) and _tells_any(text, maskers)
    )
    rows = connection.execute(
        f'select rowid, "{column}" from "{table}" where rowid > ? and tells("{column}")', (after,)
    ).fetchall()
    for number, text in rows:
        swept = _shown(text, maskers)
        if swept != text:
            connection.execute(
                f'update "{table}" set "{column}" = ? where rowid = ?', (swept, number)
            )
            count += 1
    return count


def _tells_any(text: str, maskers: Sequence[Masker]) -> bool:
    return any(masker.is_in(text) for masker in maskers)


def _shown(text: str, maskers: Sequence[Masker]) -> str:
    """A text of a log whose readers expect texts and numbers where some were."""
    for masker in maskers:
        try:
            text = json.dumps(masker.json(json.loads(text), gone=OWNER))
        except (ValueError, RecursionError):
            text = masker.text(text) or OWNER
    return text
