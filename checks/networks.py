"""Checks of the study's networks: identities that hold whatever the data are.

Belongs here: what must hold of the rows of the newest day. Does not belong here: how figures are
computed (assets.study.networks), and how rules are judged (figures).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from assets.study.networks.tables import (
    BLOCK,
    COMMUNITY,
    DEGREE,
    ESTIMATE,
    KEY,
    LAYOUT,
    MEASURE,
    SENSITIVITY,
    SUMMARY,
)
from checks.figures import NEAR, Rules, figures_fit, grain_is_unique, newest, rows_of
from checks.outcome import CheckOutcome, failed, first_rows, passed
from checks.warehouse import reading

NETWORK = ("platform", "network", "interaction_type")
_NETWORK = ", ".join(NETWORK)
ALL_RULES = (
    Rules(
        SUMMARY,
        KEY,
        {
            "measured or with a reason": "CASE status WHEN 'measured' THEN active_node_count > 0"
            " WHEN 'not_measurable' THEN reason IS NOT NULL ELSE false END",
            "average over all is average over connected times rate": "abs(average_degree -"
            f" average_degree_connected * connected_rate) <= {NEAR} * greatest(1, average_degree)",
            "rate is connected over nodes": "abs(connected_rate * node_count - connected_count)"
            f" <= {NEAR} * node_count",
            "average is two ends of each link": "abs(average_degree * node_count - 2 * edge_count)"
            f" <= {NEAR} * greatest(1, 2 * edge_count)",
            "connected are active, active are nodes": "connected_count <= active_node_count"
            " AND active_node_count <= node_count",
            "maximum within the nodes": "maximum_degree < greatest(connected_count, 1)"
            f" AND coalesce(average_degree_connected <= maximum_degree * (1 + {NEAR}), true)",
            "no more links than pairs": "edge_count <= connected_count * (connected_count - 1) / 2",
            "no membership without an actor": "membership_count >= active_node_count",
        },
    ),
    Rules(
        DEGREE,
        (*NETWORK, "degree"),
        {
            "shares from 0 to 1": "share_at_least > 0 AND share_at_least <= 1",
            "each degree occurs": "node_count > 0 AND degree >= 0",
        },
        may_be_empty=True,
    ),
    Rules(
        SENSITIVITY,
        (*NETWORK, "figure", "varied"),
        {
            "reference within the range": "coalesce(low_value <= reference_value, true)"
            " AND coalesce(reference_value <= high_value, true)",
            "ends are told": "(low_value IS NULL) = (low_at IS NULL)"
            " AND (high_value IS NULL) = (high_at IS NULL)",
        },
    ),
    Rules(
        MEASURE,
        (*NETWORK, "family", "measure"),
        {
            "a value or a reason": "value IS NOT NULL OR reason IS NOT NULL",
            "z from mean and deviation": "z_score IS NULL OR abs(z_score * null_deviation -"
            f" (value - null_mean)) <= {NEAR} * greatest(1, abs(value), abs(null_mean))",
            "p values above 0 and at most 1": "p_value > 0 AND p_value <= 1",
            "nothing rewired, nothing compared": "draw_count > 0 OR null_mean IS NULL",
        },
    ),
    Rules(
        COMMUNITY,
        (*NETWORK, "community"),
        {
            "two and more": "node_count > 1",
            "links within the pairs": "inner_edge_count <= node_count * (node_count - 1) / 2",
            "known are members": "known_count <= node_count",
            "share of a known organisation": "(organisation_share IS NULL) ="
            " (organisation_name IS NULL) AND coalesce(organisation_share > 0"
            f" AND organisation_share * node_count <= known_count + {NEAR}, true)",
        },
        may_be_empty=True,
    ),
    Rules(
        BLOCK,
        (*NETWORK, "first_community", "second_community"),
        {
            "larger first": "first_community <= second_community",
            "densities from 0 to 1": "density > 0 AND density <= 1 AND edge_count > 0",
        },
        may_be_empty=True,
    ),
    Rules(
        LAYOUT,
        (*NETWORK, "node"),
        {
            "within the picture": "greatest(abs(x), abs(y)) <= 1",
            "drawn nodes have links": "degree > 0",
        },
        may_be_empty=True,
    ),
    Rules(
        ESTIMATE,
        ("design", "platform", "interaction_type", "figure"),
        {
            "measured or with a reason": "CASE status"
            " WHEN 'measured' THEN coalesce(weighted_value >= 0 AND standard_error >= 0, false)"
            " WHEN 'not_measurable' THEN reason IS NOT NULL AND weighted_value IS NULL"
            " ELSE false END",
            "shares from 0 to 1": "figure NOT IN ('active_rate', 'density')"
            f" OR coalesce(weighted_value <= 1 + {NEAR}, true)",
            "interval holds its value": "(low IS NULL) = (high IS NULL)"
            f" AND coalesce(low <= weighted_value + {NEAR}"
            f" AND weighted_value <= high + {NEAR}, low IS NULL)",
            "an interval or a reason": "low IS NOT NULL OR reason IS NOT NULL",
            "sampled within the frame": "sample_count + unknown_count <= frame_count"
            f" AND estimated_count <= frame_count * (1 + {NEAR})",
        },
        may_be_empty=True,
    ),
)
RULES = {rules.table.name: rules for rules in ALL_RULES}


def degrees_add_up(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """A reference network's degrees are of all its nodes, and of two ends of each link.

    The reference is the summary's row that rests on the same input.
    """
    name = "degrees_add_up"
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"""
            WITH degrees AS (
                SELECT {_NETWORK}, input_hash, sum(node_count) AS nodes,
                    sum(degree * node_count) AS ends, max(degree) AS maximum,
                    max(share_at_least) AS at_least
                FROM {newest(rules)} GROUP BY ALL
            )
            SELECT {_NETWORK}, node_count, nodes, edge_count, ends, maximum_degree, maximum
            FROM degrees LEFT JOIN {newest(RULES[SUMMARY.name])} USING ({_NETWORK}, input_hash)
            WHERE NOT coalesce(nodes = node_count AND ends = 2 * edge_count
                AND maximum = maximum_degree AND abs(at_least - 1) <= {NEAR}, false)
            ORDER BY ALL
            """,
            study,
        )
    if rows:
        told = f"{len(rows)} distributions are not of what the summary tells"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "Degrees add up to what the summary tells")


def blocks_are_within(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Links of a pair of communities are among those that the communities have."""
    name = "blocks_are_within"
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"""
            WITH community AS (
                SELECT *, community AS first_community FROM {newest(RULES[COMMUNITY.name])}
            )
            SELECT {_NETWORK}, first_community, second_community, newest.edge_count,
                inner_edge_count, outer_edge_count
            FROM {newest(rules)} INNER JOIN community USING ({_NETWORK}, first_community)
            WHERE newest.edge_count > CASE WHEN first_community = second_community
                THEN inner_edge_count ELSE outer_edge_count END
            ORDER BY ALL
            """,
            study,
        )
    if rows:
        told = f"{len(rows)} pairs have more links than their communities"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "Blocks are within their communities")


def degrees_are_of_links(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Average degree is two ends of each link over the repositories, density the share of pairs."""
    name, keys = "degrees_are_of_links", "design, platform, interaction_type"
    of = "max(weighted_value) FILTER (figure = '{}') AS {}"
    values = ", ".join(of.format(one, one) for one in ("edge_count", "average_degree", "density"))
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"""
            WITH told AS (
                SELECT {keys}, max(estimated_count) AS size, {values},
                    bool_or(status = 'measured' AND figure = 'edge_count') AS is_told
                FROM {newest(rules)} GROUP BY ALL
            )
            SELECT * FROM told WHERE is_told AND NOT coalesce(
                abs(average_degree * size - 2 * edge_count) <= {NEAR} * greatest(1, edge_count)
                AND abs(coalesce(density, 0) * size * (size - 1) - 2 * edge_count)
                    <= {NEAR} * greatest(1, edge_count), false)
            ORDER BY ALL
            """,
            study,
        )
    if rows:
        told = f"{len(rows)} samples have degrees that are not of their links"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "Degrees and densities are of the links")


# By the names that the UI shows.
CHECKS: Mapping[str, Callable[[Path, str, Rules], CheckOutcome]] = {
    check.__name__: check
    for check in (
        grain_is_unique,
        figures_fit,
        degrees_add_up,
        blocks_are_within,
        degrees_are_of_links,
    )
}
