"""What every part of GitHub's state shares: a world, a moment, accounts and totals.

Belongs here: what does not change with time (`Fixtures`), and for one moment (`Moment`) the flow
until then, each repository's totals, and accounts. Does not belong here: commits
(`github_commits`), threads (`github_threads`) and repositories (`github`).
"""

import threading

import numpy as np

from twin.draws import Ints, mixed, salt_of, uniform_of
from twin.events import Events
from twin.github_flow import FlowIndex
from twin.github_records import Account
from twin.history import History
from twin.shapes import ASSOCIATIONS, Renderer
from twin.world import World

_KEPT_ACCOUNTS = 1 << 17


class Fixtures:
    """What does not depend on the moment."""

    def __init__(self, world: World, history: History) -> None:
        self.world, self.history = world, history
        self._renderer = Renderer(world, history)
        self._rendering = threading.Lock()
        self.texts, self.associations = self._renderer.texts, self._renderer.associations
        self._by_login = {login.lower(): k for k, login in enumerate(world.accounts.login)}
        self._account_order = np.argsort(world.accounts.id, kind="stable")
        # By numeric id, which is the order of the list of all repositories.
        self.repository_order = np.argsort(world.repositories.id, kind="stable")

    def event_lines(self, events: Events, now: int, gained: tuple[Ints, Ints]) -> list[bytes]:
        """The JSON of events in the newest payload shape, as the archive would write them.

        Args:
            events: what happened.
            now: when repositories are looked at for their counts.
            gained: stars and forks of the flow until then, aligned with the repositories.
        """
        is_new = np.ones(len(events), bool)
        with self._rendering:
            return self._renderer.lines(events, is_new, events.event_id, now, gained)

    def account_named(self, login: str) -> int | None:
        """Index of a login, without case; also of a passer-by's."""
        found = self._by_login.get(login.lower())
        if found is None and "-" in login:
            digits = login.rpartition("-")[2].lower()
            if digits and len(digits) <= 8 and all(c in "0123456789abcdef" for c in digits):
                guess = int(digits, 16)
                accounts = self.world.accounts
                is_theirs = accounts.is_passer_by(guess)
                if is_theirs and accounts.login_at(guess).lower() == login.lower():
                    return guess
        return found

    def account_numbered(self, number: int) -> int | None:
        """Index of an account's numeric id; also of a passer-by's."""
        accounts, order = self.world.accounts, self._account_order
        place = int(np.searchsorted(accounts.id, number, sorter=order))
        if place < len(order) and accounts.id[order[place]] == number:
            return int(order[place])
        passer_by = number - accounts.id_at(len(accounts.login)) + len(accounts.login)
        return passer_by if len(accounts.login) <= passer_by < 1 << 28 else None


class Moment:
    """GitHub's totals and accounts at `now`. Repositories and accounts are indices."""

    def __init__(self, github: Fixtures, now: int, flow: FlowIndex) -> None:
        self.github, self.now = github, now
        self.world, self.history, self.texts = github.world, github.history, github.texts
        self.flow = flow
        r, totals = self.world.repositories, self.flow.totals
        self.visible = r.is_visible(np.arange(len(r)), now)
        self.star_counts = r.star_stock + totals.stars
        self.commit_counts = r.commit_stock + totals.commits
        self.issue_counts = r.issue_count + totals.issues
        self.pull_counts = r.pull_count + totals.pulls
        # There are never fewer forks than the population has.
        inside = np.bincount(r.fork_of[self.visible & (r.fork_of >= 0)], minlength=len(r))
        self.fork_counts = np.maximum(r.fork_stock, inside) + totals.forks
        # Also the number of each repository's newest thread.
        self.thread_counts = self.issue_counts + self.pull_counts
        self.pushed_at = np.maximum(r.pushed_at, totals.last_push_at)
        self.updated_at = np.maximum(self.pushed_at, totals.last_event_at)
        self.salt = salt_of(self.world.seed, "github view")
        self._accounts: dict[int, Account] = {}

    def account(self, index: int) -> Account:
        """The record of an account or a passer-by."""
        found = self._accounts.get(index)
        if found is None:
            found = self._account(index)
            if len(self._accounts) > _KEPT_ACCOUNTS:
                self._accounts = {}
            self._accounts[index] = found
        return found

    def _account(self, index: int) -> Account:
        accounts = self.world.accounts
        login, number = accounts.login_at(index), accounts.id_at(index)
        known = not accounts.is_passer_by(index)
        hashed = int(mixed(index, self.salt, 1)[0])
        company = None
        if known and index < accounts.person_count:
            groups = self.world.memberships.organisations_at(index, self.now, public_only=True)
            if len(groups) and hashed % 2:
                company = f"@{accounts.login[int(groups[0])]}"
        return Account(
            index=index,
            id=number,
            login=login,
            name=accounts.name[index] if known else None,
            kind=accounts.kind[index] if known else "User",
            email=f"{login}@{accounts.email_domain[index]}" if known else f"{login}@mail.example",
            company=company,
            created_at=accounts.created_at_of(index),
            followers=int((1 - float(uniform_of(mixed(hashed))[0])) ** -1.3) - 1,
            is_ghost=index == accounts.ghost,
        )

    def is_organisation(self, account: int) -> bool:
        """Whether the index is an organisation's."""
        return self.world.accounts.first_organisation <= account < len(self.world.accounts.login)

    def public_members(self, organisation: int) -> Ints:
        """Members whom a stranger sees, in order of their ids."""
        found = self.world.memberships.members_at(organisation, self.now, public_only=True)
        return found[np.argsort(self.world.accounts.id[found], kind="stable")]

    def public_organisations(self, account: int) -> Ints:
        """Organisations of which a stranger sees that the account is a member."""
        found = self.world.memberships.organisations_at(account, self.now, public_only=True)
        return found[np.argsort(self.world.accounts.id[found], kind="stable")]

    def associations(self, i: int, accounts: Ints, at: Ints) -> list[str]:
        """How accounts stood to a repository at times, in the platform's words."""
        found = self.github.associations.of(accounts, np.full(len(accounts), i), at)
        return [ASSOCIATIONS[k] for k in found.tolist()]
