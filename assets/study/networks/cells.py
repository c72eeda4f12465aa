"""Cells of the study's networks: in which ways each network is made.

Belongs here: what a cell is, and which cells a configuration asks for. Does not belong here: the
acts of a cell (`loading`) and what is computed of them (`grid`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from assets.study.networks.acts import DAY, MODES, Mode, Semantics, Window

if TYPE_CHECKING:
    from orchestration.settings import StudySettings

TYPES = ("commit", "discussion", "both")
UNBOUNDED = "inf"


@dataclass(frozen=True)
class NetworkCell:
    """One way to make a network of a platform; `tables.CELL` documents the names.

    Attributes:
        network: what its nodes are.
        time_window: as 365d; `inf` where there is none.
    """

    network: Mode
    interaction_type: str
    bot_policy: str
    staff: str
    unit: str
    rank_name: str
    top_count: int
    semantics: Semantics
    time_window: str

    def row(self) -> dict[str, str | int]:
        """Its columns."""
        return dict(vars(self))

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "NetworkCell":
        """The cell of a row that has its columns."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def told(self) -> str:
        """Its values in words, without what the network is."""
        return " · ".join(str(value) for value in list(self.row().values())[2:])

    def window_to(self, end: int) -> Window:
        """Its window, where the data end (microseconds since 1970-01-01 UTC)."""
        if self.time_window == UNBOUNDED:
            return Window("none", None)
        width = int(self.time_window.removesuffix("d")) * DAY
        return Window(self.semantics, width, end if self.semantics == "trailing" else None)

    def varied(self, reference: "NetworkCell") -> str | None:
        """In what it differs from the reference of its network and type; None: in nothing."""
        own, other = self.row(), reference.row()
        return next((name for name in DIMENSIONS if own[name] != other[name]), None)


# In this order, so that another meaning of the window counts as that, whatever its width.
DIMENSIONS = ("bot_policy", "staff", "unit", "rank_name", "top_count", "semantics", "time_window")


def reference_cells(study: "StudySettings") -> list[NetworkCell]:
    """The cells that headlines are of: both kinds of network, every type.

    Developers who ever interacted with the same repository are linked; repositories where the same
    developer did so within the window (study method, part A).
    """
    own = study.networks.reference
    semantics: dict[Mode, tuple[Semantics, str]] = {
        "repository": ("pairwise_gap", f"{study.networks.window_days}d"),
        "actor": ("none", UNBOUNDED),
    }
    return [
        NetworkCell(network, told, own.bot_policy, own.staff, own.unit, own.rank, own.top_count,
                    *semantics[network])
        for network, told in product(MODES, TYPES)
    ]  # fmt: skip


def network_cells(study: "StudySettings") -> list[NetworkCell]:
    """The references, then each alternative alone beside each of them."""
    references = reference_cells(study)
    others = [other for one in references for other in _alternatives(study, one)]
    return list(dict.fromkeys([*references, *others]))


def _alternatives(study: "StudySettings", reference: NetworkCell) -> Iterator[NetworkCell]:
    asked = study.networks
    for policy in asked.policies:
        yield replace(reference, bot_policy=policy)
    for staff in asked.staffs:
        yield replace(reference, staff=staff)
    for unit in asked.units:
        yield replace(reference, unit=unit)
    for rank in asked.ranks:
        yield replace(reference, rank_name=rank)
    for count in asked.top_counts:
        yield replace(reference, top_count=count)
    days = f"{asked.window_days}d"
    for semantics in asked.semantics:
        yield replace(reference, semantics=semantics, time_window=days)
    if reference.network == "repository":
        for width in asked.windows:
            yield replace(reference, time_window=f"{width}d")
        yield replace(reference, semantics="none", time_window=UNBOUNDED)
