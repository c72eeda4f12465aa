"""Open codes: read, proposed together, decided by people, and the rule of 90 % coverage."""

import csv
import io
import json
import random
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import NEVER_ENDS
from typer.testing import CliRunner

from assets.study.themes.codebook import OTHERS
from assets.study.themes.open_codes import (
    DECIDED,
    MERGE_COLUMNS,
    RESULT_COLUMNS,
    CodedMessage,
    apply_merge,
    export_merge,
    kept_to_coverage,
    normal_code,
    one_line,
    proposals,
    read_codes,
    read_merge,
    tally,
    write_themes,
)
from orchestration.failures import PermanentFailure, SettingsError
from orchestration.themes_codes_cli import codes_apply, codes_export

runner = CliRunner()
# Code, posts.
POSTS = (
    ("login error", 8), ("auth fail", 5), ("gguf request", 4), ("request for gguf version", 2),
    ("benchmark result", 3), ("thanks", 2), ("roadmap", 1),
)  # fmt: skip


def posts(codes: tuple[tuple[str, int], ...] = POSTS) -> list[CodedMessage]:
    return [
        CodedMessage(f"{code} {k}", "github" if k % 2 else "huggingface", code, f"{code} no {k}", 1)
        for code, count in codes
        for k in range(count)
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def decide(path: Path, decisions: dict[str, dict[str, str]], more: tuple[str, ...] = ()) -> None:
    """Fill in a merge file as a person would, in whatever order."""
    rows = rows_of(path)
    for row in rows:
        row.update(decisions.get(row["code"], {}))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*MERGE_COLUMNS, *more], restval="")
        writer.writeheader()
        writer.writerows(rows)


def by(theme: str = "", group: str = "", note: str = "") -> dict[str, str]:
    return {"theme": theme, "group": group, "note": note, "decided_by": "ada"}


DECISIONS = {
    "login error": by("bug_report", "authentication issue"),
    "auth fail": by("", "login error"),
    "gguf request": by("suggestion"),
    "request for gguf version": by("", "gguf request", "same wish"),
    "benchmark result": by("performance_evaluation"),
    "thanks": by("others"),
    "roadmap": by("others"),
}


@pytest.fixture
def merge(tmp_path: Path) -> Path:
    path = tmp_path / "merge.csv"
    export_merge(posts(), path)
    decide(path, DECISIONS)
    return path


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("given_", "code"),
    [
        ("  Auth-Fail (login) ", "auth fail login"), ("C++ build", "c++ build"), ("", ""),
        ("=HYPERLINK(1)", "hyperlink 1"), ("🎉", ""), (None, ""), ("ＧＧＵＦ", "gguf"),
        ("a\x00b\u202ec", "a b c"), ("\ud800x", "x"), ("安装失败", "安装失败"),
        ("x" * 999, "x" * 120),
    ],
)  # fmt: skip
def test_codes_have_one_form(given_: str | None, code: str) -> None:
    assert normal_code(given_) == code


@given(st.text(max_size=300))
def test_the_form_of_a_code_is_stable_and_harmless(text: str) -> None:
    code = normal_code(text)
    assert normal_code(code) == code
    assert not code or code[0].isalnum()
    assert len(code) <= 120
    line = one_line(text)
    assert len(line) <= 200
    assert not set(line) & set("\n\r\t\x00\u202e")


def as_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("name", ["codes.parquet", "codes.csv", "codes.jsonl"])
def test_codes_are_read_from_three_kinds_of_files(name: str, tmp_path: Path) -> None:
    rows = [
        {"message_key": "1", "platform": "github", "code": "Auth Fail", "summary": "a\nb",
         "weight": 2.5},
        {"message_key": "1", "platform": "huggingface", "code": "thanks", "summary": None,
         "weight": None},
        {"message_key": "2", "platform": "github", "code": None, "summary": "x", "weight": 1.0},
        # The same row again counts once.
        {"message_key": "1", "platform": "github", "code": "auth-fail", "summary": "", "weight": 1},
    ]  # fmt: skip
    assert read_codes(as_file(tmp_path / name, rows)) == [
        CodedMessage("1", "github", "auth fail", "a b", 2.5),
        CodedMessage("1", "huggingface", "thanks", "", 1.0),
        CodedMessage("2", "github", "", "x", 1.0),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("message_key,code\n1,a\n1,b\n", "line 3: the message '1' has the code 'b' and before 'a'"),
        ("message_key,code\n,a\n", "line 2: message_key is empty"),
        ("message_key\n1\n", "line 2: there is no code"),
        ("message_key,code,weight\n1,a,-1\n", "line 2: the weight '-1' is no number above 0"),
        ("message_key,code,weight\n1,a,nan\n", "line 2: the weight 'nan'"),
        ("message_key,code,weight\n1,a,many\n", "line 2: the weight 'many'"),
        ("message_key,code\n1,a,b\n", "line 2: there are 3 cells for 2 columns"),
        ("message_key,code,code\n1,a,b\n", "two columns 'code'"),
        ("message_key,code\n", "has no rows"),
        ("", "has no rows"),
    ],
)
def test_codes_that_cannot_be_meant_are_told_with_their_line(
    content: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "codes.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PermanentFailure, match=told):
        read_codes(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, content, told in (
        ("a.xlsx", b"", "of no kind that is read"),
        ("gone.csv", None, "There is no file"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.csv", b"message_key,code\n1,\xff\n", "not valid UTF-8"),
        ("a.jsonl", b'{"message_key": "1", "code": "x"}\n{"mess', "line 2: this is no JSON"),
        ("b.jsonl", b"[1]", "line 1: this is no object"),
        ("c.jsonl", b"[" * 100_000, "line 1: this is no JSON"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(PermanentFailure, match=told):
            read_codes(tmp_path / name)


def test_codes_are_counted_with_examples_whatever_their_order() -> None:
    messages = [*posts(), CodedMessage("x", "github", "", "left out", 1)]
    counts = tally(messages)
    assert [(one.code, one.count) for one in counts] == sorted(
        POSTS, key=lambda one: (-one[1], one[0])
    )
    assert counts[0].platforms == {"github": 4, "huggingface": 4}
    assert len(counts[0].examples) == 3
    random.Random(4).shuffle(messages)
    assert tally(messages) == counts


# ---------------------------------------------------------------- proposals


def test_nearly_equal_codes_are_proposed_together() -> None:
    codes = [
        "login error", "auth fail", "authentication failure", "gguf request", "thanks",
        "request for gguf version", "benchmark results", "benchmark result", "tokeniser mismatch",
        "tokenizer mismatches", "installation problem", "licence question", "license questions",
    ]  # fmt: skip
    found = proposals(codes, {})
    for first, *others in (
        ("login error", "auth fail", "authentication failure"),
        ("gguf request", "request for gguf version"),
        ("benchmark results", "benchmark result"),
        ("tokeniser mismatch", "tokenizer mismatches"),
        ("licence question", "license questions"),
    ):
        assert {found.get(one) for one in (first, *others)} == {first}
    assert not {"thanks", "installation problem"} & set(found)
    # What is like something decided is proposed for its group.
    assert proposals(["benchmark results"], {"benchmark result": "scores"}) == {
        "benchmark results": "scores"
    }
    assert proposals([], {}) == {}
    assert proposals(["a"], {}) == {}


def test_proposals_are_no_chains() -> None:
    """A code joins what it is like, not what is like something that is like it."""
    codes = [f"{'abcdefghijklmnop'[k : k + 6]} word{k} {k}" for k in range(10)]
    found = proposals(codes, {})
    for code, founder in found.items():
        assert found[founder] == founder
        assert codes.index(founder) <= codes.index(code)


def test_many_codes_are_compared_in_bounded_time() -> None:
    draw = random.Random(2)
    vocabulary = [f"{a}{b}" for a in ("load", "token", "train", "run") for b in range(40)]
    codes = list({" ".join(draw.sample(vocabulary, 3)) for _ in range(3_000)})
    began = time.process_time()
    proposals(codes, {})
    assert time.process_time() - began < NEVER_ENDS


# ---------------------------------------------------------------- merge file


def test_a_first_export_asks_for_everything(tmp_path: Path) -> None:
    path = tmp_path / "merge.csv"
    done = export_merge([*posts(), CodedMessage("x", "github", "", "", 1)], path)
    assert (done.codes, done.decided, done.undecided, done.gone, done.uncoded) == (7, 0, 7, 0, 1)
    assert len(done.new) == 7
    rows = rows_of(path)
    assert list(rows[0]) == list(MERGE_COLUMNS)
    # What is proposed together stands together, though another code is commoner.
    assert [row["code"] for row in rows][:4] == [
        "login error", "auth fail", "gguf request", "request for gguf version"
    ]  # fmt: skip
    assert [row["proposed_group"] for row in rows][:2] == ["login error"] * 2
    assert rows[0]["count"] == "8"
    assert float(rows[0]["share"]) == pytest.approx(8 / 25)
    assert rows[0]["platforms"] == "github 4; huggingface 4"
    assert all(row[name] == "" for row in rows for name in DECIDED)


def test_decisions_give_groups_and_themes(merge: Path) -> None:
    found = read_merge(merge)
    assert found.groups == {
        "login error": "authentication issue", "auth fail": "authentication issue",
        "gguf request": "gguf request", "request for gguf version": "gguf request",
        "benchmark result": "benchmark result", "thanks": "thanks", "roadmap": "roadmap",
    }  # fmt: skip
    assert found.themes == {
        "login error": "bug_report", "auth fail": "bug_report", "gguf request": "suggestion",
        "request for gguf version": "suggestion", "benchmark result": "performance_evaluation",
        "thanks": "others", "roadmap": "others",
    }  # fmt: skip


def test_a_second_export_keeps_decisions_and_shows_what_is_new(merge: Path) -> None:
    before = read_merge(merge)
    # A person added a column, and sorted the file by it.
    rows = sorted(rows_of(merge), key=lambda row: row["code"])
    with merge.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*MERGE_COLUMNS, "todo"])
        writer.writeheader()
        writer.writerows({**row, "todo": "=ask bo"} for row in rows)
    more = (("login errors", 2), ("crash", 1), *(one for one in POSTS if one[0] != "roadmap"))
    done = export_merge(posts(more), merge)
    assert [one.code for one in done.new] == ["login errors", "crash"]
    assert (done.codes, done.decided, done.undecided, done.gone) == (8, 6, 2, 1)
    after = rows_of(merge)
    assert [row["code"] for row in after[:2]] == ["login errors", "crash"]
    assert after[0]["proposed_group"] == "authentication issue"
    assert after[-1]["code"] == "roadmap"
    assert after[-1]["count"] == "0"
    kept = read_merge(merge)
    assert {code: kept.groups[code] for code in before.groups} == before.groups
    assert kept.themes == before.themes
    assert kept.version == before.version
    for code, decision in before.decisions.items():
        assert all(getattr(kept.decisions[code], one) == getattr(decision, one) for one in DECIDED)
        assert kept.decisions[code].extra == {"todo": "=ask bo"}
    # Nothing new: nothing changes.
    content = merge.read_bytes()
    assert export_merge(posts(more), merge).new == ()
    assert merge.read_bytes() == content


def test_a_group_without_a_theme_stays_in_sight(merge: Path) -> None:
    decide(merge, {"login error": by("", "authentication issue")})
    done = export_merge(posts(), merge)
    assert (done.decided, done.undecided, done.new) == (5, 2, ())
    after = rows_of(merge)
    assert [row["code"] for row in after[:2]] == ["login error", "auth fail"]
    assert [row["group"] for row in after[:2]] == ["authentication issue", "login error"]
    assert apply_merge(posts(), merge).undecided_codes == 2


@pytest.mark.parametrize("divider", [";", "\t"])
def test_a_file_as_a_spreadsheet_saves_it_is_read(divider: str, merge: Path) -> None:
    expected = read_merge(merge)
    rows = rows_of(merge)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, MERGE_COLUMNS, delimiter=divider, lineterminator="\r\n")
    writer.writeheader()
    # Capitals, spaces and numbers as spreadsheets and people write them.
    for row in rows:
        row |= {"code": row["code"].upper(), "theme": row["theme"].replace("_", " ").title()}
        writer.writerow({**row, "share": row["share"].replace(".", ",")})
    stream.write(divider * (len(MERGE_COLUMNS) - 1) + "\r\n")
    merge.write_text(stream.getvalue(), encoding="utf-8-sig", newline="")
    found = read_merge(merge)
    assert (found.groups, found.themes) == (expected.groups, expected.themes)
    assert found.version == expected.version


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"thanks": by("praise")}, r"line \d: the theme 'praise' is none of bug_report,"),
        ({"thanks": {"theme": "others", "decided_by": ""}}, r"line \d: decided_by does not say"),
        ({"thanks": {"theme": "", "group": "", "decided_by": "bo"}}, "has decided_by but no theme"),
        ({"thanks": by("others", "...")}, r"line \d: the group '...' has no word"),
        (
            {"login error": by("bug_report", "auth fail"), "auth fail": by("", "login error")},
            r"lines \d, \d: the groups go in a circle",
        ),
        (
            {"roadmap": by("", "thanks"), "thanks": by("", "gguf request"),
             "gguf request": by("", "roadmap")},
            r"lines \d, \d, \d: the groups go in a circle",
        ),
        (
            {"auth fail": by("usage_problem", "login error")},
            r"lines \d and \d: the group 'authentication issue' has the themes",
        ),
        ({"thanks": {"code": "Auth  FAIL"}}, r"line \d: 'auth fail' is on line \d too"),
        ({"thanks": {"code": "!"}}, r"line \d: there is no code"),
    ],
)  # fmt: skip
def test_decisions_that_cannot_be_meant_are_told_with_their_lines(
    changes: dict[str, dict[str, str]], told: str, merge: Path
) -> None:
    decide(merge, changes)
    content = merge.read_bytes()
    with pytest.raises(PermanentFailure, match=told):
        read_merge(merge)
    # An export over it changes nothing either.
    with pytest.raises(PermanentFailure, match=told):
        export_merge(posts(), merge)
    assert merge.read_bytes() == content
    assert not list(merge.parent.glob(".*"))


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "merge.csv"
    path.write_text(
        'code,theme,group,decided_by,note\na,others,,ada,"two\nlines"\n\nb,nonsense,,ada,\n'
        "c,,,bo,\n",
        encoding="utf-8",
    )
    with pytest.raises(PermanentFailure, match=r"line 5: the theme 'nonsense'.*; line 6: 'c' has"):
        read_merge(path)
    path.write_text("code,theme\n", encoding="utf-8")
    with pytest.raises(PermanentFailure, match="there is no column group"):
        read_merge(path)
    with pytest.raises(PermanentFailure, match="There is no merge file"):
        read_merge(tmp_path / "gone.csv")
    many = "".join(f"c{k},x,,ada,\n" for k in range(9))
    path.write_text(f"code,theme,group,decided_by,note\n{many}", encoding="utf-8")
    with pytest.raises(PermanentFailure, match="and 4 more"):
        read_merge(path)


def test_hostile_summaries_do_no_harm_in_a_spreadsheet(tmp_path: Path) -> None:
    summary = '=HYPERLINK("http://x")\n\x00\u202e\ud800,"; <b>'
    path = tmp_path / "merge.csv"
    export_merge([CodedMessage("1", "=x", normal_code("@SUM(1)"), one_line(summary), 1)], path)
    (row,) = rows_of(path)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row.values())
    decide(path, {"sum 1": by("others", "", "-> later")})
    export_merge([CodedMessage("1", "=x", "sum 1", one_line(summary), 1)], path)
    assert rows_of(path)[0]["note"] == "'-> later"
    assert read_merge(path).decisions["sum 1"].note == "-> later"


# ---------------------------------------------------------------- themes


def test_themes_of_posts_follow_and_the_rest_becomes_others(merge: Path, tmp_path: Path) -> None:
    applied = apply_merge(posts(), merge)
    assert [(one.name, one.is_kept) for one in applied.ranking] == [
        ("bug_report", True), ("suggestion", True), ("performance_evaluation", True),
        ("others", False),
    ]  # fmt: skip
    assert applied.ranking[2].cumulative == pytest.approx(22 / 25)
    assert applied.undecided == 0
    lower = apply_merge(posts(), merge, coverage=0.75)
    assert [one.is_kept for one in lower.ranking] == [True, True, False, False]
    themes = {row[2]: row[5] for row in lower.rows}
    assert themes["auth fail"] == "bug_report"
    assert themes["benchmark result"] == OTHERS
    assert {row[2]: row[4] for row in lower.rows}["benchmark result"] == "performance_evaluation"
    for name in ("themes.csv", "themes.parquet"):
        write_themes(lower, tmp_path / name)
    assert rows_of(tmp_path / "themes.csv")[0]["kept_theme"] == "bug_report"
    table = pq.read_table(tmp_path / "themes.parquet")
    assert table.column_names == list(RESULT_COLUMNS)
    assert table.num_rows == 25
    with pytest.raises(PermanentFailure, match="of no kind that is written"):
        write_themes(lower, tmp_path / "themes.xlsx")


def test_groups_can_be_ranked_as_themes(merge: Path) -> None:
    applied = apply_merge(posts(), merge, coverage=0.75, level="group")
    assert [(one.name, one.is_kept) for one in applied.ranking] == [
        ("authentication issue", True), ("gguf request", True), ("benchmark result", False),
        ("others", False),
    ]  # fmt: skip
    with pytest.raises(PermanentFailure, match="no level 'code'"):
        apply_merge(posts(), merge, level="code")


def test_what_is_undecided_is_told_and_part_of_the_whole(merge: Path) -> None:
    decide(merge, {"login error": dict.fromkeys(DECIDED, "")})
    applied = apply_merge([*posts(), CodedMessage("x", "github", "", "", 1)], merge)
    # `auth fail` was merged into it: it waits for the same decision.
    assert applied.undecided == pytest.approx(13 / 25)
    assert applied.undecided_codes == 2
    assert applied.uncoded == 1
    assert applied.ranking[0].share == pytest.approx(6 / 25)
    assert len(applied.rows) == 26
    assert {row[5] for row in applied.rows if row[2] in ("login error", "")} == {None}
    shares = applied.by_platform["github"]
    assert sum(shares.values()) == pytest.approx(1)
    assert None in shares


def test_a_code_that_is_lost_is_told(merge: Path) -> None:
    rows = [row for row in rows_of(merge) if row["code"] != "auth fail"]
    with merge.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, MERGE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(PermanentFailure, match="lacks 1 codes that posts have, as 'auth fail'"):
        apply_merge(posts(), merge)


def test_themes_of_one_s_own_have_to_be_named(merge: Path) -> None:
    decide(merge, {"thanks": by("praise")})
    with pytest.raises(PermanentFailure, match="the theme 'praise'"):
        apply_merge(posts(), merge)
    applied = apply_merge(posts(), merge, more_themes=["praise"])
    assert "praise" in {one.name for one in applied.ranking}
    with pytest.raises(PermanentFailure, match="is no name of a theme"):
        apply_merge(posts(), merge, more_themes=["Praise!"])


def test_the_published_shares_give_the_published_themes() -> None:
    github = {"bug_report": 42.7, "suggestion": 28.2, "usage_problem": 13.5,
              "performance_evaluation": 6.0, "licence": 5.0, "thanks": 4.6}  # fmt: skip
    ranked = kept_to_coverage(github)
    assert [one.name for one in ranked if one.is_kept] == list(github)[:4]
    assert ranked[3].cumulative == pytest.approx(0.904)


def test_nine_tenths_are_reached_by_nine_tenths() -> None:
    """0.1 and 0.9 are no binary fractions: adding floats would ask for one theme more."""
    weights = {f"t{k}": 0.1 for k in range(10)}
    assert sum(one.is_kept for one in kept_to_coverage(weights)) == 9
    assert kept_to_coverage({}) == []
    assert [one.is_kept for one in kept_to_coverage({"a": 0.0})] == [False]
    for wrong in (0, -1, 1.1, float("nan")):
        with pytest.raises(PermanentFailure, match="is no share"):
            kept_to_coverage(weights, wrong)


WEIGHTS = st.dictionaries(
    st.sampled_from([OTHERS, *(f"theme_{k}" for k in range(9))]), st.integers(0, 20), max_size=10
)


@settings(deadline=None)
@given(WEIGHTS, st.sampled_from([0.5, 0.75, 0.9, 1.0]), st.integers(0, 30), st.randoms())
def test_the_smallest_number_of_themes_that_reaches_the_coverage_stays(
    weights: dict[str, int], coverage: float, undecided: int, draw: random.Random
) -> None:
    ranked = kept_to_coverage({name: float(one) for name, one in weights.items()}, coverage,
                              float(undecided))  # fmt: skip
    kept = [one for one in ranked if one.is_kept]
    named = sorted((one for name, one in weights.items() if name != OTHERS and one), reverse=True)
    wanted = Fraction(str(coverage)) * (sum(weights.values()) + undecided)
    # By definition: try every number of the largest.
    reaching = [k for k in range(len(named) + 1) if sum(named[:k]) >= wanted]
    assert len(kept) == (min(reaching) if reaching else len(named))
    assert [one.weight for one in kept] == named[: len(kept)]
    assert ranked[: len(kept)] == kept
    assert OTHERS not in {one.name for one in kept}
    # Nothing depends on the order in which they come, and nothing is lost.
    items = list(weights.items())
    draw.shuffle(items)
    again = kept_to_coverage({name: float(one) for name, one in items}, coverage, float(undecided))
    assert again == ranked
    assert {one.name for one in ranked} == set(weights)


@settings(max_examples=40, deadline=None)
@given(
    given_=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(["", *(one for one, _ in POSTS), "crash"])),
        max_size=40, unique_by=lambda one: one[0],
    ),
    themes=st.lists(
        st.sampled_from(["", "bug_report", "suggestion", "others"]), min_size=8, max_size=8
    ),
)  # fmt: skip
def test_nothing_is_lost_from_codes_to_themes(
    given_: list[tuple[int, str]], themes: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("merge") / "merge.csv"
    messages = [CodedMessage(str(key), "github", code, "", 1.0) for key, code in given_]
    export_merge(messages, path)
    codes = sorted({code for _, code in given_ if code})
    chosen = {code: theme for code, theme in zip(codes, themes, strict=False) if theme}
    decide(path, {code: by(theme) for code, theme in chosen.items()})
    export_merge(messages, path)
    applied = apply_merge(messages, path)
    assert [row[0] for row in applied.rows] == [one.key for one in messages]
    assert {row[2]: row[4] for row in applied.rows if row[4]} == chosen
    shares = sum(one.share for one in applied.ranking) + applied.undecided
    assert shares == pytest.approx(1 if any(code for _, code in given_) else 0)


# ---------------------------------------------------------------- commands

app = typer.Typer()
app.command("export")(codes_export)
app.command("apply")(codes_apply)


def run(*arguments: str) -> str:
    result = runner.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_lead_from_codes_to_themes(tmp_path: Path) -> None:
    codes, merge, out = tmp_path / "codes.jsonl", tmp_path / "merge.csv", tmp_path / "themes.csv"
    rows = [
        {"message_key": one.key, "platform": one.platform, "code": one.code, "summary": one.summary}
        for one in posts()
    ]
    as_file(codes, [*rows, {"message_key": "x", "code": " ", "summary": "[bold]"}])
    told = run("export", str(codes), "--out", str(merge))
    assert "7 codes, 0 decided, 7 new" in told
    assert "posts without a code: 1" in told
    decide(merge, {one: DECISIONS[one] for one in list(DECISIONS)[:-1]})
    told = json.loads(run("export", str(codes), "--out", str(merge), "--json"))
    assert (told["decided"], told["undecided"], told["new"]) == (6, 1, [])
    told = run("apply", str(codes), str(merge), "--out", str(out))
    assert "Not final: 1 codes (4.0% of the posts)" in told
    decide(merge, DECISIONS)
    summary = json.loads(run("apply", str(codes), str(merge), "--out", str(out), "--json"))
    assert summary["undecided_share"] == 0
    assert summary["posts"] == 26
    assert [one["name"] for one in summary["ranking"] if one["is_kept"]] == [
        "bug_report", "suggestion", "performance_evaluation"
    ]  # fmt: skip
    assert len(rows_of(out)) == 26
    content = merge.read_bytes()
    with pytest.raises(SettingsError, match="is what is read"):
        run("apply", str(codes), str(merge), "--out", str(merge))
    assert merge.read_bytes() == content


def test_an_interrupted_export_leaves_the_decisions(
    merge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = merge.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PermanentFailure):
        export_merge(posts((*POSTS, ("crash", 1))), merge)
    assert merge.read_bytes() == content
    assert [one.name for one in merge.parent.iterdir()] == [merge.name]
