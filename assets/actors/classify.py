"""Who acts: the classification of accounts by all evidence at once.

Belongs here: the order of the layers, classes, policies, and the output of a batch. Does not belong
here: the evidence of names (names), of behaviour (behaviour), of lists (lists), a trained model
(model), files (tables), and reviewers' decisions, which win over all of this (dbt).

Layers, the first that is certain decides: a curated list; the platform's own type and the suffix
`[bot]`; membership of the platform's staff. What none of them decides gets a score from name and
behaviour, by weights that the project wrote or by a model that was trained here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.actors import behaviour
from assets.actors.features import NAMES
from assets.actors.lists import Known, Lists, known_accounts
from assets.actors.names import NameEvidence, evidence_of
from assets.actors.policies import Policy
from assets.actors.vocabulary import OF_AI

if TYPE_CHECKING:
    from assets.actors.model import Model

AUTOMATED = frozenset({"bot", "ai_agent", "platform_automation"})
PERSON, STAFF = "person", "platform_staff"
CLASSES = (*sorted(AUTOMATED), PERSON, STAFF, "organisation", "unknown")

# A false removal at this score is one in twenty at most, and the precision asked for is that.
CONSERVATIVE = 0.95
# Whoever wants no automation in the data accepts to lose people: two for one at this score.
AGGRESSIVE = 0.30
BALANCED = 0.50
# Below this an account is called a person; between this and automation, nothing is said.
PERSON_BELOW = 0.20
CERTAIN, EXCLUDED = 0.999, 0.001
# The odds of automation among accounts of which nothing is known: a few in a hundred.
PRIOR = -3.5
REASON_COUNT = 4
GITHUB = "github"
_ACTS = NAMES.index("act_count")
_BOT_TYPES, _ORGANISATION_TYPES = ("bot",), ("organization", "organisation")

SCHEMA = pa.schema(
    [
        ("login", pa.string()),
        ("actor_class", pa.string()),
        ("is_bot", pa.bool_()),
        ("score", pa.float64()),
        ("reasons", pa.list_(pa.string())),
        ("decided_by", pa.string()),
        ("is_removed_by_paper", pa.bool_()),
        ("is_removed_by_conservative", pa.bool_()),
        ("is_removed_by_aggressive", pa.bool_()),
        ("is_uncertain", pa.bool_()),
    ]
)
Tabular = TypeVar("Tabular", pa.RecordBatch, pa.Table)


@dataclass(frozen=True)
class Rules:
    """What decides: lists, a trained model or none, and the policy behind `is_bot`.

    Attributes:
        policy: None is the decision at the balanced threshold.
    """

    lists: Lists
    model: "Model | None" = None
    policy: Policy | None = None

    @classmethod
    def load(cls, model: Path | None = None, policy: Policy | None = None) -> "Rules":
        """The project's lists, and the model of a file where one is named.

        Raises:
            PermanentFailure: a list or the model cannot be read.
        """
        trained = None
        if model is not None:
            from assets.actors.model import Model

            trained = Model.load(model)
        return cls(known_accounts(), trained, policy)

    def under(self, policy: Policy | None) -> "Rules":
        """The same rules under another policy."""
        return replace(self, policy=policy)


@dataclass(slots=True)
class _Decision:
    """One account on its way through the layers."""

    score: float
    is_bot: bool
    is_person: bool
    actor_class: str = ""
    is_listed: bool = False
    decided_by: str = "rule"
    reasons: list[str] = field(default_factory=list)


def classify(accounts: Tabular, rules: Rules) -> Tabular:
    """Classify a batch of accounts.

    Args:
        accounts: `login` (required, may hold nulls), optional `platform` (github by default),
            `platform_type`, `is_organisation`, `is_platform_staff` (listed as a member of the
            platform's own organisation), `is_told_staff` (called its staff by the platform; null:
            not told), and any canonical feature.
        rules: see `Rules.load`.

    Returns:
        One row an account in the order of the input, with the columns of `SCHEMA`.
    """
    logins = [login or "" for login in accounts.column("login").to_pylist()]
    platforms = _texts(accounts, "platform", GITHUB)
    features = feature_matrix(accounts)
    # All that is known of behaviour is of GitHub's many kinds of act; the Hub has four.
    features[[platform != GITHUB for platform in platforms]] = np.nan
    names = [evidence_of(login) for login in logins]
    decisions = _scored(logins, names, features, rules)
    for row, (login, platform, kind, is_organisation, is_member, is_told) in enumerate(
        zip(
            logins,
            platforms,
            _texts(accounts, "platform_type", ""),
            _flags(accounts, "is_organisation"),
            _flags(accounts, "is_platform_staff"),
            _flags(accounts, "is_told_staff"),
            strict=True,
        )
    ):
        decision = decisions[row]
        _decide(
            decision,
            names[row],
            rules.lists.get((platform, login.lower())),
            kind.lower(),
            is_organisation,
            is_member,
            is_told,
        )
        _say_what_is_missing(decision, platform, features[row, _ACTS])
    columns = _columns(accounts.column("login"), logins, decisions, rules)
    return accounts.__class__.from_arrays(columns, schema=SCHEMA)


def feature_matrix(accounts: pa.RecordBatch | pa.Table) -> NDArray[np.float64]:
    """The features of accounts, (n, len(NAMES)); NaN where a value is unknown or not finite."""
    matrix = np.full((accounts.num_rows, len(NAMES)), np.nan)
    present = set(accounts.schema.names)
    for position, name in enumerate(NAMES):
        if name in present:
            values = accounts.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
            matrix[:, position] = np.where(np.isfinite(values), values, np.nan)
    return matrix


def _scored(
    logins: Sequence[str],
    names: Sequence[NameEvidence],
    features: NDArray[np.float64],
    rules: Rules,
) -> list[_Decision]:
    """Scores and their reasons by name and behaviour alone."""
    if rules.model is not None:
        judged = rules.model.judge(logins, features)
        return [
            _Decision(score, is_bot, score < PERSON_BELOW, decided_by="model", reasons=why)
            for score, is_bot, why in zip(
                judged.scores.tolist(), judged.is_bot.tolist(), judged.reasons, strict=True
            )
        ]
    by_name = np.array([name.log_odds for name in names], dtype=np.float64)
    by_acts = behaviour.log_odds_of(features)
    scores = written_score(by_name, by_acts)
    # Where nothing is known the score is low too: a person is who something speaks for.
    persons = (by_name + by_acts < 0) & (scores < PERSON_BELOW)
    acts = behaviour.reasons_of(features)
    return [
        _Decision(score, score >= BALANCED, person, reasons=[*name.reasons, *acted][:REASON_COUNT])
        for score, person, name, acted in zip(
            scores.tolist(), persons.tolist(), names, acts, strict=True
        )
    ]


def written_score(
    by_name: NDArray[np.float64], by_behaviour: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Probability of automation by the weights that the project wrote, (n,)."""
    odds: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(PRIOR + by_name + by_behaviour)))
    return odds


def _decide(
    decision: _Decision,
    name: NameEvidence,
    known: Known | None,
    kind: str,
    is_organisation: bool,
    is_member: bool,
    is_told: bool,
) -> None:
    """Take one account through the layers: the first that is certain decides."""
    if known is not None:
        _settle(decision, known.actor_class, f"curated: {known.reason}")
        decision.is_listed = decision.is_bot
    elif is_organisation or kind in _ORGANISATION_TYPES:
        _settle(decision, "organisation", "the platform says that it is an organisation")
    elif name.is_app or kind in _BOT_TYPES:
        why = "name ends in [bot]" if name.is_app else "the platform says that it is a bot"
        _settle(decision, _kind_of_bot(name), why)
    elif is_told and decision.score < CONSERVATIVE:
        _settle(decision, STAFF, "the platform says that it is its staff", by="platform")
    elif is_member and decision.score < CONSERVATIVE:
        _settle(decision, STAFF, "a member of the platform's own organisation")
    elif decision.is_bot:
        decision.actor_class = _kind_of_bot(name)
    elif decision.is_person:
        decision.actor_class = PERSON
    else:
        decision.actor_class = "unknown"


def _say_what_is_missing(decision: _Decision, platform: str, act_count: float) -> None:
    """An account of which nothing is said, or too little, has a reason for that."""
    known = f"{act_count:,.0f} known act{'' if act_count == 1 else 's'}"
    if platform != GITHUB:
        missing = "acts on this platform are not weighed"
    elif np.isnan(act_count):
        missing = "too few acts are known"
    elif act_count >= behaviour.FULL["act_count"]:
        missing = f"neither do {known}"
    else:
        missing = f"{known} are too few to tell"
    if not decision.reasons:
        decision.reasons.append(f"no evidence: the name says nothing, {missing}")
    elif decision.actor_class == "unknown" and act_count < behaviour.FULL["act_count"]:
        decision.reasons.append(missing)


def _settle(decision: _Decision, actor_class: str, reason: str, by: str = "rule") -> None:
    decision.actor_class = actor_class
    decision.score = CERTAIN if actor_class in AUTOMATED else EXCLUDED
    decision.is_bot = actor_class in AUTOMATED
    decision.decided_by = by
    decision.reasons = [reason]


def _kind_of_bot(name: NameEvidence) -> str:
    return "ai_agent" if OF_AI.intersection(name.words) else "bot"


def _columns(
    given: pa.Array | pa.ChunkedArray,
    logins: Sequence[str],
    decisions: Sequence[_Decision],
    rules: Rules,
) -> list[pa.Array]:
    """The columns of `SCHEMA`."""
    scores = np.array([decision.score for decision in decisions], dtype=np.float64)
    removed = {
        "none": np.zeros(len(scores), dtype=bool),
        "paper": np.array(
            [
                decision.is_listed or "bot" in login.lower()
                for login, decision in zip(logins, decisions, strict=True)
            ],
            dtype=bool,
        ),
        "conservative": scores >= CONSERVATIVE,
        "aggressive": scores >= AGGRESSIVE,
    }
    balanced = np.array([decision.is_bot for decision in decisions], dtype=bool)
    is_bot = balanced if rules.policy is None else removed[rules.policy]
    values: dict[str, Any] = {
        "login": given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given,
        "actor_class": [decision.actor_class for decision in decisions],
        "is_bot": is_bot,
        "score": scores,
        "reasons": [decision.reasons for decision in decisions],
        "decided_by": [decision.decided_by for decision in decisions],
        "is_removed_by_paper": removed["paper"],
        "is_removed_by_conservative": removed["conservative"],
        "is_removed_by_aggressive": removed["aggressive"],
        "is_uncertain": removed["aggressive"] != removed["conservative"],
    }
    return [
        value.cast(field.type)
        if isinstance(value := values[field.name], pa.Array)
        else pa.array(value, field.type)
        for field in SCHEMA
    ]


def _texts(accounts: pa.RecordBatch | pa.Table, name: str, default: str) -> list[str]:
    if name not in accounts.schema.names:
        return [default] * accounts.num_rows
    return [default if value is None else str(value) for value in accounts.column(name).to_pylist()]


def _flags(accounts: pa.RecordBatch | pa.Table, name: str) -> list[bool]:
    if name not in accounts.schema.names:
        return [False] * accounts.num_rows
    return [bool(value) for value in accounts.column(name).to_pylist()]
