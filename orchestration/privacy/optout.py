"""The opt-out list: which accounts are to be nowhere, and under which names they are known.

Belongs here: the private file, its form, the accounts that its rows are about, and the copy that
every lake keeps beside its data. Does not belong here: what is taken out (masking, tables) and
where (removal).

The file is CSV, one row for each name an account is known by::

    platform,native_id,login,address_hashes,since,note

`native_id` is the platform's number or internal id; rows with the same one are about the same
account, whatever it was called. What is found out about an account (its number, former and later
names, hashes of its addresses) is written back, because nothing else remembers it afterwards.
"""

import csv
import hashlib
import io
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path

from filelock import FileLock

from orchestration.failures import PermanentFailure, SettingsError
from orchestration.lake import PRIVATE_FILE, clear_unfinished, write_whole
from orchestration.spreadsheets import is_formula

GITHUB, HUB = "github", "huggingface"
PLATFORMS = (GITHUB, HUB)
COLUMNS = ("platform", "native_id", "login", "address_hashes", "since", "note")
# The copy of the list under a lake's root: whoever lands rows there finds it.
COMPILED = "opted_out.json"
MOST_NOTE_CHARACTERS = 500
LOCK_SECONDS = 60.0
# The platforms' own forms, wide enough for names of managed accounts and of applications.
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(\[bot\])?")
_NATIVE_ID = {GITHUB: re.compile(r"[0-9]{1,19}"), HUB: re.compile(r"[0-9a-f]{24}")}
_ADDRESS_HASH = re.compile(r"email:[0-9a-f]{32}")
# Programs that open CSV take such a cell for a formula.


@dataclass(frozen=True)
class Entry:
    """One row of the list.

    Attributes:
        native_id: the platform's number (GitHub) or internal id (Hub), if known.
        login: a name of the account, case kept; at least one of both is there.
        address_hashes: of addresses that the platform linked with the account.
        since: when the request was entered.
    """

    platform: str
    native_id: str | None
    login: str | None
    since: date
    note: str = ""
    address_hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """One opted-out account with all that is known of it.

    Attributes:
        logins: in lower case, as the platforms compare them.
    """

    platform: str
    native_id: str | None
    logins: frozenset[str]
    address_hashes: frozenset[str]


@dataclass(frozen=True)
class Compiled:
    """What a lake needs to land nothing of the opted-out accounts.

    Attributes:
        secret: keys what stands for names of their repositories.
        learned: names and hashes met while rows were landed, not yet in the list.
    """

    secret: str
    entries: tuple[Entry, ...]
    learned: tuple[Entry, ...] = field(default=())

    def accounts(self) -> list[Account]:
        """The accounts, with what was learned of them."""
        return accounts([*self.entries, *self.learned])

    def digest(self) -> str:
        """Changes with everything that decides what is taken out."""
        told = [
            [one.platform, one.native_id or "", *sorted(one.logins), *sorted(one.address_hashes)]
            for one in self.accounts()
        ]
        return hashlib.sha256(json.dumps([self.secret, *sorted(told)]).encode()).hexdigest()


def checked(platform: str, text: str, since: date, note: str = "") -> Entry:
    """A new entry from what was typed: a login, a number or internal id.

    A leading `@` says that it is a login: one of GitHub may be a number.

    Raises:
        SettingsError: it is neither.
    """
    login = text.removeprefix("@")
    is_id = platform in _NATIVE_ID and _NATIVE_ID[platform].fullmatch(text)
    entry = Entry(
        platform, text if is_id else None, None if is_id else login, since, " ".join(note.split())
    )
    problem = _problem(entry)
    if problem:
        raise SettingsError(f"The account cannot be entered: {problem}.", "Check its spelling.")
    return entry


def is_valid(entry: Entry) -> bool:
    """Whether a row can stand in the list."""
    return _problem(entry) is None


def is_login(text: str) -> bool:
    """Whether a text has the form of a login."""
    return _LOGIN.fullmatch(text) is not None


def read(path: Path) -> list[Entry]:
    """The rows of the list; none where there is no file.

    Raises:
        SettingsError: the file is no such list; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The opt-out list {path} cannot be read ({error}).", "Check privacy.opt_out."
        ) from error
    # A list that is not understood must not pass for an empty one.
    rows = csv.DictReader(io.StringIO(text))
    given = [name.strip() for name in rows.fieldnames or []]
    if not {"platform"} < set(given) <= set(COLUMNS):
        raise SettingsError(
            f"The opt-out list {path} has the columns {', '.join(given) or 'none'}.",
            f"Its first line is to be: {','.join(COLUMNS)}.",
        )
    rows.fieldnames = given
    entries = []
    for row in rows:
        try:
            entries.append(_entry(row))
        except (ValueError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"Line {rows.line_num} of the opt-out list {path} is wrong: {error}.",
                "Correct it; nothing is refreshed while the list is not understood.",
            ) from error
    return entries


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write the list, readable for its owner only, in one step."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        hashes = " ".join(one.address_hashes)
        cells = (one.platform, one.native_id or "", one.login or "", hashes, one.since, one.note)
        writer.writerow(cells)
    write_private(path, text.getvalue())


def accounts(entries: Sequence[Entry]) -> list[Account]:
    """The accounts that rows are about: those of one number are one, as are those of one login.

    A row with a login only joins the account that has this login, where one has.
    """
    found: list[Account] = []
    for one in sorted(entries, key=lambda entry: entry.native_id is None):
        mine = next((k for k, account in enumerate(found) if _is_about(one, account)), None)
        logins = frozenset({one.login.lower()} if one.login else set())
        hashes = frozenset(one.address_hashes)
        if mine is None:
            found.append(Account(one.platform, one.native_id, logins, hashes))
        else:
            known = found[mine]
            found[mine] = replace(
                known, logins=known.logins | logins, address_hashes=known.address_hashes | hashes
            )
    return found


def _is_about(entry: Entry, account: Account) -> bool:
    if entry.platform != account.platform:
        return False
    if entry.native_id is not None:
        return entry.native_id == account.native_id
    return entry.login is not None and entry.login.lower() in account.logins


def compile_for(lake_root: Path, entries: Sequence[Entry], learned: Sequence[Entry] = ()) -> None:
    """Give a lake its copy of the list; an empty list takes nothing out any more."""
    path = lake_root / COMPILED
    known = compiled(lake_root)
    if not entries and not learned:
        path.unlink(missing_ok=True)
        return
    secret = known.secret if known else secrets.token_hex(32)
    document = {
        "secret": secret,
        "entries": [asdict(one) for one in entries],
        "learned": [asdict(one) for one in learned],
    }
    write_private(path, json.dumps(document, indent=1, default=str) + "\n")


def compiled(lake_root: Path) -> Compiled | None:
    """A lake's copy of the list; None where nobody opted out.

    Raises:
        PermanentFailure: it cannot be read: landing goes no further then.
    """
    path = lake_root / COMPILED
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        entries, learned = (
            tuple(_stored(one) for one in document[part]) for part in ("entries", "learned")
        )
        return Compiled(str(document["secret"]), entries, learned)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PermanentFailure(
            f"The lake's copy of the opt-out list, {path}, cannot be read ({error}).",
            "Delete it, then call osmoscope privacy apply.",
        ) from error


def kept_still(lake_root: Path) -> FileLock:
    """A lock under which no other process changes a lake's copy of the list."""
    lake_root.mkdir(parents=True, exist_ok=True)
    return FileLock(lake_root / f".{COMPILED}.lock", timeout=LOCK_SECONDS)


def learn(lake_root: Path, found: Iterable[Entry]) -> bool:
    """Remember names and hashes of opted-out accounts that were met; whether any is new."""
    with kept_still(lake_root):
        known = compiled(lake_root)
        if known is None:
            return False
        after, digest = known, known.digest()
        for one in found:
            with_it = replace(after, learned=(*after.learned, one))
            if is_valid(one) and with_it.digest() != digest:
                after, digest = with_it, with_it.digest()
        if after is known:
            return False
        compile_for(lake_root, after.entries, after.learned)
        return True


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear_unfinished(path)
    write_whole(path, text.encode(), PRIVATE_FILE)


def _entry(row: dict[str, str]) -> Entry:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    entry = Entry(
        cells["platform"].lower(),
        cells["native_id"] or None,
        cells["login"].removeprefix("@") or None,
        date.fromisoformat(cells["since"]) if cells["since"] else date(1970, 1, 1),
        cells["note"],
        tuple(cells["address_hashes"].split()),
    )
    problem = _problem(entry)
    if None in row:
        problem = "it has more cells than there are columns"
    if problem:
        raise ValueError(problem)
    return entry


def _stored(row: dict[str, str]) -> Entry:
    return Entry(
        row["platform"],
        row["native_id"],
        row["login"],
        date.fromisoformat(row["since"]),
        row["note"],
        tuple(row["address_hashes"]),
    )


def _problem(entry: Entry) -> str | None:
    if entry.platform not in PLATFORMS:
        return f"the platform is {entry.platform!r}, not one of {', '.join(PLATFORMS)}"
    if entry.native_id is None and entry.login is None:
        return "neither native_id nor login is given"
    if entry.native_id is not None and not _NATIVE_ID[entry.platform].fullmatch(entry.native_id):
        return f"{entry.native_id!r} is no id of {entry.platform}"
    if entry.login is not None and not _LOGIN.fullmatch(entry.login):
        return f"{entry.login!r} is no login"
    if any(not _ADDRESS_HASH.fullmatch(one) for one in entry.address_hashes):
        return "address_hashes holds something that is no hash of an address"
    if len(entry.note) > MOST_NOTE_CHARACTERS or is_formula(entry.note):
        return f"the note is longer than {MOST_NOTE_CHARACTERS} characters, or begins as a formula"
    return None
