"""What is told of the reference networks beside their figures.

Belongs here: which measures, communities and pictures the marts keep of them. Does not belong here:
how any of them is computed (`null_models`, `bipartite`, `structure`, `communities`, `layout`).
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.acts import Mode, Window
from assets.study.networks.cells import NetworkCell
from assets.study.networks.incidence import Incidence, incidence, windowed_incidence
from assets.study.networks.layout import lay_out
from assets.study.networks.loading import CellActs, Loaded
from assets.study.networks.measure import Figures
from assets.study.networks.tables import BLOCK, COMMUNITY, LAYOUT, MEASURE

if TYPE_CHECKING:
    import duckdb

    from assets.study.networks.null_models import ZScore
    from assets.study.networks.projection import Projection
    from orchestration.settings import NetworkSettings, StudySettings

Row = dict[str, Any]
DETAILS = (MEASURE, COMMUNITY, BLOCK, LAYOUT)
# Another way of computing makes what was kept untrue.
VERSION = 1
# Communities in the picture of the blocks.
BLOCKS = 20
# Deals of organisations that their agreement with communities is held against.
PERMUTATIONS = 200
COMMUNITY_FIGURES = (
    "communities", "communities_of_two_or_more", "isolated_nodes", "runs", "modularity",
    "run_modularity_mean", "run_modularity_min", "run_modularity_max", "run_communities_mean",
    "ami_mean", "ami_min", "ami_max",
)  # fmt: skip
GB = 1_000_000_000
UNDEFINED = "not defined for this network"
NAMES = {
    "edges": "edge_count",
    "connected_rate": "connected_rate",
    "average_degree_all": "average_degree",
    "average_degree_connected": "average_degree_connected",
    "max_degree": "maximum_degree",
}
MEMBERSHIPS = """
    SELECT member.actor_key, member.login
    FROM (
        SELECT bridge.actor_key, bridge.grade, organisation.login,
            count(*) OVER (PARTITION BY bridge.organisation_key) AS members
        FROM core.bridge_actor_organisation AS bridge
        INNER JOIN core.dim_organisation AS organisation USING (organisation_key)
        WHERE bridge.platform = $platform AND bridge.ended_on IS NULL
            AND organisation.login IS NOT NULL
    ) AS member
    QUALIFY row_number() OVER (
        PARTITION BY actor_key ORDER BY grade, members DESC, login
    ) = 1
"""


def details_hash(study: "StudySettings", told: str, organisation: list[str | None]) -> str:
    """Of all that details depend on: the network's input, settings, and who belongs where."""
    asked = study.networks
    settings = (
        VERSION, study.seed, asked.null_draws, asked.most_null_memberships, asked.community_runs,
        asked.unlisted_runs, asked.most_projection_gb, asked.most_structure_edges,
        asked.layout_nodes,
    )  # fmt: skip
    return hashlib.blake2b(f"{told} {settings} {organisation}".encode(), digest_size=16).hexdigest()


def organisations(connection: "duckdb.DuckDBPyConnection", loaded: Loaded) -> list[str | None]:
    """(actors,) the organisation that each belongs to by the best evidence; None: none is known."""
    found = dict(
        row[:2] for row in connection.execute(MEMBERSHIPS, {"platform": loaded.platform}).fetchall()
    )
    return [found.get(key) for key in loaded.actor_key]


class Details:
    """The details of one reference network."""

    def __init__(
        self,
        study: "StudySettings",
        cell: NetworkCell,
        window: Window,
        found: CellActs,
        figures: Figures,
        common: Row,
        told: str,
    ) -> None:
        self._seed = study.seed
        self._asked: NetworkSettings = study.networks
        self._mode: Mode = cell.network
        self._acts = found.acts
        self._window = window
        self._figures = figures
        self._network = {
            **common, "network": cell.network, "interaction_type": cell.interaction_type,
        }  # fmt: skip
        self._told = told

    def rows(self, organisation: list[str | None]) -> dict[str, list[Row]]:
        """Rows of all tables of details.

        Args:
            organisation: (actors of the cell,)
        """
        made: dict[str, list[Row]] = {table.name: [] for table in DETAILS}
        measures = made[MEASURE.name]
        measures += self._headline()
        if not self._figures.active_nodes:
            return made
        projection, reason = self._projection()
        measures += self._structure(projection, reason)
        measures += self._expected(reason)
        if self._mode == "actor":
            self._communities(projection, organisation, made)
        return made

    @cached_property
    def _memberships(self) -> Incidence:
        """The window's; of a gap between two acts, which has none of its own, all."""
        within = windowed_incidence(self._acts, self._mode, self._window)
        return within or incidence(self._acts, self._mode)

    def _headline(self) -> Iterator[Row]:
        """Headline figures and bipartite measures, beside those of rewired networks."""
        from assets.study.networks.bipartite import bipartite, clustering, squares
        from assets.study.networks.null_models import z_scores

        plain = bipartite(self._memberships, self._seed)
        if self._figures.memberships > self._asked.most_null_memberships:
            reason = "too many memberships to rewire (networks.most_null_memberships)"
            for own, name in NAMES.items():
                yield self._measure("headline", name, getattr(self._figures, own), reason)
        else:
            for one in z_scores(
                self._acts, self._mode, self._window, self._asked.null_draws, self._seed,
                figures={"squares": squares, "clustering": clustering}, observed=self._figures,
            ):  # fmt: skip
                is_bipartite = plain.pop(one.figure, UNDEFINED) != UNDEFINED
                name = one.figure if is_bipartite else NAMES[one.figure]
                yield self._scored("bipartite" if is_bipartite else "headline", name, one)
        for name, value in plain.items():
            yield self._measure("bipartite", name, value)

    def _expected(self, reason: str | None) -> Iterator[Row]:
        """What degrees alone make one expect, and the pairs that share more than that."""
        from assets.study.networks.backbone import HUB_SIZES, backbone
        from assets.study.networks.bicm import expected, fit

        model = fit(self._memberships)
        told = expected(model)
        for own, name in NAMES.items():
            if own != "max_degree":
                yield self._measure("bicm", name, getattr(told, own))
        for sizes in HUB_SIZES:
            name = f"validated_edge_count_{sizes}_hub_sizes"
            if reason is not None:
                yield self._measure("backbone", name, None, reason)
                continue
            most_bytes = int(self._asked.most_projection_gb * GB)
            kept = backbone(self._memberships, hub_sizes=sizes, model=model, most_bytes=most_bytes)
            yield self._measure("backbone", name, kept.i.size)

    def _projection(self) -> "tuple[Projection | None, str | None]":
        """The network's edges, or why they are not listed."""
        from assets.study.networks.projection import estimated_bytes, project, project_windowed

        edges, most = self._figures.edges, self._asked.most_structure_edges
        if edges > most:
            return None, f"{edges:,} links are more than {most:,} (networks.most_structure_edges)"
        most_bytes = int(self._asked.most_projection_gb * GB)
        if estimated_bytes(edges) > most_bytes:
            return None, f"{edges:,} links do not fit (networks.most_projection_gb)"
        memberships = windowed_incidence(self._acts, self._mode, self._window)
        if memberships is not None:
            return project(memberships, "none", most_bytes), None
        return project_windowed(self._acts, self._mode, self._window, most_bytes=most_bytes), None

    def _structure(self, projection: "Projection | None", reason: str | None) -> Iterator[Row]:
        from assets.study.networks.structure import structure

        if projection is None:
            yield self._measure("structure", "edge_count", None, reason)
            return
        for name, value in structure(projection, self._seed).items():
            yield self._measure("structure", name, value)

    def _communities(
        self,
        projection: "Projection | None",
        organisation: list[str | None],
        made: dict[str, list[Row]],
    ) -> None:
        """Communities of the edges, or of the weighted projection that is never built."""
        from assets.study.networks.communities import Edges
        from assets.study.networks.community_study import (
            Request,
            communities_of_edges,
            communities_of_memberships,
        )

        runs = self._asked.community_runs
        if projection is not None:
            edges = Edges(projection.node_count, projection.i, projection.j)
            found = communities_of_edges(edges, Request(runs=runs, seed=self._seed))
        else:
            few = Request(runs=min(runs, self._asked.unlisted_runs), seed=self._seed)
            found = communities_of_memberships(self._memberships, self._figures.edges, few)
        reason = found.figures.get("note")
        for name in COMMUNITY_FIGURES:
            made[MEASURE.name].append(self._measure("community", name, found.figures[name], reason))
        made[MEASURE.name] += self._organised(found.labels, organisation)
        made[COMMUNITY.name] += self._members(projection, found.labels, organisation)
        if projection is not None:
            made[BLOCK.name] += self._blocks(projection, found.labels)
            made[LAYOUT.name] += self._layout(projection, found.labels, organisation)

    def _organised(self, community: NDArray[Any], organisation: list[str | None]) -> Iterator[Row]:
        """How far communities are organisations, beside organisations dealt at random."""
        from assets.study.networks.agreement import label_agreement

        node = np.array([at for at, login in enumerate(organisation) if login], np.int64)
        if not node.size:
            return
        label = np.unique([login for login in organisation if login], return_inverse=True)[1]
        found = label_agreement(community, node, label, PERMUTATIONS, self._seed)
        for name, one in found.items():
            yield {
                **self._measure("organisation", name, one.observed),
                "null_mean": one.mean,
                "null_deviation": one.deviation,
                "z_score": one.z,
                "p_value": one.p,
                "draw_count": PERMUTATIONS,
            }

    def _members(
        self,
        projection: "Projection | None",
        community: NDArray[Any],
        organisation: list[str | None],
    ) -> Iterator[Row]:
        """Communities of two and more; links within and between where they are listed."""
        size = np.bincount(community)
        inner: list[int | None] = [None] * size.size
        outer = inner
        if projection is not None:
            first, second = community[projection.i], community[projection.j]
            is_inner = first == second
            inner = np.bincount(first[is_inner], minlength=size.size).tolist()
            ends = np.concatenate([first[~is_inner], second[~is_inner]])
            outer = np.bincount(ends, minlength=size.size).tolist()
        member: list[list[str]] = [[] for _ in range(size.size)]
        for at, login in zip(community.tolist(), organisation, strict=True):
            if login is not None:
                member[at].append(login)
        for at in np.flatnonzero(size > 1).tolist():
            known = Counter(member[at])
            login, most = min(known.items(), key=lambda one: (-one[1], one[0]), default=(None, 0))
            yield {
                **self._network,
                "community": at,
                "node_count": int(size[at]),
                "inner_edge_count": inner[at],
                "outer_edge_count": outer[at],
                "known_count": known.total(),
                "organisation_name": login,
                "organisation_share": most / int(size[at]) if login else None,
            }

    def _blocks(self, projection: "Projection", community: NDArray[Any]) -> Iterator[Row]:
        size = np.bincount(community)
        ends = np.sort(np.stack([community[projection.i], community[projection.j]]), axis=0)
        ends = ends[:, (ends < BLOCKS).all(axis=0)]
        pairs, count = np.unique(ends, axis=1, return_counts=True)
        for first, second, edges in zip(*pairs.tolist(), count.tolist(), strict=True):
            own, other = int(size[first]), int(size[second])
            possible = own * (own - 1) // 2 if first == second else own * other
            yield {
                **self._network,
                "first_community": first,
                "second_community": second,
                "edge_count": edges,
                "density": edges / possible,
            }

    def _layout(
        self, projection: "Projection", community: NDArray[Any], organisation: list[str | None]
    ) -> Iterator[Row]:
        drawn = lay_out(
            projection.node_count, projection.i, projection.j, community,
            self._asked.layout_nodes, self._seed,
        )  # fmt: skip
        linked: list[list[str]] = [[] for _ in drawn.node]
        for high, low in zip(drawn.i.tolist(), drawn.j.tolist(), strict=True):
            linked[high].append(str(low))
        for at, node in enumerate(drawn.node.tolist()):
            yield {
                **self._network,
                "node": at,
                "x": float(drawn.position[at, 0]),
                "y": float(drawn.position[at, 1]),
                "community": int(community[node]),
                "degree": int(self._figures.degrees[node]),
                "organisation_name": organisation[node],
                "linked_to": ",".join(linked[at]),
            }

    def _measure(
        self, family: str, name: str, value: float | None, reason: str | None = None
    ) -> Row:
        return {
            **dict.fromkeys(MEASURE.column_names),
            **self._network,
            "family": family,
            "measure": name,
            "value": None if value is None else float(value),
            "draw_count": 0,
            "reason": reason or (None if value is not None else UNDEFINED),
            "input_hash": self._told,
        }

    def _scored(self, family: str, name: str, score: "ZScore") -> Row:
        return {
            **self._measure(family, name, score.observed, score.reason),
            "null_mean": score.mean,
            "null_deviation": score.deviation,
            "z_score": score.z,
            "p_value": score.p,
            "draw_count": score.draws,
        }
