"""Who acts: classes of accounts, how well they are known, and what depends on them.

Belongs here: rows of `mart_policy_sensitivity`, `mart_actor_class` and `mart_actor_evaluation` for
the page. Does not belong here: the policies themselves (`assets.actors`).
"""

from assets.actors.policies import POLICIES
from assets.publish import words
from assets.publish.parts.intensity import Reference, referred
from assets.publish.published import Bases, Published, Row
from assets.study.features import FEATURES, PLATFORM_NAMES, PLATFORMS


def policies(published: Published, bases: Bases, planted: Reference) -> list[Row]:
    """Means and effect sizes under each policy, on the bases that are shown."""
    known = {
        (row["feature"], row["platform"], row["basis"], row["statistic"]): row
        for row in published.rows(
            "SELECT * FROM mart_policy_sensitivity WHERE study = ?", [published.study]
        )
    }
    lines = []
    for feature in FEATURES:
        for platform in PLATFORMS:
            basis = bases.get((platform, feature))
            people = referred(planted, platform, feature, basis).get("people_mean")
            label = f"{words.FEATURE_LABELS[platform, feature]}: mean"
            row = known.get((feature, platform, basis, "mean"))
            lines.append(_policy_line(row, label, PLATFORM_NAMES[platform], platform, people))
        row = known.get((feature, "both", None, "cliffs_delta"))
        label = f"{words.FEATURE_TITLES[feature]}: Cliff’s δ"
        lines.append(_policy_line(row, label, "GitHub against the Hub", "both", None))
    return lines


def _policy_line(
    row: Row | None, label: str, platform: str, kind: str, people: float | None
) -> Row:
    return {
        "label": label,
        "platform": platform,
        "kind": kind,
        "values": [(row or {}).get(f"{policy}_value") for policy in POLICIES],
        "range_share": (row or {}).get("range_share"),
        "people": people,
    }


def classes(published: Published) -> list[Row]:
    """How many accounts of each class a platform has, the most first."""
    rows = published.rows(
        "SELECT platform, actor_class, sum(actor_count)::BIGINT AS actor_count,"
        " sum(acting_actor_count)::BIGINT AS acting_count,"
        " sum(actor_count) FILTER (decided_by = 'reviewer')::BIGINT AS reviewed_count,"
        " sum(uncertain_count)::BIGINT AS uncertain_count"
        " FROM mart_actor_class GROUP BY ALL ORDER BY platform, actor_count DESC, actor_class"
    )
    return [
        {
            **row,
            "label": str(row["actor_class"]).replace("_", " "),
            "platform_label": PLATFORM_NAMES.get(row["platform"], row["platform"]),
        }
        for row in rows
    ]


def evaluations(published: Published) -> list[Row]:
    """Each set of labelled accounts with the figures of every layer."""
    rows = published.rows(
        "SELECT * FROM mart_actor_evaluation WHERE study = ? ORDER BY set_name, position",
        [published.study],
    )
    names = dict.fromkeys(row["set_name"] for row in rows)
    return [
        {"name": name, "rows": (own := [row for row in rows if row["set_name"] == name]), **own[0]}
        for name in names
    ]
