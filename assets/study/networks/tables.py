"""The marts of networks: grain, columns and documentation.

Belongs here: what the tables look like. Does not belong here: what fills them (`grid`, `details`).

A cell is one way to make a network: nodes, type of interaction, whose acts count, which
repositories, and when two acts link. Rows carry its names, the study, the day and the platform.
"""

from assets.study.marts import STUDY_AND_DAY, Column
from assets.study.tables import StudyTable

CELL: tuple[Column, ...] = (
    *STUDY_AND_DAY,
    ("platform", "VARCHAR NOT NULL", "github or huggingface."),
    ("network", "VARCHAR NOT NULL", "What is linked: repository, or actor (developers)."),
    (
        "interaction_type",
        "VARCHAR NOT NULL",
        "commit; discussion (issues and discussions, with comments); or both.",
    ),
    ("bot_policy", "VARCHAR NOT NULL", "Whose acts are left out; none leaves out nobody's."),
    ("staff", "VARCHAR NOT NULL", "in, or out: without acts of the platform's own staff."),
    (
        "unit",
        "VARCHAR NOT NULL",
        "repository, or family: models of one owner and one declared lineage are one.",
    ),
    ("rank_name", "VARCHAR NOT NULL", "By what the repositories were cut, as in study.top_cut."),
    ("top_count", "BIGINT NOT NULL", "Repositories that the cut may have."),
    (
        "semantics",
        "VARCHAR NOT NULL",
        "pairwise_gap: acts at most the window apart link; trailing: acts within the window before"
        " the end of the data; calendar: acts in the same period; none: all acts.",
    ),
    ("time_window", "VARCHAR NOT NULL", "Width of the window, as 365d; inf: none."),
)
KEY = tuple(name for name, _, _ in CELL[2:])
NETWORK = CELL[:5]
HASH: Column = ("input_hash", "VARCHAR NOT NULL", "Of all that the row was computed of.")
SUMMARY = StudyTable(
    "marts.mart_network_summary",
    "One row per study, day, platform and cell: nodes, links and degrees of a network, exact.",
    (
        *CELL,
        (
            "is_reference",
            "BOOLEAN NOT NULL",
            "Whether headlines are of this cell; the others differ from it in one thing.",
        ),
        (
            "node_count",
            "BIGINT NOT NULL",
            "Repositories (families) of the cut, with or without an act; or actors with an act.",
        ),
        ("active_node_count", "BIGINT NOT NULL", "Nodes with at least one act in the window."),
        ("membership_count", "BIGINT NOT NULL", "Pairs of an actor and a repository with an act."),
        ("connected_count", "BIGINT NOT NULL", "Nodes with at least one link."),
        ("edge_count", "BIGINT NOT NULL", "Links: pairs of nodes."),
        ("connected_rate", "DOUBLE", "Share (0-1) of nodes with at least one link."),
        ("average_degree", "DOUBLE", "Links of a node, over all nodes."),
        ("average_degree_connected", "DOUBLE", "Links of a node, over nodes with any."),
        ("maximum_degree", "BIGINT NOT NULL", "Links of the node that has most."),
        ("status", "VARCHAR NOT NULL", "measured, or not_measurable."),
        ("reason", "VARCHAR", "Why not measurable, or what limits the reading."),
        HASH,
    ),
)
DEGREE = StudyTable(
    "marts.mart_network_degree",
    "One row per study, day, platform, reference network and degree that occurs.",
    (
        *NETWORK,
        ("degree", "BIGINT NOT NULL", "Links of a node."),
        ("node_count", "BIGINT NOT NULL", "Nodes with exactly so many."),
        ("share_at_least", "DOUBLE NOT NULL", "Share (0-1) of all nodes with so many or more."),
        HASH,
    ),
)
SENSITIVITY = StudyTable(
    "marts.mart_network_sensitivity",
    "One row per study, day, platform, reference network, figure and dimension that is varied:"
    " how far the figure moves.",
    (
        *NETWORK,
        ("figure", "VARCHAR NOT NULL", "A column of mart_network_summary."),
        ("varied", "VARCHAR NOT NULL", "The column of the cell in which the others differ."),
        ("reference_value", "DOUBLE", "In the reference cell."),
        ("low_value", "DOUBLE", "Smallest, the reference included."),
        ("low_at", "VARCHAR", "Where that is."),
        ("high_value", "DOUBLE", "Largest, the reference included."),
        ("high_at", "VARCHAR", "Where that is."),
        ("cell_count", "BIGINT NOT NULL", "Cells compared, with the reference."),
    ),
)
MEASURE = StudyTable(
    "marts.mart_network_measure",
    "One row per study, day, platform, reference network and measure, with its place among networks"
    " rewired at random.",
    (
        *NETWORK,
        (
            "family",
            "VARCHAR NOT NULL",
            "headline, bipartite, bicm, backbone, structure, community or organisation.",
        ),
        ("measure", "VARCHAR NOT NULL", "Its name; docs/networks.md defines it."),
        ("value", "DOUBLE", "Of this network; null: not measurable."),
        ("null_mean", "DOUBLE", "Mean over rewired networks; null: none were made of it."),
        ("null_deviation", "DOUBLE", "Standard deviation over rewired networks."),
        ("z_score", "DOUBLE", "(value - null_mean) / null_deviation; null: does not vary."),
        ("p_value", "DOUBLE", "Two-sided, of the ranks, never 0."),
        ("draw_count", "BIGINT NOT NULL", "Rewired networks."),
        ("reason", "VARCHAR", "Why not measurable, or what limits the reading."),
        HASH,
    ),
)
COMMUNITY = StudyTable(
    "marts.mart_network_community",
    "One row per study, day, platform, reference network of actors and community of the consensus.",
    (
        *NETWORK,
        ("community", "BIGINT NOT NULL", "Number, from 0, the largest first."),
        ("node_count", "BIGINT NOT NULL", "Actors."),
        (
            "inner_edge_count",
            "BIGINT",
            "Links between them; null: not listed, too many.",
        ),
        ("outer_edge_count", "BIGINT", "Links to other communities; null: not listed."),
        ("known_count", "BIGINT NOT NULL", "Actors of whom an organisation is known."),
        ("organisation_name", "VARCHAR", "The organisation that most of them belong to."),
        ("organisation_share", "DOUBLE", "Its share (0-1) of all of the community's actors."),
    ),
)
BLOCK = StudyTable(
    "marts.mart_network_block",
    "One row per study, day, platform, reference network of actors and pair of its largest"
    " communities with links between them.",
    (
        *NETWORK,
        ("first_community", "BIGINT NOT NULL", "The larger, or the same."),
        ("second_community", "BIGINT NOT NULL", "The smaller."),
        ("edge_count", "BIGINT NOT NULL", "Links between actors of both."),
        ("density", "DOUBLE NOT NULL", "Of the pairs of actors, the share (0-1) that is linked."),
    ),
)
LAYOUT = StudyTable(
    "marts.mart_network_layout",
    "One row per study, day, platform, reference network of actors and drawn node of its largest"
    " communities. Nodes are numbers: nobody is named.",
    (
        *NETWORK,
        ("node", "BIGINT NOT NULL", "Number within the picture."),
        ("x", "DOUBLE NOT NULL", "Position, -1 to 1."),
        ("y", "DOUBLE NOT NULL", "Position, -1 to 1."),
        ("community", "BIGINT NOT NULL", "As in mart_network_community."),
        ("degree", "BIGINT NOT NULL", "Links in the whole network."),
        ("organisation_name", "VARCHAR", "Organisation; null: none is known."),
        ("linked_to", "VARCHAR NOT NULL", "Nodes of smaller number it is linked to, by commas."),
    ),
)
ESTIMATE = StudyTable(
    "marts.mart_network_estimate",
    "One row per study, day, design, platform, type of interaction and figure: what a sample says"
    " of the network of all repositories of the frame.",
    (
        *STUDY_AND_DAY,
        ("design", "VARCHAR NOT NULL", "Allocation of the sample."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("interaction_type", "VARCHAR NOT NULL", "commit, discussion or both."),
        ("bot_policy", "VARCHAR NOT NULL", "Whose acts are left out, as in the reference."),
        ("staff", "VARCHAR NOT NULL", "in, or out: without acts of the platform's own staff."),
        ("semantics", "VARCHAR NOT NULL", "When two acts link, as in the reference."),
        ("time_window", "VARCHAR NOT NULL", "Width of the window, as 365d; inf: none."),
        (
            "figure",
            "VARCHAR NOT NULL",
            "membership_count (pairs of an actor and a repository), actors_per_repository,"
            " active_rate (share of repositories with an act); edge_count (linked pairs of"
            " repositories), average_degree (links of a repository), density (share of pairs that"
            " is linked); and, never measurable, what is no sum.",
        ),
        ("weighted_value", "DOUBLE", "Estimate for all repositories of the frame that belong."),
        ("standard_error", "DOUBLE", "Of it, under the design; 0: a census."),
        ("low", "DOUBLE", "Lower end of its interval of 95 %; null: none holds."),
        ("high", "DOUBLE", "Upper end."),
        ("method", "VARCHAR", "How the interval was made: wilson or census."),
        ("sample_count", "BIGINT NOT NULL", "Repositories of the sample whose acts are known."),
        ("unknown_count", "BIGINT NOT NULL", "Repositories of the sample whose acts are not."),
        ("frame_count", "BIGINT NOT NULL", "Repositories of the frame."),
        ("estimated_count", "DOUBLE NOT NULL", "Of these, estimated to belong."),
        ("status", "VARCHAR NOT NULL", "measured or not_measurable."),
        ("reason", "VARCHAR", "Why not measurable or without interval, or what limits it."),
    ),
)
ALL_TABLES = (SUMMARY, DEGREE, SENSITIVITY, MEASURE, COMMUNITY, BLOCK, LAYOUT, ESTIMATE)
