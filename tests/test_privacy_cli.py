"""The commands `osmoscope privacy`."""

import json
from pathlib import Path
from typing import Any

import pytest
from command import one_line, run, run_anew


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "osmoscope.toml").write_text('data_dir = "data"\n')
    return tmp_path


def shown(*arguments: str, folder: Path) -> Any:
    done = run("privacy", *arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_account_is_entered_listed_and_withdrawn(folder: Path) -> None:
    done = run_anew("privacy", "opt-out", "github", "Ada-L", "--note", "by mail", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "next refresh" in done.stdout
    shown("opt-out", "huggingface", "ab" * 12, folder=folder)
    # Once more changes nothing.
    shown("opt-out", "github", "@ada-l", folder=folder)
    listed = shown("list", folder=folder)["accounts"]
    assert [(one["platform"], one["native_id"], one["login"], one["note"]) for one in listed] == [
        ("github", None, "Ada-L", "by mail"), ("huggingface", "ab" * 12, None, ""),
    ]  # fmt: skip
    assert "Ada-L" in run("privacy", "list", folder=folder).stdout
    assert (folder / "data" / "private" / "opt_out.csv").stat().st_mode & 0o077 == 0
    gone = shown("withdraw", "github", "ADA-L", folder=folder)["accounts"]
    assert [one["login"] for one in gone] == ["Ada-L"]
    assert len(shown("list", folder=folder)["accounts"]) == 1


def test_nothing_stored_is_nothing_to_do(folder: Path) -> None:
    assert shown("apply", folder=folder)["account_count"] == 0
    assert "empty" in run("privacy", "list", folder=folder).stdout
    shown("opt-out", "github", "ada-l", folder=folder)
    done = shown("apply", folder=folder)
    assert (done["account_count"], done["file_count"], done["due"]) == (1, 0, [])


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("opt-out", "github", "a/b"), "no login", 2),
        (("opt-out", "github", "a", "--note", "=1+1"), "begins as a formula", 2),
        (("withdraw", "github", "ada-l"), "not on the list", 3),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], told: str, code: int, folder: Path
) -> None:
    done = run("privacy", *arguments, folder=folder)
    assert done.returncode == code
    assert told in one_line(done.stderr)


def test_a_list_elsewhere_is_found_from_the_settings_file(folder: Path) -> None:
    (folder / "osmoscope.toml").write_text('[privacy]\nopt_out = "kept/list.csv"\n')
    shown("opt-out", "github", "ada-l", folder=folder)
    assert (folder / "kept" / "list.csv").is_file()
    (folder / "kept" / "list.csv").write_text("platform,login\ngitlab,x\n")
    done = run("privacy", "apply", folder=folder)
    assert done.returncode == 2
    assert "Line 2" in one_line(done.stderr)
