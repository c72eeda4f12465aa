"""What is asked of the Hub tonight, and why.

Belongs here: who is asked about (from the listings, and from what earlier nights answered), what of
the listing says that something moved. Does not belong here: tiers and rotation
(assets.mining.tiers), how a question is asked (readers), and the order of a night (histories).

The most liked repositories of each type are the population of histories. Commits are asked for
again when `lastModified` has moved; discussions also by rank and rotation, as `lastModified` does
not move when one is opened and nothing in the listing tells their number. What was refused is
left alone until its date, unless a flag of the listing that refuses it has moved.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from assets.github.landing import literal
from assets.huggingface import readers
from assets.huggingface.normalise import COMMITS, DISCUSSIONS, LIKERS, MEMBERS
from assets.mining import tiers
from assets.mining.questions import (
    ALWAYS,
    CHANGED,
    NEW,
    RECHECK,
    RENAMED,
    TRUNCATED,
    Known,
    Question,
)
from assets.mining.tiers import Candidate
from orchestration.privacy.masking import OWNER

# More of a listing than this share, and this many, do not vanish in a night: it was cut short.
MOST_VANISHED_SHARE, FEW_VANISHED = 0.2, 200
# No question rotates that the listing tells all about.
_WITHOUT_SLICE = (NEW, CHANGED, RECHECK)


@dataclass(frozen=True)
class Listed:
    """A repository of tonight's listing that histories are about.

    Attributes:
        rank: by likes among all types, 0 is the most liked.
        kind: `model`, `dataset` or `space`.
        was_modified_at: `lastModified` in the listing before; None where it was not there.
    """

    rank: int
    id: str | None
    kind: str
    name: str
    owner: str | None
    like_count: int | None
    gated: str | None
    is_disabled: bool | None
    modified_at: str | None
    was_modified_at: str | None

    @property
    def subject(self) -> str:
        """The key of questions about it."""
        return f"{self.kind}/{self.name}"

    @property
    def context(self) -> dict[str, Any]:
        """What every question about it carries."""
        return {
            "repository_id": self.id,
            "repository_type": self.kind,
            "repository_name": self.name,
        }

    @property
    def commits_marker(self) -> dict[str, Any]:
        """What of the listing says whether commits can be others."""
        return {
            "modified": self.modified_at,
            "gated": self.gated,
            "disabled": self.is_disabled,
            "id": self.id,
        }


@dataclass(frozen=True)
class Listings:
    """Tonight's listing and the one before, by type of repository.

    Attributes:
        now, before: Parquet files.
        whole: types of which both listings have all there is.
    """

    connection: duckdb.DuckDBPyConnection
    now: Mapping[str, list[Path]]
    before: Mapping[str, list[Path]]
    whole: frozenset[str] = frozenset()

    def population(self, limit: int) -> list[Listed]:
        """The most liked repositories of each type, at most `limit` of one type."""
        found: list[tuple[Any, ...]] = []
        for kind, files in self.now.items():
            found += self.connection.execute(
                f"""
                with listed as (
                    select * from {_files(files)}
                    where
                        repository_name is not null and not starts_with(repository_name, '{OWNER}')
                        and not coalesce(is_private, false)
                    qualify row_number() over (
                        partition by repository_name
                        order by like_count desc nulls last, repository_id
                    ) = 1
                    order by like_count desc nulls last, repository_name
                    limit {limit}
                ),
                earlier as (
                    select repository_id, repository_name, max(last_modified_at) as modified_at
                    from {_files(self.before.get(kind, []))} group by all
                )
                select
                    listed.repository_id, listed.repository_type, listed.repository_name,
                    owner_name, like_count, gated, is_disabled, last_modified_at::varchar,
                    earlier.modified_at::varchar
                from listed
                left join earlier
                    on listed.repository_name = earlier.repository_name
                    and listed.repository_id is not distinct from earlier.repository_id
                """
            ).fetchall()
        found.sort(key=lambda row: (-(row[4] or 0), row[1], row[2]))
        return [Listed(rank, *row) for rank, row in enumerate(found)]

    def vanished(self, tell: Callable[[str], None]) -> list[Question]:
        """What the listing before had and tonight's has not, under its name.

        Each is asked about once: what comes back is listed again.
        """
        questions: list[Question] = []
        for kind, files in self.before.items():
            if not files or not self.now.get(kind) or kind not in self.whole:
                continue
            rows = self._vanished(files, self.now[kind])
            ((total,),) = self.connection.execute(
                f"select count(*) from {_files(files)}"
            ).fetchall()
            if len(rows) > max(FEW_VANISHED, total * MOST_VANISHED_SHARE):
                tell(f"{len(rows)} of {total} are not listed any more; not asked why")
                continue
            questions += [_presence(kind, *row) for row in rows]
        return questions

    def _vanished(self, before: list[Path], now: list[Path]) -> list[tuple[Any, ...]]:
        """Id, name, the id's name now, and whether the name is another's now."""
        return self.connection.execute(
            f"""
            with
                before as (
                    select distinct repository_id, repository_name from {_files(before)}
                    where not starts_with(repository_name, '{OWNER}')
                ),
                now as (
                    select distinct repository_id, repository_name from {_files(now)}
                    where repository_name is not null
                ),
                ids as (
                    select repository_id, min(repository_name) as name_now from now
                    where repository_id is not null group by all
                ),
                names as (
                    select repository_name, any_value(repository_id) as id_now from now
                    group by all
                )
            select
                before.repository_id, before.repository_name, ids.name_now,
                names.repository_name is not null
            from before
            left join ids using (repository_id)
            left join names on before.repository_name = names.repository_name
            where
                names.repository_name is null
                or (before.repository_id <> names.id_now)
            order by before.repository_name, before.repository_id
            """
        ).fetchall()


def _presence(
    kind: str, repository_id: str | None, name: str, name_now: str | None, is_taken: bool
) -> Question:
    context = {
        "repository_id": repository_id, "repository_type": kind, "repository_name": name,
        "name_now": name_now, "is_taken": is_taken,
    }  # fmt: skip
    # By id: a name can be given up twice.
    subject = f"{kind}/{name}" + (f"@{repository_id}" if repository_id else "")
    return Question(readers.PRESENCE, subject, ALWAYS, context)


def _files(paths: list[Path]) -> str:
    if not paths:
        columns = ("repository_id", "repository_name", "last_modified_at")
        return f"(select {', '.join(f'null as {name}' for name in columns)} where false)"
    return f"read_parquet([{', '.join(map(literal, paths))}], union_by_name = true)"


@dataclass(frozen=True)
class Nightly:
    """What the settings say about a night's choice; see `HuggingFaceSettings`."""

    day: date
    top: int
    rotation_nights: int
    liker_limit: int
    account_nights: int
    seed: int = 0

    def commits(
        self,
        population: Iterable[Listed],
        known: Mapping[str, Known],
        granted: frozenset[str] = frozenset(),
    ) -> list[Question]:
        """Whose commits can be new, or were never asked for.

        Args:
            granted: subjects to which access was given.
        """
        listed = {one.subject: one for one in population}
        candidates = []
        for subject, one in listed.items():
            before = known.get(subject)
            seen = (before.seen if before else None) or {}
            marker = one.commits_marker
            flags = ("gated", "disabled", "id")
            is_given = before is not None and before.outcome == "refused" and subject in granted
            is_reopened = is_given or any(seen.get(flag) != marker[flag] for flag in flags)
            has_moved = seen != marker or _is_open(before)
            candidates.append(Candidate(subject, one.rank, has_moved, is_reopened))
        chosen = self._told(candidates, known)
        return [
            Question(
                COMMITS, subject, tier,
                {**listed[subject].context, "marker": listed[subject].commits_marker},
            )
            for subject, tier in chosen
        ]  # fmt: skip

    def discussions(
        self, population: Iterable[Listed], known: Mapping[str, Known]
    ) -> list[Question]:
        """Whose discussions are listed tonight."""
        listed = {one.subject: one for one in population}
        candidates = [
            Candidate(
                subject,
                one.rank,
                one.modified_at != one.was_modified_at or _is_open(known.get(subject)),
                is_reopened=one.was_modified_at is None,
            )
            for subject, one in listed.items()
        ]
        chosen = tiers.choose(
            candidates, known, self.day, top=self.top, rotation_nights=self.rotation_nights,
            seed=self.seed,
        )  # fmt: skip
        return [
            Question(DISCUSSIONS, subject, tier, listed[subject].context)
            for subject, tier in chosen
        ]

    def details(
        self, shown: Iterable[dict[str, Any]], known: Mapping[str, Known]
    ) -> list[Question]:
        """The discussions of which the listing shows another state than at the last look.

        Args:
            shown: rows of the night's table of discussions, as journalled.
        """
        found: dict[str, dict[str, Any]] = {}
        for row in shown:
            number = row["discussion"].get("num")
            if isinstance(number, int) and not isinstance(number, bool):
                found[f"{row['repo_type']}/{row['repo_id']}#{number}"] = {
                    "repository_type": row["repo_type"],
                    "repository_name": row["repo_id"],
                    "number": number,
                    "marker": readers.marker_of(row["discussion"]),
                }
        candidates = []
        for subject, context in found.items():
            before = known.get(subject)
            has_moved = before is not None and before.seen != context["marker"]
            candidates.append(Candidate(subject, 0, has_moved, has_moved))
        return [
            Question(readers.DISCUSSION, subject, tier, found[subject])
            for subject, tier in self._told(candidates, known)
        ]

    def likers(self, population: Iterable[Listed], known: Mapping[str, Known]) -> list[Question]:
        """Who likes the most liked, where the number of likes is another."""
        listed = {
            one.subject: one for one in population if one.rank < self.liker_limit and one.like_count
        }
        candidates = []
        for subject, one in listed.items():
            seen = known[subject].seen if subject in known else None
            has_moved = seen != {"likes": one.like_count}
            candidates.append(Candidate(subject, one.rank, has_moved))
        return [
            Question(
                LIKERS, subject, tier,
                {**listed[subject].context, "marker": {"likes": listed[subject].like_count}},
            )
            for subject, tier in self._told(candidates, known)
        ]  # fmt: skip

    def accounts(
        self,
        population: Iterable[Listed],
        known: Mapping[str, Known],
        types: Mapping[str, str],
    ) -> list[Question]:
        """Owners whose overview is due.

        Args:
            types: what is known of owners: `user` or `organisation`.
        """
        owners = dict.fromkeys(one.owner for one in population if one.owner)
        return [
            Question(readers.ACCOUNT, login, tier, {"login": login, "as": types.get(login)})
            for login, tier in self._in_turn(owners, known)
        ]

    def members(self, organisations: Iterable[str], known: Mapping[str, Known]) -> list[Question]:
        """Organisations whose members are due."""
        return [
            Question(MEMBERS, login, tier, {"login": login})
            for login, tier in self._in_turn(organisations, known)
        ]

    def _in_turn(self, logins: Iterable[str], known: Mapping[str, Known]) -> list[tuple[str, str]]:
        candidates = [
            Candidate(login, 0, _is_open(known.get(login))) for login in sorted(set(logins))
        ]
        return tiers.choose(
            candidates, known, self.day, top=0, rotation_nights=self.account_nights, seed=self.seed
        )

    def _told(
        self, candidates: Iterable[Candidate], known: Mapping[str, Known]
    ) -> list[tuple[str, str]]:
        """Those of which the listing itself tells that there is something to ask for."""
        chosen = tiers.choose(
            candidates, known, self.day, top=0, rotation_nights=self.rotation_nights,
            seed=self.seed,
        )  # fmt: skip
        return [one for one in chosen if one[1] in _WITHOUT_SLICE]


def owner_types(shown: Iterable[dict[str, Any]], known: Mapping[str, Known]) -> dict[str, str]:
    """Login to `user` or `organisation`, from earlier overviews and from tonight's discussions."""
    words = {"org": "organisation", "user": "user"}
    found: dict[str, str] = {}
    for row in shown:
        owner = row["discussion"].get("repoOwner")
        if isinstance(owner, dict) and owner.get("type") in words:
            found[str(owner.get("name"))] = words[owner["type"]]
    for login, before in known.items():
        if before.seen and before.seen.get("type"):
            found[login] = before.seen["type"]
    return found


def _is_open(before: Known | None) -> bool:
    """Whether the last answer was one that shall be had again soon."""
    return before is not None and before.outcome in (TRUNCATED, RENAMED)
