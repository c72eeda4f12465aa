"""Texts of strangers in files that people open with a spreadsheet.

Belongs here: which text a spreadsheet takes for a formula, and how it is made harmless and read
again. Does not belong here: what a file holds.
"""

import unicodedata

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Whether some spreadsheet would compute the cell instead of showing it."""
    # Wide forms of these characters are the same to some programs.
    return unicodedata.normalize("NFKC", text.lstrip(" ")[:1]).startswith(_BEGINS_FORMULA)


def harmless(text: str) -> str:
    """The cell to write: with a leading apostrophe where it would be a formula."""
    return f"'{text}" if is_formula(text) else text


def as_was(cell: str) -> str:
    """A cell as it was before `harmless`."""
    return cell[1:] if cell.startswith("'") and is_formula(cell[1:]) else cell
