"""Cells of the study's grid: in which ways each figure is computed.

Belongs here: what a cell is, and which cells a configuration asks for. Does not belong here: the
repositories of a cell (`population`) and what is computed of them (`grid`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.settings import StudySettings

CENSUS = "census"


@dataclass(frozen=True)
class Cell:
    """One way to compute a figure; `assets.study.marts.CELL` documents the names.

    Attributes:
        cut: `all`, `in_frame`, or `top_RANK_N`.
        design: `census`, or the allocation of a sample.
    """

    bot_policy: str = "none"
    cut: str = "all"
    design: str = CENSUS
    weighting: str = "unweighted"
    exposure: str = "total"

    def row(self) -> dict[str, str]:
        """Its columns."""
        return asdict(self)

    @property
    def largest(self) -> tuple[str, int] | None:
        """Rank and number of a cut that takes the largest; None of another."""
        if not self.cut.startswith("top_"):
            return None
        _, rank, number = self.cut.split("_")
        return rank, int(number)

    def __str__(self) -> str:
        return " · ".join(self.row().values())


def reference_cell(study: "StudySettings") -> Cell:
    """The cell that headlines are of."""
    return Cell(**study.grid.reference.model_dump())


def cells_of(study: "StudySettings") -> list[Cell]:
    """The reference, then the others: each alternative alone, or every combination.

    A census is of all repositories, so that nothing can be weighted in it.
    """
    reference = reference_cell(study)
    return list(dict.fromkeys([reference, *_alternatives(study, reference)]))


def _alternatives(study: "StudySettings", reference: Cell) -> Iterator[Cell]:
    grid, sample = study.grid, study.sample
    designs: Sequence[str] = [CENSUS, *sample.designs] if grid.designs is None else grid.designs
    most_starred = [f"top_stars_{number}" for number in sample.top_n if "stars" in sample.ranks]
    cuts = ["all", "in_frame", *most_starred] if grid.cuts is None else grid.cuts
    drawn: list[dict[str, str]] = [
        {"design": design, "weighting": weighting}
        for design, weighting in product(designs, grid.weightings)
        if (design, weighting) != (CENSUS, "weighted")
    ]
    arms: list[list[dict[str, str]]] = [
        [{"bot_policy": policy} for policy in grid.policies],
        [{"cut": cut} for cut in cuts],
        drawn,
        [{"exposure": exposure} for exposure in grid.exposures],
    ]
    if grid.combine == "one_by_one":
        for arm in arms:
            yield from (replace(reference, **change) for change in arm)
        return
    for changes in product(*arms):
        merged = {name: value for change in changes for name, value in change.items()}
        yield replace(reference, **merged)
