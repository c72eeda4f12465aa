"""What is expected of the marts, as declared suites of Great Expectations.

Belongs here: rules, each with a name, a severity and a reason. Does not belong here: how they
are evaluated (expectations), and rules that dbt tests hold already: what a dbt test says of a
column stands there and not here a second time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from assets.actors.policies import POLICIES
from checks.outcome import Severity

# GitHub opened in private beta in October 2007: nothing on either platform is older.
FIRST_REPOSITORY = datetime(2007, 10, 1)
# Clocks and day boundaries.
TOLERANCE = timedelta(days=1)
HUB_TYPES = ("model", "dataset", "space")
PLATFORM_TYPES = [("github", "repository"), *(("huggingface", kind) for kind in HUB_TYPES)]


@dataclass(frozen=True)
class Rule:
    """One expectation.

    Attributes:
        name: unique in the suite; the name of the check in the UI.
        expectation: type name in Great Expectations.
        arguments: its arguments.
        why: what the rule says and why it must hold, in one line.
    """

    name: str
    expectation: str
    arguments: Mapping[str, Any]
    why: str
    severity: Severity = "error"


@dataclass(frozen=True)
class Suite:
    """The rules of one mart.

    Attributes:
        key: columns that name a row; shown of rows that fail.
        columns: what is read of the mart, `key` included.
    """

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    rules: tuple[Rule, ...] = field(default=())


def repository_activity(now: datetime) -> Suite:
    """`mart_repository_activity`: identity, times and what each platform can know."""
    return Suite(
        "mart_repository_activity",
        ("repository_key",),
        ("repository_key", "platform", "repository_type", "repository_name", "created_at",
         "last_seen_at", "gated", "actor_flow_count", "star_stock_count", "stock_observed_on"),
        (
            _rows(1, "an empty mart must not replace a full one"),
            Rule(
                "type_fits_platform",
                "expect_column_pair_values_to_be_in_set",
                {
                    "column_A": "platform",
                    "column_B": "repository_type",
                    "value_pairs_set": PLATFORM_TYPES,
                },
                "GitHub has repositories, the Hub models, datasets and spaces",
            ),
            _like(
                "repository_key_has_its_form",
                "repository_key",
                rf"^(?:github:repository:[0-9]+|huggingface:(?:{'|'.join(HUB_TYPES)}):(?s:.+))$",
                "platform:type:native id, by which other tables join",
            ),
            _like(
                "github_name_has_an_owner",
                "repository_name",
                r"^[^/\s]+/[^/\s]+$",
                "GitHub names are owner/name; the archive has a few broken ones",
                severity="warn",
                mostly=0.999,
                only="github",
            ),
            _one_of(
                "gated_accepted",
                "gated",
                ["auto", "manual", "yes", "no"],
                "the Hub's words for access on request",
            ),
            Rule(
                "github_is_not_gated",
                "expect_column_values_to_be_null",
                {"column": "gated", **_only("github")},
                "GitHub knows no access on request: a value is the Hub's, joined wrongly",
            ),
            _between(
                "created_at_plausible",
                "created_at",
                FIRST_REPOSITORY,
                now + TOLERANCE,
                "no repository is older than GitHub or made tomorrow",
                severity="warn",
            ),
            _between(
                "stock_observed_on_plausible",
                "stock_observed_on",
                FIRST_REPOSITORY,
                now + TOLERANCE,
                "nothing was observed tomorrow",
                severity="warn",
            ),
            _not_above(
                "made_before_last_seen",
                "created_at",
                "last_seen_at",
                "a repository exists before it is seen for the last time",
                severity="warn",
            ),
            _between(
                "actors_where_acts",
                "actor_flow_count",
                1,
                None,
                "a count of actors exists only where something was done, and then by someone",
            ),
            Rule(
                "hub_likes_known",
                "expect_column_values_to_not_be_null",
                {"column": "star_stock_count", "mostly": 0.5, **_only("huggingface")},
                "every form of listing carries likes: without them the comparison is hollow",
                severity="warn",
            ),
        ),
    )  # fmt: skip


def polling_estimate(now: datetime) -> Suite:
    """`mart_polling_estimate`: parts below their wholes, and an estimate where there is a slice."""
    estimate = "estimated_missed_count"
    low, high = "estimated_missed_low_count", "estimated_missed_high_count"
    parts = (
        ("asked_count", "population_count", "only what is known is asked"),
        ("slice_count", "asked_slice_count", "the slice was asked"),
        ("slice_changed_count", "slice_count", "of the slice"),
        (low, estimate, "an interval holds its estimate"),
        (estimate, high, "an interval holds its estimate"),
        (high, "unasked_count", "of those that were not asked"),
    )
    return Suite(
        "mart_polling_estimate",
        ("platform", "kind", "observed_on"),
        ("platform", "kind", "observed_on", "population_count", "asked_count",
         "asked_slice_count", "unasked_count", "slice_count", "slice_changed_count",
         "slice_changed_share", estimate, low, high, "basis"),
        (
            *(_not_above(f"{lower}_not_above_{upper}", lower, upper, why)
              for lower, upper, why in parts),
            _between(f"{low}_not_negative", low, 0, None, "counts start at 0"),
            Rule(
                "share_where_slice",
                "expect_column_values_to_not_be_null",
                {"column": "slice_changed_share", **_where("slice_count > 0")},
                "where a slice was asked, its share is known",
            ),
            *(
                Rule(
                    f"{column}_where_known",
                    "expect_column_values_to_not_be_null",
                    {"column": column, **_where('basis != "no_slice"')},
                    "what rests on something is told with its interval",
                )
                for column in (estimate, low, high)
            ),
            Rule(
                "nothing_where_no_slice",
                "expect_column_values_to_be_null",
                {"column": estimate, **_where('basis == "no_slice"')},
                "without a sample nothing is estimated",
            ),
            _between(
                "observed_on_plausible",
                "observed_on",
                FIRST_REPOSITORY,
                now + TOLERANCE,
                "nothing was observed tomorrow",
                severity="warn",
            ),
        ),
    )  # fmt: skip


def policy_sensitivity(now: datetime) -> Suite:
    """`mart_policy_sensitivity`: every figure under every policy, and its range."""
    del now
    key = ("study", "feature", "platform", "statistic")
    values = tuple(f"{policy}_value" for policy in POLICIES)
    return Suite(
        "mart_policy_sensitivity",
        (*key, "basis"),
        (*key, "basis", *values, "range_value", "range_share"),
        (
            *(_known(column) for column in key),
            Rule(
                "one_row_a_figure",
                "expect_compound_columns_to_be_unique",
                {"column_list": [*key, "basis"]},
                "the grain",
            ),
            Rule(
                "all_features_told",
                "expect_column_distinct_values_to_equal_set",
                {"column": "feature", "value_set": ["commits", "discussions", "stars"]},
                "a figure that is not known has a row as well",
            ),
            _one_of(
                "platform_accepted",
                "platform",
                ["github", "huggingface", "both"],
                "or a comparison",
            ),
            _between("range_value_not_negative", "range_value", 0, None, "largest less smallest"),
            _between("range_share_not_negative", "range_share", 0, None, "a share of a size"),
        ),
    )


def actor_class(now: datetime) -> Suite:
    """`mart_actor_class`: somebody is known, and is something."""
    del now
    return Suite(
        "mart_actor_class",
        ("platform", "actor_class", "decided_by"),
        ("platform", "actor_class", "decided_by", "actor_count"),
        (
            _rows(1, "a warehouse of which nobody is known must not replace one"),
            _one_of(
                "decided_by_accepted",
                "decided_by",
                ["rule", "model", "platform", "reviewer"],
                "nobody else",
            ),
            Rule(
                "not_all_automated",
                "expect_column_distinct_values_to_contain_set",
                {"column": "actor_class", "value_set": ["person"]},
                "where nobody is called a person, the classification is broken",
                severity="warn",
            ),
        ),
    )


def actor_evaluation(now: datetime) -> Suite:
    """`mart_actor_evaluation`: shares, each in its interval."""
    del now
    key = ("study", "set_name", "layer")
    shares = ("precision", "recall", "f1")
    ends = tuple(f"{share}_{end}" for share in shares for end in ("low", "high"))
    return Suite(
        "mart_actor_evaluation",
        key,
        (*key, "account_count", "bot_count", *shares, *ends),
        (
            *(_known(column) for column in key),
            Rule(
                "one_row_a_set_and_layer",
                "expect_compound_columns_to_be_unique",
                {"column_list": list(key)},
                "the grain",
            ),
            *(_between(f"{share}_is_share", share, 0, 1, "a share") for share in shares),
            *(
                _not_above(f"{low}_not_above_{high}", low, high, "an interval holds its figure")
                for share in shares
                for low, high in ((f"{share}_low", share), (share, f"{share}_high"))
            ),
            _not_above("bots_not_above_accounts", "bot_count", "account_count", "of the accounts"),
        ),
    )


SUITES: Mapping[str, Callable[[datetime], Suite]] = {
    "mart_repository_activity": repository_activity,
    "mart_polling_estimate": polling_estimate,
    "mart_policy_sensitivity": policy_sensitivity,
    "mart_actor_class": actor_class,
    "mart_actor_evaluation": actor_evaluation,
}


def _rows(least: int, why: str) -> Rule:
    return Rule("has_rows", "expect_table_row_count_to_be_between", {"min_value": least}, why)


def _known(column: str) -> Rule:
    return Rule(
        f"{column}_known", "expect_column_values_to_not_be_null", {"column": column}, "never null"
    )


def _one_of(name: str, column: str, values: list[str], why: str) -> Rule:
    arguments = {"column": column, "value_set": values}
    return Rule(name, "expect_column_values_to_be_in_set", arguments, why)


def _between(
    name: str, column: str, least: Any, most: Any, why: str, severity: Severity = "error"
) -> Rule:
    arguments = {"column": column, "min_value": least, "max_value": most}
    return Rule(name, "expect_column_values_to_be_between", arguments, why, severity)


def _not_above(name: str, lower: str, upper: str, why: str, severity: Severity = "error") -> Rule:
    """The value of `lower` is at most that of `upper`, where both are known."""
    arguments = {
        "column_A": upper,
        "column_B": lower,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
    }
    name_of_it = "expect_column_pair_values_a_to_be_greater_than_b"
    return Rule(name, name_of_it, arguments, why, severity)


def _like(
    name: str,
    column: str,
    regex: str,
    why: str,
    severity: Severity = "error",
    mostly: float = 1.0,
    only: str | None = None,
) -> Rule:
    arguments = {"column": column, "regex": regex, "mostly": mostly}
    arguments |= _only(only) if only else {}
    return Rule(name, "expect_column_values_to_match_regex", arguments, why, severity)


def _only(platform: str) -> dict[str, str]:
    return _where(f'platform == "{platform}"')


def _where(condition: str) -> dict[str, str]:
    """Arguments that keep a rule to the rows of a condition."""
    return {"row_condition": condition, "condition_parser": "pandas"}
