"""Cells that no spreadsheet computes, and that are read again as they were."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.spreadsheets import as_was, harmless, is_formula

FORMULAS = ("=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "\uff0b1")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert is_formula(text)
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "torvalds", "'quoted'", "1-2", " "])
def test_other_texts_stay(text: str) -> None:
    assert harmless(text) == text


@given(st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("=+-@\t' ")))
def test_a_cell_is_read_as_it_was(text: str) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([harmless(text), "next"])
    cell = next(csv.reader(io.StringIO(stream.getvalue(), newline="")))[0]
    assert not is_formula(cell)
    # What had an apostrophe before a formula already cannot be told from what got one.
    assert as_was(cell) == (as_was(text) if text.startswith("'") else text)
