"""Who works with whom: the study's networks beside the paper's, by chance, and in communities.

Belongs here: rows of the marts of networks for the page. Does not belong here: the pictures
(`assets.publish.network_pictures`) and the wording of cells (`network_words`).
"""

from collections.abc import Mapping, Sequence

from assets.publish import network_words, words
from assets.publish.published import Published, Row
from assets.study.features import PLATFORM_NAMES, PLATFORMS

# How claims of the paper's table 3 are named.
CLAIM_NETWORKS = {"repository": "repository", "actor": "developer"}
CLAIM_TYPES = {"commit": "commits", "discussion": "discussions"}
CLAIM_FIGURES = {
    "connected_rate": "connected",
    "average_degree": "degree",
    "average_degree_connected": "connected_degree",
    "maximum_degree": "maximum_degree",
}
# Whose communities the paper has.
CLAIMED = "huggingface"
COMMUNITY_COLUMNS = {
    "count": "communities_of_two_or_more",
    "runs": "runs",
    "modularity": "modularity",
    "ami": "ami_mean",
    "least_ami": "ami_min",
}
# The family and the measure that is nearest to what the paper averages.
ORGANISED = ("organisation", "mean_dominance_share_of_two_or_more")
MOST_COMMUNITIES = 10
SENSITIVITY_FIGURE = "connected_rate"


def networks(published: Published, has_paper: bool) -> Row:
    """All that the page tells of networks; empty lists where nothing is known."""
    measures = published.newest_if_any("mart_network_measure")
    cells = published.newest_if_any("mart_network_summary")
    summary = [row for row in cells if row["is_reference"]]
    known = {_name(row): row for row in summary}
    claimed = _claimed(published) if has_paper else {}
    headline = [row for row in measures if row["family"] == "headline"]
    return {
        "made": _made(known),
        "figures": [title for title, _ in network_words.FIGURES.values()],
        "lines": _lines(known, claimed),
        "limits": _limits(summary),
        "sensitivity": _sensitivity(published.newest_if_any("mart_network_sensitivity")),
        "scores": _scores(headline),
        "draws": max((row["draw_count"] for row in headline), default=0),
        "score_limits": _limits(headline),
        "agreements": _agreements(measures, claimed),
        "communities": _communities(published.newest_if_any("mart_network_community")),
    }


def _name(row: Row) -> tuple[str, str, str]:
    return row["platform"], row["network"], row["interaction_type"]


def _ordered() -> list[tuple[str, str, str]]:
    """Names of all networks as the paper's table has them, both types together last."""
    return [
        (platform, network, told)
        for network in network_words.NETWORKS
        for told in network_words.TYPES
        for platform in PLATFORMS
    ]


def _made(known: Mapping[tuple[str, str, str], Row]) -> Row | None:
    """How the references are made, in words; they differ in their windows alone."""
    of = {name[1]: row for name, row in known.items()}
    if not of:
        return None
    return {
        "cell": network_words.cell_told(next(iter(of.values()))),
        "when": {network: network_words.link_told(row) for network, row in of.items()},
    }


def _titled(name: tuple[str, str, str]) -> Row:
    platform, network, told = name
    return {
        "kind": platform,
        "label": network_words.title(network, told, platform),
        "platform": PLATFORM_NAMES[platform],
    }


def _claimed(published: Published) -> dict[str, float]:
    """The paper's values by claim."""
    return {
        row["claim"]: row["paper_value"]
        for row in published.newest_if_any("mart_study_rerun")
        if row["paper_value"] is not None
    }


def _lines(known: Mapping[tuple[str, str, str], Row], claimed: Mapping[str, float]) -> list[Row]:
    lines = []
    for name in _ordered():
        row = known.get(name)
        if row is None:
            continue
        is_measured = row["status"] == "measured"
        lines.append(
            {
                **row,
                **_titled(name),
                "reason": None if is_measured else row["reason"],
                "edge_count": row["edge_count"] if is_measured else None,
                "values": [
                    {
                        "name": title,
                        "value": words.measured(row[figure], unit)
                        if is_measured
                        else words.UNKNOWN,
                        "paper": _paper(claimed, name, figure, unit),
                    }
                    for figure, (title, unit) in network_words.FIGURES.items()
                ],
            }
        )
    return lines


def _paper(
    claimed: Mapping[str, float], name: tuple[str, str, str], figure: str, unit: str
) -> str | None:
    platform, network, told = name
    parts = (CLAIM_NETWORKS[network], "network", CLAIM_TYPES.get(told, told), platform)
    value = claimed.get("_".join((*parts, CLAIM_FIGURES[figure])))
    return None if value is None else words.measured(value, unit)


def _limits(rows: Sequence[Row]) -> list[str]:
    """What limits the reading, each once."""
    return list(dict.fromkeys(words.one_line(row["reason"], 300) for row in rows if row["reason"]))


def _sensitivity(rows: Sequence[Row]) -> Row:
    """Of one figure, how far it moves with each thing that is varied, network by network."""
    own = [row for row in rows if row["figure"] == SENSITIVITY_FIGURE]
    varied = [name for name in network_words.VARIED if any(row["varied"] == name for row in own)]
    known = {(*_name(row), row["varied"]): row for row in own}
    return {
        "varied": [network_words.VARIED[name] for name in varied],
        "lines": [
            {
                **_titled(name),
                "value": row["reference_value"],
                "ranges": [_range(known.get((*name, one))) for one in varied],
            }
            for name in _ordered()
            if (row := next((row for row in own if _name(row) == name), None))
        ],
    }


def _range(row: Row | None) -> Row:
    """Both ends of a range with what makes them, or why there is none."""
    ends: list[tuple[str, str]] = [] if row is None else network_words.range_ends(row)
    none = words.UNKNOWN if row is None else network_words.no_range(row)
    return {"ends": ends, "none": none}


def _scores(rows: Sequence[Row]) -> list[Row]:
    """Each headline figure beside rewired networks'."""
    known = {(*_name(row), row["measure"]): row for row in rows}
    return [
        {
            **_titled(name),
            "values": [
                _score(title, unit, known.get((*name, figure)))
                for figure, (title, unit) in network_words.FIGURES.items()
            ],
        }
        for name in _ordered()
        if any(_name(row) == name and row["null_mean"] is not None for row in rows)
    ]


def _score(title: str, unit: str, row: Row | None) -> Row:
    row = row or dict.fromkeys(("value", "null_mean", "z_score"))
    return {
        "name": title,
        "value": words.measured(row["value"], unit),
        "mean": words.measured(row["null_mean"], unit),
        "score": network_words.score(row["z_score"]),
    }


def _agreements(rows: Sequence[Row], claimed: Mapping[str, float]) -> list[Row]:
    """How clear the communities of each network are, and how far they are organisations."""
    known = {(*_name(row), row["family"], row["measure"]): row for row in rows}
    found = []
    for name in _ordered():
        own = [row for row in rows if row["family"] == "community" and _name(row) == name]
        if not own:
            continue
        value = {row["measure"]: row["value"] for row in own}
        platform, _, told = name
        organised = known.get((*name, *ORGANISED))
        paper = claimed.get(f"communities_{CLAIM_TYPES.get(told)}") if platform == CLAIMED else None
        found.append(
            {
                **_titled(name),
                **{column: value.get(measure) for column, measure in COMMUNITY_COLUMNS.items()},
                "organised": _score("", "share", organised) if organised else None,
                "paper": None if paper is None else words.share(paper),
                "reason": next((row["reason"] for row in own if row["reason"]), None),
            }
        )
    return found


def _communities(rows: Sequence[Row]) -> list[Row]:
    """The largest communities of each network of one type."""
    ordered = sorted(rows, key=lambda row: int(row["community"]))
    tables = []
    for name in _ordered():
        own = [row for row in ordered if _name(row) == name]
        if own and name[2] in CLAIM_TYPES:
            tables.append({**_titled(name), "total": len(own), "rows": own[:MOST_COMMUNITIES]})
    return tables
