"""The codebook of themes: that the seed can be used, that people and machines read the same."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.study.themes.codebook import (
    CODEBOOK,
    COLUMNS,
    PLATFORMS,
    SEEDS,
    THEMES,
    Codebook,
    example_text,
    load_codebook,
    reading_form,
)
from orchestration.failures import PermanentFailure

DOCUMENT = Path(__file__).parents[1] / "docs" / "codebook.md"
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    return load_codebook()


@pytest.fixture(scope="module")
def rows() -> Rows:
    with (SEEDS / CODEBOOK).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def written(folder: Path, rows: Rows, encoding: str = "utf-8", end: str = "\n") -> Path:
    with (folder / CODEBOOK).open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def changed(rows: Rows, name: str, /, **cells: str) -> Rows:
    return [{**row, **cells} if row["name"] == name else row for row in rows]


def test_the_five_themes_stand_in_their_order(codebook: Codebook) -> None:
    assert tuple(theme.name for theme in codebook.themes) == THEMES
    assert [theme.key for theme in codebook.themes] == ["1", "2", "3", "4", "5"]
    for theme in codebook.themes:
        assert codebook.theme(theme.name) is theme
        for platform in PLATFORMS:
            assert any(one.startswith(f"{platform}: ") for one in theme.examples), theme.name
    with pytest.raises(PermanentFailure, match="no theme 'bug'"):
        codebook.theme("bug")


def test_codes_belong_to_themes_and_every_text_has_an_example(codebook: Codebook) -> None:
    names = [one.name for one in (*codebook.themes, *codebook.codes, *codebook.rules)]
    assert len(set(names)) == len(names)
    assert sum((codebook.codes_of(theme) for theme in THEMES), ()) == codebook.codes
    for theme in THEMES:
        assert 5 <= len(codebook.codes_of(theme)) <= 9
    for code in codebook.codes:
        assert code.examples, code.name
        assert example_text(code.examples[0]) != code.examples[0], code.name
    assert {"mixed_intent", "variants", "documentation", "slow", "unclear"} <= {
        rule.name for rule in codebook.rules
    }


def test_the_page_for_people_says_what_the_seed_says(codebook: Codebook) -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    said = [codebook.version]
    for theme in codebook.themes:
        said += [theme.name, theme.title, theme.definition, theme.includes, theme.excludes]
        said += theme.examples
    for code in codebook.codes:
        said += [f"`{code.name}`", code.title, code.definition, *code.examples]
    for rule in codebook.rules:
        said += [rule.title, rule.definition, *rule.examples]
    assert [one for one in said if one not in page] == []
    # Nothing else either: what was taken out of the seed is taken out of the page.
    assert page.endswith(reading_form(codebook))


def test_the_version_holds_every_word_and_nothing_else(
    codebook: Codebook, rows: Rows, tmp_path: Path
) -> None:
    number, _, digest = codebook.version.partition("-")
    assert number == "1.0"
    assert len(digest) == 8
    for encoding, end in (("utf-8", "\n"), ("utf-8-sig", "\r\n")):
        assert load_codebook(written(tmp_path, rows, encoding, end)).version == codebook.version
    for column in ("definition", "examples", "title"):
        cell = next(row[column] for row in rows if row["name"] == "hang")
        other = load_codebook(written(tmp_path, changed(rows, "hang", **{column: cell + "!"})))
        assert other.version != codebook.version
    higher = load_codebook(written(tmp_path, [{**row, "version": "1.1"} for row in rows]))
    assert higher.version.startswith("1.1-")


def without(rows: Rows, name: str) -> Rows:
    return [row for row in rows if row["name"] != name]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: [*rows, rows[7]], "line 64: the name .* is given twice"),
        (lambda rows: changed(rows, "hang", theme="defects"), "line 8: the theme 'defects' is unk"),
        (
            lambda rows: changed(rows, "hang", definition=" "),
            "line 8: hang has an empty definition",
        ),
        (lambda rows: changed(rows, "others", excludes=""), "line 6: others has an empty excludes"),
        (lambda rows: changed(rows, "others", key="five"), "line 6: the key 'five' is not one"),
        (lambda rows: changed(rows, "others", key="1"), "the key 1 to two themes"),
        (lambda rows: changed(rows, "hang", kind="cod"), "line 8: the kind 'cod' is none of"),
        (lambda rows: changed(rows, "hang", name="Hang Up"), "line 8: the name 'Hang Up'"),
        (lambda rows: changed(rows, "hang", version="2.0"), "line 8: the version '2.0' is not"),
        (lambda rows: [{**row, "version": "new"} for row in rows], "line 2: the version 'new'"),
        (lambda rows: changed(rows, "others", name="rest"), "line 6: the theme 'rest' is unknown"),
        (lambda rows: changed(rows, "others", theme="suggestion"), "line 6: a theme belongs to no"),
        (lambda rows: without(rows, "suggestion"), "has no theme suggestion"),
        (lambda rows: [], "has no rows"),
    ],
)
def test_a_row_that_cannot_be_meant_is_named(
    change: Callable[[Rows], Rows], told: str, rows: Rows, tmp_path: Path
) -> None:
    with pytest.raises(PermanentFailure, match=told) as failure:
        load_codebook(written(tmp_path, change(rows)))
    assert failure.value.remedy


def test_a_file_that_is_no_codebook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CODEBOOK
    with pytest.raises(PermanentFailure, match="cannot be read"):
        load_codebook(tmp_path)
    for content, told in (
        (b"", "has no column version"),
        (b"version,kind\n1.0,theme\n", "has no column name"),
        (",".join(COLUMNS).encode() + b"\n1.0,theme,bug_report\n", "line 2: there are 3 cells"),
        (",".join(COLUMNS).encode() + b"\n\xff\xfe\n", "cannot be read"),
        (",".join(COLUMNS).encode() + b'\n"1.0', "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(PermanentFailure, match=told):
            load_codebook(tmp_path)
