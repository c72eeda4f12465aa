"""Taking opted-out accounts out of single values: texts, names and JSON.

Belongs here: what of a value tells an account, and what stands in its place. Does not belong here:
tables and files (tables), and which accounts there are (optout).

A name of one of their repositories becomes `~removed/~<16 hex digits>`, keyed by a secret of the
installation: repositories stay apart, and nothing tells that two of them had the same owner. `~`
is in no name of either platform.

In a text an account is found where it is addressed: as the whole text, as `@login`, as the owner
in `login/name`, in addresses of both platforms, as a JSON string, as a hash of an address. A login
that can be no word (it has a digit, `-`, `_` or `.`) is found wherever it stands alone; one of
letters only is left in running prose, where it cannot be told from the word.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from orchestration.privacy.optout import GITHUB, PLATFORMS, Account

OWNER = "~removed"
# Keys of an object that say who somebody is, once another of its keys tells that it is they.
PERSONAL_KEYS = (
    *("id", "_id", "node_id", "native_id", "login", "user", "name", "fullname", "full_name"),
    *("email", "address_hash", "account_id", "actor_key", "avatar_url", "gravatar_id", "url"),
    *("html_url", "avatarurl"),
)
_NAMING_KEYS = ("login", "user", "name")
# Prefixes of keys under which an object tells of several accounts.
_ROLES = (
    *("actor_", "author_", "committer_", "owner_", "member_", "thread_author_", "organisation_"),
    *("user_", "account_"),
)
_WRITTEN_KEYS = ("title", "body", "message")
_HOSTS = r"(?:github(?:usercontent)?\.com|huggingface\.co|hf\.co)"
_SECTIONS = r"(?:(?:repos|datasets|spaces|users|orgs|models|api|settings)/)*"
_NAME = r"[A-Za-z0-9._-]+"
_BEFORE, _AFTER = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"
_SUBJECT = re.compile(r"(model|dataset|space)/([^/]+)/(.+?)((?:[#@].*)?)", re.DOTALL)
_NOWHERE = re.compile(r"(?!)")


@dataclass(frozen=True)
class Known:
    """What is known of the opted-out accounts of one platform.

    Attributes:
        ids: native ids.
        logins: all logins, in lower case.
        open_logins: those of accounts whose native id is not known.
        hashes: of addresses, of either platform: git knows no platform.
    """

    ids: frozenset[str]
    logins: frozenset[str]
    open_logins: frozenset[str]
    hashes: frozenset[str]


class Masker:
    """Takes the opted-out accounts out of values of one platform.

    Args:
        platform: the one that values are from; an equal login of the other is another account.
        secret: keys the pseudonyms of names.
    """

    def __init__(self, accounts: Sequence[Account], platform: str, secret: str) -> None:
        self._accounts = accounts
        self._platform = platform
        self._key = hashlib.blake2b(secret.encode(), person=b"optout").digest()
        mine = [one for one in accounts if one.platform == platform]
        self.known = Known(
            frozenset(one.native_id for one in mine if one.native_id),
            frozenset(login for one in mine for login in one.logins),
            frozenset(login for one in mine if one.native_id is None for login in one.logins),
            frozenset(found for one in accounts for found in one.address_hashes),
        )

    @cached_property
    def hint(self) -> str:
        """An RE2 pattern that every text with an account in it matches; most texts do not."""
        return "(?i)" + "|".join(map(re.escape, self._words))

    @cached_property
    def _words(self) -> list[str]:
        """What a text with an account in it has one of, in lower case."""
        words = {login for one in self._accounts for login in one.logins} | self.known.hashes
        words |= {f"{one.platform}:actor:{one.native_id}" for one in self._accounts}
        return sorted(words)

    def _may_tell(self, text: str) -> bool:
        # Faster than any pattern, as nearly every text has nothing.
        lowered = text.lower()
        return any(word in lowered for word in self._words)

    def is_login(self, text: str) -> bool:
        """Whether a text is a login of an opted-out account."""
        return text.lower() in self.known.logins

    def is_own(self, name: str) -> bool:
        """Whether a repository of this name belongs to an opted-out account."""
        owner, slash, _ = name.partition("/")
        return bool(slash) and self.is_login(owner)

    def name(self, name: str) -> str | None:
        """What stands for a repository's name; a login alone is nothing."""
        owner, slash, rest = name.partition("/")
        if self.is_login(owner):
            return self._pseudonym(self._platform, owner, rest) if slash else None
        return self.text(name)

    def subject(self, text: str) -> str | None:
        """What stands for the subject of a question: `model/owner/name#3`, or an account."""
        found = _SUBJECT.fullmatch(text)
        if found and self.is_login(found[2]):
            pseudonym = self._pseudonym(self._platform, found[2], found[3])
            return f"{found[1]}/{pseudonym}{found[4]}"
        return self.text(text)

    def text(self, text: str) -> str | None:
        """A text without the accounts; None where it names nothing else."""
        if not self._may_tell(text):
            return text
        if self.is_login(text) or text in self.known.hashes:
            return None
        if text[:1] in ("{", "[") and text[-1:] in ("}", "]"):
            return self._json_text(text)
        return self._prose(text)

    def is_in(self, text: str) -> bool:
        """Whether a text tells an opted-out account."""
        return self.text(text) != text

    def has_word(self, text: str) -> bool:
        """Whether a login stands anywhere on its own, as in addresses of any host."""
        return self._word.search(text) is not None

    @cached_property
    def _word(self) -> re.Pattern[str]:
        words = self.known.logins | self.known.hashes
        if not words:
            return _NOWHERE
        return re.compile(f"{_BEFORE}(?:{_alternatives(words)}){_AFTER}", re.IGNORECASE)

    def _json_text(self, text: str) -> str:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self._prose(text)
        masked = self.json(value)
        # Written anew only where something was in it: the same content keeps its bytes.
        return text if masked == value else json.dumps(masked, ensure_ascii=False)

    def _prose(self, text: str) -> str:
        text = self._hashes.sub(OWNER, text)
        text = self._keys.sub(OWNER, text)
        for platform, (addresses, names, mentions) in self._places.items():
            text = addresses.sub(partial(self._address, platform), text)
            text = names.sub(partial(self._owned, platform), text)
            text = mentions.sub(OWNER, text)
        return text

    @cached_property
    def _hashes(self) -> re.Pattern[str]:
        """Hashes of addresses, with the name before `<`, and a domain that was kept."""
        if not self.known.hashes:
            return _NOWHERE
        listed = _alternatives(self.known.hashes)
        return re.compile(rf'(?:[^\s<>"\\:][^\n<>"\\:]{{0,120}}<)?(?:{listed})(?: [a-z0-9.-]+)?>?')

    @cached_property
    def _keys(self) -> re.Pattern[str]:
        """Keys of accounts as the warehouse has them."""
        keys = {
            f"{one.platform}:actor:{value}"
            for one in self._accounts
            for value in (one.native_id, *one.logins)
            if value
        }
        if not keys:
            return _NOWHERE
        return re.compile(rf"(?:{_alternatives(keys)}){_AFTER}", re.IGNORECASE)

    @cached_property
    def _places(self) -> dict[str, tuple[re.Pattern[str], ...]]:
        """By platform: web addresses, names of repositories, mentions.

        Of the other platform only what its own web addresses say: names are not unique over both.
        """
        found: dict[str, tuple[re.Pattern[str], ...]] = {}
        for platform in PLATFORMS:
            logins = {
                login for one in self._accounts if one.platform == platform for login in one.logins
            }
            if not logins:
                continue
            listed = _alternatives(logins)
            host = (
                r"github(?:usercontent)?\.com" if platform == GITHUB else r"(?:huggingface|hf)\.co"
            )
            address = rf"({host}/{_SECTIONS})({listed})(?:/({_NAME}))?{_AFTER}"
            name = rf"(?<![A-Za-z0-9_./~-])({listed})/({_NAME})"
            mention = rf"(?<![A-Za-z0-9_-])@(?:{listed}){_AFTER}|(?<=\")(?:{listed})(?=\")"
            words = {login for login in logins if re.search(r"[0-9._-]", login)}
            if words:
                mention += rf"|{_BEFORE}(?:{_alternatives(words)}){_AFTER}"
            is_mine = platform == self._platform
            found[platform] = (
                re.compile(address, re.IGNORECASE),
                re.compile(name, re.IGNORECASE) if is_mine else _NOWHERE,
                re.compile(mention, re.IGNORECASE) if is_mine else _NOWHERE,
            )
        return found

    def _address(self, platform: str, match: "re.Match[str]") -> str:
        if match[3] is None:
            return f"{match[1]}{OWNER}"
        return match[1] + self._pseudonym(platform, match[2], match[3])

    def _owned(self, platform: str, match: "re.Match[str]") -> str:
        return self._pseudonym(platform, match[1], match[2])

    def _pseudonym(self, platform: str, owner: str, name: str) -> str:
        # GitHub's names are the same in upper and lower case, the Hub's are not.
        rest = name.lower() if platform == GITHUB else name
        told = f"{platform}:{owner.lower()}/{rest}".encode()
        return f"{OWNER}/~{hashlib.blake2b(told, digest_size=8, key=self._key).hexdigest()}"

    # ------------------------------------------------------------ JSON

    def json(self, value: Any, gone: Any = None) -> Any:
        """Plain JSON values without the accounts.

        Args:
            gone: what stands where nothing is left; a reader may not take null, nor a text for
                a number (0 then).
        """
        if isinstance(value, str):
            text = self.text(value)
            return gone if text is None else text
        if isinstance(value, list):
            is_told = any(isinstance(one, str) and self.is_login(one) for one in value)
            return [
                _nothing(one, gone)
                if is_told and isinstance(one, int) and str(one) in self.known.ids
                else self.json(one, gone)
                for one in value
            ]
        if not isinstance(value, dict):
            return value
        masked = {key: self.json(inner, gone) for key, inner in value.items()}
        for role in self._roles_told(value):
            for key in PERSONAL_KEYS:
                if masked.get(role + key) is not None:
                    masked[role + key] = _nothing(value[role + key], gone)
        if any(self._is_told(value.get(key)) for key in ("author", "user")):
            masked.update({key: gone for key in _WRITTEN_KEYS if isinstance(value.get(key), str)})
        return masked

    def _is_told(self, value: Any) -> bool:
        return isinstance(value, dict) and "" in self._roles_told(value)

    def _roles_told(self, value: Mapping[str, Any]) -> set[str]:
        """Prefixes of the keys with which an object tells of an opted-out account."""
        found = set()
        for key, inner in value.items():
            if isinstance(inner, str) and inner in self.known.hashes:
                found.add(next((role for role in _ROLES if key.startswith(role)), ""))
            elif isinstance(inner, str) and self.is_login(inner):
                found |= {key.removesuffix(end) for end in _NAMING_KEYS if key.endswith(end)}
            elif isinstance(inner, int | str) and str(inner) in self.known.ids:
                found |= {role for role in _ROLES if key == f"{role}id"}
        return found


def _nothing(value: Any, gone: Any) -> Any:
    return 0 if gone is not None and isinstance(value, int | float) else gone


def _alternatives(words: Iterable[str]) -> str:
    """The longest first: a login may begin as another one."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
