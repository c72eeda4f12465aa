"""From packed bytes to clean lines: bounds, line numbers, damage, addresses."""

import gzip
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from archive_support import SALT, line, lines, packed, text
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.github.lines import (
    AddressHasher,
    Bounds,
    LineSummary,
    Unreadable,
    blocks_of_lines,
    copy_lines,
)

MEGABYTE = 1024 * 1024
unhurried = settings(deadline=None, database=None, max_examples=60)


def copied(
    folder: Path, data: bytes, name: str = "a.json.gz", **bounds: Any
) -> tuple[bytes, LineSummary]:
    source, target = folder / name, folder / "target"
    source.write_bytes(data)
    summary = copy_lines(source, target, Bounds(**bounds), AddressHasher(SALT))
    return target.read_bytes(), summary


def hashed(address: str) -> str:
    digest = hmac.new(SALT, address.lower().encode(), hashlib.sha256).hexdigest()
    return f"email:{digest[:32]}"


@pytest.mark.parametrize("is_last_line_ended", [True, False])
def test_lines_are_copied(tmp_path: Path, is_last_line_ended: bool) -> None:
    body = text(lines(range(3)))
    data = body if is_last_line_ended else body[:-1]
    got, summary = copied(tmp_path, packed(data))
    assert (got, summary.line_count) == (body, 3)
    assert summary.unpacked_bytes == len(data)


def test_plain_and_several_members(tmp_path: Path) -> None:
    body = text(lines(range(4)))
    assert copied(tmp_path, body, "a.json")[0] == body
    parts = packed(text(lines(range(2)))) + packed(text(lines(range(2, 4))))
    assert copied(tmp_path, parts)[0] == body


def test_a_shorter_file_overwrites_a_longer_one(tmp_path: Path) -> None:
    copied(tmp_path, packed(text(lines(range(50)))))
    assert copied(tmp_path, packed(text([line(1)])))[0] == text([line(1)])


@pytest.mark.parametrize(
    ("data", "state", "reason"),
    [
        (b"", "truncated", "empty"),
        (b"{}\n", "corrupt", "not gzip"),
        (b"\x1f", "corrupt", "not gzip"),
        (b"\x1f\x8b", "truncated", "before its trailer"),
        (packed(text(lines(range(50))))[:-9], "truncated", "before its trailer"),
        (packed(text(lines(range(50))))[:-1], "truncated", "before its trailer"),
        (packed(b"x")[:-8] + b"\0" * 8, "corrupt", "bad gzip"),
    ],
    ids=["empty", "plain", "1 byte", "2 bytes", "without trailer", "1 byte short", "wrong sum"],
)
def test_unreadable(tmp_path: Path, data: bytes, state: str, reason: str) -> None:
    with pytest.raises(Unreadable) as error:
        copied(tmp_path, data)
    assert error.value.state == state
    assert reason in error.value.reason


WHOLE = packed(text(lines(range(60))))


@unhurried
@given(position=st.integers(0, len(WHOLE) - 1), value=st.integers(1, 255))
def test_a_damaged_byte_never_gives_other_lines(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    damaged = bytearray(WHOLE)
    damaged[position] ^= value
    folder = tmp_path_factory.getbasetemp()
    try:
        got = copied(folder, bytes(damaged), "damaged.json.gz")[0]
        state = "ok"
    except Unreadable as error:
        got, state = b"", error.state
    assert state in {"ok", "corrupt", "truncated"}
    assert state != "ok" or got == gzip.decompress(WHOLE)


@unhurried
@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_cut_file_is_never_accepted(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    with pytest.raises(Unreadable):
        copied(tmp_path_factory.getbasetemp(), WHOLE[:length], "cut.json.gz")


def test_bomb_is_refused_with_bounded_output(tmp_path: Path) -> None:
    bomb = packed(b"\n" * (200 * MEGABYTE))
    with pytest.raises(Unreadable, match="gzip bomb"):
        copied(tmp_path, bomb)
    # What may be unpacked whatever the ratio, or the ratio's share.
    most = max(64 * MEGABYTE, 100 * len(bomb))
    assert most < 100 * MEGABYTE
    assert (tmp_path / "target").stat().st_size <= most


def test_too_many_bytes_are_refused_with_bounded_output(tmp_path: Path) -> None:
    data = packed(text(lines(range(20_000))))
    with pytest.raises(Unreadable, match="more than 1048576 bytes"):
        copied(tmp_path, data, max_file_bytes=MEGABYTE)
    assert (tmp_path / "target").stat().st_size <= 2 * MEGABYTE


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.json.gz"
    path.write_bytes(packed(b"x" * (40 * MEGABYTE)))
    tracemalloc.start()
    try:
        summary = LineSummary()
        size = sum(map(len, blocks_of_lines(path, Bounds(MEGABYTE), summary)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 1
    assert [(long.number, long.length) for long in summary.long_lines] == [(1, 40 * MEGABYTE)]
    assert peak < 8 * MEGABYTE


def reference(data: bytes, most: int) -> tuple[list[bytes], list[tuple[int, int, str]]]:
    """Lines with placeholders, and the long ones, without blocks."""
    rows = data.split(b"\n")
    if not rows[-1]:
        rows.pop()
    kept = [row if len(row) <= most else b"" for row in rows]
    long = [
        (number, len(row), hashlib.sha256(row).hexdigest())
        for number, row in enumerate(rows, 1)
        if len(row) > most
    ]
    return kept, long


LONG = 600_000


@pytest.mark.parametrize(
    "shape",
    ["L", "sL", "Ls", "sLs", "LssL", "sLLs", "LsLsL", "ssLsssLss", "LL", "s", "sLse", "eLe"],
)
@pytest.mark.parametrize("is_last_line_ended", [True, False])
def test_long_lines_take_no_other_line_with_them(
    tmp_path: Path, shape: str, is_last_line_ended: bool
) -> None:
    """L is a line above the bound, s a short one, e an empty one."""
    rows = {"L": b"x" * LONG, "e": b""}
    data = text(rows.get(kind, line(number)) for number, kind in enumerate(shape))
    data = data if is_last_line_ended else data[:-1]
    got, summary = copied(tmp_path, packed(data), max_line_bytes=300_000)
    kept, long = reference(data, 300_000)
    assert got == text(kept)
    assert [(row.number, row.length, row.sha256) for row in summary.long_lines] == long
    assert summary.line_count == len(kept)


@unhurried
@given(
    lengths=st.lists(
        st.sampled_from([0, 1, 200, 5_000, 262_143, 262_144, 299_999, 300_001, LONG]), max_size=8
    ),
    is_last_line_ended=st.booleans(),
)
def test_blocks_never_lose_or_move_a_line(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], is_last_line_ended: bool
) -> None:
    data = b"".join(bytes([97 + i]) * size + b"\n" for i, size in enumerate(lengths))
    data = data if is_last_line_ended else data[:-1]
    if not data:
        return
    got, summary = copied(
        tmp_path_factory.getbasetemp(), data, "lengths.json", max_line_bytes=300_000
    )
    kept, long = reference(data, 300_000)
    assert got.split(b"\n")[: len(kept)] == kept
    assert not got[len(text(kept)) :].strip(b"\n")
    assert [(row.number, row.length, row.sha256) for row in summary.long_lines] == long


@pytest.mark.parametrize("is_last_line_ended", [True, False])
def test_bound_below_a_block_holds_for_every_line(tmp_path: Path, is_last_line_ended: bool) -> None:
    sizes = [10, 2000, 1024, 1025, 0, 1023, 5000, 300_000, 7, 1024, 1025]
    data = b"".join(bytes([97 + i]) * size + b"\n" for i, size in enumerate(sizes))
    data = data if is_last_line_ended else data[:-1]
    got, summary = copied(tmp_path, packed(data), max_line_bytes=1024)
    kept, long = reference(data, 1024)
    assert got == text(kept)
    assert [(row.number, row.length, row.sha256) for row in summary.long_lines] == long
    assert [row[1] for row in long] == [2000, 1025, 5000, 300_000, 1025]


def through(value: str, keep_domain: bool = False) -> str:
    """A JSON text through the hasher."""
    block = json.dumps({"v": value}, ensure_ascii=False).encode() + b"\n"
    result = json.loads(AddressHasher(SALT, keep_domain)(block))["v"]
    assert isinstance(result, str)
    return result


@pytest.mark.parametrize(
    ("before", "address", "after"),
    [
        ("", "ann@example.com", ""),
        ("by <", "Ann.Lee+x@Sub.Example.co.uk", ">"),
        ("one\n", "ann@example.com", "\nnext"),
        ('"', "ann@example.com", '"'),
        ("\\", "ann@example.com", "\\"),
        ("mailto:", "ann@example.com", "?subject=x"),
        ("(", "ann@example.com", ")."),
    ],
)
def test_addresses_are_hashed_in_place(before: str, address: str, after: str) -> None:
    assert through(before + address + after) == before + hashed(address) + after


def test_equal_addresses_are_equal_whatever_their_case() -> None:
    hasher = AddressHasher(SALT)
    first, second, third = (hasher(x) for x in (b'"A@X.org"', b'"a@x.ORG"', b'"b@x.org"'))
    assert first == second != third
    assert hasher.count == 3
    assert AddressHasher(b"another salt, 16+")(b'"a@x.org"') != first


def test_escaped_forms_are_hashed() -> None:
    hasher = AddressHasher(SALT)
    want = f'"{hashed("ann@x.org")}"'.encode()
    assert hasher(rb'"ann\u0040x.org"') == want
    # An escaped backslash, then the text u0040.
    assert hasher(rb'"ann\\u0040x.org"') == rb'"ann\\u0040x.org"'
    assert json.loads(hasher(rb'"\u003cann@x.org\u003e"')) == f"<{hashed('ann@x.org')}>"


def test_domain_is_kept_on_request_and_remotes_always() -> None:
    assert through("ann@x.org", keep_domain=True) == f"{hashed('ann@x.org')} x.org"
    assert through("git@github.com:a/b") == "git@github.com:a/b"
    assert through("no address: @ann, a@b, x@1.2") == "no address: @ann, a@b, x@1.2"


@pytest.mark.parametrize(
    "value",
    ["root@localhost", "me@host.(none)", "al@foo_bar.com", "jürgen@example.com", "a@bücher.de",
     'say "x"@y', "j@10.0.0.1", "Ann Lee"],
)  # fmt: skip
def test_the_value_of_an_email_key_is_always_hashed(value: str) -> None:
    block = json.dumps({"email": value, "name": "n"}, ensure_ascii=False).encode()
    got = json.loads(AddressHasher(SALT)(block))
    assert re.fullmatch("email:[0-9a-f]{32}", got["email"])
    assert got["name"] == "n"
    assert json.loads(AddressHasher(SALT)(b'{"email":""}')) == {"email": ""}


LOCAL = st.text("abcXYZ019._+-", min_size=1, max_size=12)
LABEL = st.text("abcXYZ09", min_size=1, max_size=8)


@unhurried
@given(
    before=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="@")),
    local=LOCAL,
    label=LABEL,
    after=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="@")),
)
def test_no_address_survives_and_json_stays_json(
    before: str, local: str, label: str, after: str
) -> None:
    address = f"{local}@{label}.org"
    for is_ascii in (True, False):
        block = json.dumps([f"{before} {address} {after}"], ensure_ascii=is_ascii).encode()
        got = json.loads(AddressHasher(SALT)(block))[0]
        if local.lower() != "git":
            assert address not in got
        assert "email:" in got
        assert got.startswith(before + " ")
