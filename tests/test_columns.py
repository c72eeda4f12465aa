"""Every landed column says what it holds."""

import pytest

from assets.github import columns as github
from assets.github.landing import lake_schema
from assets.huggingface import columns as huggingface
from assets.huggingface.normalise import SCHEMAS


def test_events_are_described_column_by_column() -> None:
    assert set(github.DESCRIPTIONS) == set(lake_schema())


@pytest.mark.parametrize("table", SCHEMAS)
def test_hub_tables_are_described_column_by_column(table: str) -> None:
    assert set(huggingface.DESCRIPTIONS[table]) == set(SCHEMAS[table])
