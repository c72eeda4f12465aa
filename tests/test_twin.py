"""The twin: determinism, shapes equal to the real files, planted truth equal to what is written.

The counts are taken again here from the bytes of the files, with the standard library only and
nothing of the twin's own code.
"""

import gzip
import hashlib
import json
import os
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from twin import words
from twin.generate import WorldSummary, write_world
from twin.world import Scale

DAYS = [date(2025, 10, 6), date(2025, 10, 7)]
READABLE = ("ok", "malformed_lines", "thin")
ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("REAL_DATA_DIR", ROOT.parent / "shared" / "data"))
OLD_FILES = ("excerpt-2021-07-21-6.json.gz", "push-drift-pair.jsonl")
NEW_FILES = ("userevents-a-2026-02_2026-08.jsonl.gz", "userevents-b-2025-09_2026-03.jsonl.gz")
# Event types of the newer era of which there is a real example.
SEEN_NEW = {
    "PushEvent", "CreateEvent", "DeleteEvent", "WatchEvent", "ForkEvent", "IssuesEvent",
    "PullRequestEvent", "ReleaseEvent", "PublicEvent",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldSummary:
    return write_world(tmp_path_factory.mktemp("twin"), "tiny", 1, DAYS)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> WorldSummary:
    """A tenth of the demo's flow: enough of every rare thing, still quick."""
    tenth = Scale("tenth", 6_000, 800, 2_000, 80, 10, 2_000, 800, 60, 20, 30, 7)
    return write_world(tmp_path_factory.mktemp("twin"), tenth, 5, DAYS)


def truth(folder: Path, table: str) -> list[dict[str, Any]]:
    path = str(folder / "truth" / f"{table}.parquet")
    relation = duckdb.execute("FROM read_parquet(?)", [path])
    names = [column[0] for column in relation.description or []]
    return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def hour_path(folder: Path, hour: dict[str, Any]) -> Path:
    return folder / "archive" / f"{hour['day'].isoformat()}-{hour['hour']}.json.gz"


def raw_lines(folder: Path) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
    """Each readable hour of the truth, in order, with the lines of its file."""
    for hour in sorted(truth(folder, "hours"), key=lambda h: (h["day"], h["hour"])):
        if hour["state"] in READABLE:
            text = gzip.decompress(hour_path(folder, hour).read_bytes())
            assert text.endswith(b"\n")
            yield hour, text.split(b"\n")[:-1]


def parsed(lines: list[bytes]) -> list[dict[str, Any]]:
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


@cache
def events_of(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The hour and the parsed event of every readable line; read once, never changed."""
    hours = raw_lines(folder)
    return [(hour, event) for hour, lines in hours for event in parsed(lines)]


def readable_events(world: WorldSummary) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return events_of(world.folder)


def key_of(event: dict[str, Any]) -> tuple[Any, ...]:
    """What makes an event itself, without its id."""
    payload = event["payload"]
    if event["type"] == "PushEvent":
        return ("push", event["repo"]["id"], payload["push_id"])
    part = payload.get("comment") or payload.get("review") or payload.get("issue") or {}
    thread = payload.get("number") or payload.get("issue", {}).get("number")
    return (event["type"], event["actor"]["id"], event["repo"]["id"], event["created_at"],
            payload.get("action"), thread, part.get("id"), payload.get("ref"))  # fmt: skip


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---------------------------------------------------------------- determinism and arguments


def test_same_seed_gives_same_bytes_and_another_seed_another_world(
    world: WorldSummary, tmp_path: Path
) -> None:
    stale = tmp_path / "same" / "archive" / "2020-01-01-0.json.gz"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier world")
    again = write_world(tmp_path / "same", "tiny", 1, DAYS)
    other = write_world(tmp_path / "other", "tiny", 2, DAYS)
    first, second, third = (digests(w.folder) for w in (world, again, other))
    assert first == second
    assert Counter(name.split("/", 1)[0] for name in first) >= Counter(archive=47, hub=3, truth=15)
    unchanged = [name for name in first if third.get(name) == first[name]]
    assert unchanged == []


def test_scale_tiny_is_about_two_thousand_events(world: WorldSummary) -> None:
    happened = sum(row["world_count"] for row in truth(world.folder, "interactions"))
    assert 1_900 <= happened <= 2_000
    assert world.archive_file_count == 47
    assert world.interaction_count < happened


@pytest.mark.parametrize(
    ("scale", "days"), [("huge", DAYS), ("tiny", []), ("tiny", [DAYS[1], DAYS[0]])]
)
def test_wrong_arguments_are_refused(scale: str, days: list[date], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scale|days"):
        write_world(tmp_path, scale, 1, days)


def test_one_day_without_defects_and_a_switch_at_noon(tmp_path: Path) -> None:
    noon = datetime(2025, 10, 6, 12, tzinfo=UTC)
    world = write_world(tmp_path, "tiny", 3, DAYS[:1], era_switch=noon, with_defects=False)
    hours = truth(world.folder, "hours")
    assert {h["state"] for h in hours} == {"ok"}
    assert len(hours) == 24
    assert sum(h["lost_events"] for h in hours) == 0
    for hour, event in readable_events(world):
        if event["type"] == "PushEvent" and hour["hour"] % 12 >= 1:
            assert ("size" in event["payload"]) == (hour["hour"] < 12)


# ---------------------------------------------------------------- planted defects


def test_each_hour_is_damaged_as_planted(larger: WorldSummary) -> None:
    hours = truth(larger.folder, "hours")
    states = Counter(h["state"] for h in hours)
    assert states == {"ok": 43, "missing": 1, "truncated": 1, "corrupt": 1,
                      "malformed_lines": 1, "thin": 1}  # fmt: skip
    by_state = {h["state"]: h for h in hours if h["state"] != "ok"}
    assert not hour_path(larger.folder, by_state["missing"]).exists()
    with pytest.raises(EOFError):
        gzip.decompress(hour_path(larger.folder, by_state["truncated"]).read_bytes())
    with pytest.raises(zlib.error):
        gzip.decompress(hour_path(larger.folder, by_state["corrupt"]).read_bytes())
    typical = sorted(h["events"] for h in hours if h["state"] == "ok")[21]
    assert 0 < by_state["thin"]["events"] < 0.1 * typical
    for state in ("missing", "truncated", "corrupt", "thin"):
        assert by_state[state]["lost_events"] > 0.5 * typical
    assert sum(h["lost_events"] for h in hours if h["state"] in ("ok", "malformed_lines")) == 0


def test_truncated_hour_holds_the_recoverable_lines_of_the_truth(larger: WorldSummary) -> None:
    (hour,) = [h for h in truth(larger.folder, "hours") if h["state"] == "truncated"]
    found = 0
    with gzip.open(hour_path(larger.folder, hour)) as handle:
        try:
            for line in handle:
                found += line.endswith(b"\n")
        except EOFError:
            found += 0
    assert found == hour["recoverable_lines"]
    assert 0 < found < hour["lost_events"]


def recount(lines: list[bytes]) -> dict[str, Any]:
    """Lines, events, malformed, duplicates in the file and types, from the bytes of an hour."""
    events = parsed(lines)
    keys = [key_of(event) for event in events]
    return {
        "lines": len(lines),
        "events": len(events),
        "malformed": len(lines) - len(events),
        "duplicates": len(keys) - len(set(keys)),
        **Counter(event["type"] for event in events),
    }


def test_hours_of_the_truth_equal_a_recount_of_the_bytes(larger: WorldSummary) -> None:
    for hour, lines in raw_lines(larger.folder):
        counted = recount(lines)
        told = {k: hour[k] for k in ("lines", "events", "malformed", "duplicates")}
        told |= {k: v for k, v in hour.items() if k.endswith("Event") and v}
        assert counted == told, hour
        assert hour["malformed"] == (7 if hour["state"] == "malformed_lines" else 0)


def test_recount_notices_a_lost_and_a_doubled_line(larger: WorldSummary) -> None:
    hour, lines = next(raw_lines(larger.folder))
    assert recount(lines[1:])["lines"] != hour["lines"]
    assert recount([*lines, lines[0]])["duplicates"] == hour["duplicates"] + 1


def deduplicated(world: WorldSummary) -> tuple[list[dict[str, Any]], int, int]:
    """Events that do not stand earlier in their file day or the day before; duplicates by place."""
    last_seen: dict[tuple[Any, ...], tuple[date, int]] = {}
    kept, in_file, across = [], 0, 0
    for hour, event in readable_events(world):
        key, place = key_of(event), (hour["day"], hour["hour"])
        before = last_seen.get(key)
        last_seen[key] = place
        if before is None or (hour["day"] - before[0]).days > 1:
            kept.append(event)
        elif before == place:
            in_file += 1
        else:
            across += 1
    return kept, in_file, across


def logical_action(event: dict[str, Any]) -> str:
    pull = event["payload"].get("pull_request", {})
    action = event["payload"].get("action", "")
    if event["type"] == "ForkEvent":
        return "forked"
    return "merged" if action == "closed" and pull.get("merged") else action


def test_interactions_of_the_truth_equal_a_recount(larger: WorldSummary) -> None:
    kept, in_file, across = deduplicated(larger)
    counted: Counter[tuple[str, ...]] = Counter()
    commits = 0
    for event in kept:
        counted[event["created_at"][:10], event["type"], logical_action(event)] += 1
        commits += event["payload"].get("size", 0)
    told: Counter[tuple[str, ...]] = Counter()
    rows = truth(larger.folder, "interactions")
    for row in rows:
        if row["count"]:
            told[row["day"].isoformat(), row["event_type"], row["action"]] += row["count"]
    assert counted == told
    assert commits == sum(row["commit_count"] for row in rows)
    hours = truth(larger.folder, "hours")
    assert in_file == sum(h["duplicates"] for h in hours) >= 20
    assert across == sum(h["earlier_duplicates"] for h in hours) >= 60
    assert all(row["count"] <= row["world_count"] for row in rows)


def test_flows_of_repositories_equal_a_recount(larger: WorldSummary) -> None:
    kept, _, _ = deduplicated(larger)
    events: Counter[int] = Counter(event["repo"]["id"] for event in kept)
    issues: Counter[int] = Counter()
    merged: Counter[int] = Counter()
    for event in kept:
        issue = event["payload"].get("issue")
        if issue and "pull_request" not in issue and logical_action(event) in ("opened", "created"):
            issues[event["repo"]["id"]] += 1
        if logical_action(event) == "merged":
            merged[event["repo"]["id"]] += 1
    for row in truth(larger.folder, "repositories"):
        number = row["repository_id"]
        assert row["event_flow"] == events[number]
        assert row["issue_flow"] == issues[number]
        assert row["pull_request_merged_flow"] == merged[number]
    assert sum(merged.values()) > 50


def test_late_copied_and_renumbered_events_are_there(larger: WorldSummary) -> None:
    places: dict[tuple[Any, ...], set[tuple[int, str]]] = defaultdict(set)
    ages: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for hour, event in readable_events(larger):
        day = datetime.combine(hour["day"], datetime.min.time(), UTC)
        file = int(day.timestamp()) // 3_600 + hour["hour"]
        created = datetime.fromisoformat(event["created_at"]).timestamp()
        places[key_of(event)].add((file, event["id"]))
        ages[key_of(event)].append(file - created / 3_600)
    # Copies are old as well, but their originals are not.
    late = [age for found in ages.values() if (age := min(found)) > 22]
    assert len(late) >= 20
    assert max(late) < 25
    moved = [sorted(found) for found in places.values() if len(found) == 2]
    steps = Counter(second[0] - first[0] for first, second in moved)
    assert set(steps) == {1, 24}
    assert steps[24] >= 15
    assert sum(first[1] != second[1] for first, second in moved) >= 15
    across_midnight = [f for f, s in moved if f[0] % 24 == 23 and s[0] == f[0] + 1]
    assert across_midnight


def test_ids_restart_are_unsorted_and_collide_across_types_only(larger: WorldSummary) -> None:
    types_of: dict[str, set[str]] = defaultdict(set)
    keys_of: dict[tuple[str, str], set[tuple[Any, ...]]] = defaultdict(set)
    unsorted_ids = unsorted_times = 0
    for hour, lines in raw_lines(larger.folder):
        events = parsed(lines)
        ids = [int(event["id"]) for event in events]
        times = [event["created_at"] for event in events]
        unsorted_ids += ids != sorted(ids)
        unsorted_times += times != sorted(times)
        # Copies from the day before keep their ids; all others have those of the hour's era.
        new = sum(number < 2e10 for number in ids)
        assert new == 0 if hour["era"] == "E2" else new >= 0.8 * len(ids)
        for event in events:
            types_of[event["id"]].add(event["type"])
            keys_of[event["type"], event["id"]].add(key_of(event))
    assert unsorted_ids > 40
    assert unsorted_times > 40
    assert any(len(types) == 2 for types in types_of.values())
    assert all(len(keys) == 1 for keys in keys_of.values())


def test_names_change_hands(larger: WorldSummary) -> None:
    names, ids = defaultdict(set), defaultdict(set)
    for _, event in readable_events(larger):
        names[event["repo"]["id"]].add(event["repo"]["name"])
        ids[event["repo"]["name"]].add(event["repo"]["id"])
    renamed = [n for n in names.values() if len(n) == 2]
    assert len(renamed) >= 3
    assert max(len(n) for n in names.values()) == 2
    assert sum(len(found) == 2 for found in ids.values()) == 1


# ---------------------------------------------------------------- hostile and personal content


HOSTILE = set(words.HOSTILE)


def test_hostile_content_is_there_and_escaped(larger: WorldSummary) -> None:
    raw = b"\n".join(line for _, lines in raw_lines(larger.folder) for line in lines)
    for fragment in (b"\\u0000", b"<script>", b"=HYPERLINK(", "\u2028".encode(),
                     "\U0001f680".encode(), b"onerror=alert"):  # fmt: skip
        assert fragment in raw
    assert b"\x00" not in raw
    titles, messages = set(), set()
    for _, event in readable_events(larger):
        payload = event["payload"]
        title = (payload.get("issue") or payload.get("pull_request") or {}).get("title")
        titles.add(title or "")
        messages |= {commit["message"] for commit in payload.get("commits", [])}
    for texts in (titles, messages):
        assert len(texts & HOSTILE) >= 4


def test_addresses_are_obfuscated_in_commits_and_plain_only_in_reserved_domains(
    larger: WorldSummary,
) -> None:
    plain, hashed, bot_logins = set(), 0, set()
    for _, event in readable_events(larger):
        for commit in event["payload"].get("commits", []):
            assert re.fullmatch(r"[0-9a-f]{40}@[a-z.-]+", commit["author"]["email"])
            hashed += 1
        text = json.dumps(event["payload"])
        plain |= set(re.findall(r"[a-z]+\.[a-z]+@([a-z.]+[a-z])", text))
        if event["actor"]["login"].endswith("[bot]"):
            bot_logins.add(event["actor"]["login"])
            assert event["actor"]["display_login"] == event["actor"]["login"][:-5]
    assert plain == {"example.org", "example.com", "example.net"}
    assert hashed > 1_000
    assert len(bot_logins) >= 3


def test_pushes_have_the_sizes_the_older_era_had(larger: WorldSummary) -> None:
    sizes = []
    for _, event in readable_events(larger):
        payload = event["payload"]
        if event["type"] == "PushEvent" and "size" in payload:
            sizes.append(payload["size"])
            assert len(payload["commits"]) == min(payload["size"], 20)
            assert payload["distinct_size"] <= payload["size"]
            if payload["commits"]:
                assert payload["commits"][-1]["sha"] == payload["head"]
    assert 0 in sizes
    assert max(sizes) > 20
    assert sorted(sizes)[len(sizes) // 2] == 1


def test_only_organisations_have_an_org(larger: WorldSummary) -> None:
    # A repository may be transferred, so the owner is who the name says.
    owned = {
        row["login"]: row["kind"] == "Organization"
        for row in truth(larger.folder, "github_accounts")
    }
    seen: Counter[bool] = Counter()
    for _, event in readable_events(larger):
        assert ("org" in event) == owned[event["repo"]["name"].split("/", 1)[0]]
        seen["org" in event] += 1
        if "org" in event:
            assert event["repo"]["name"].startswith(event["org"]["login"] + "/")
    assert min(seen.values()) > 1_000


# ---------------------------------------------------------------- shapes against the real files

# Present or absent by what the event is about, which a few real examples do not show.
OPTIONAL = {"org"}
Shape = dict[str, dict[str, Counter[str]]]


def real_file(name: str) -> Path:
    path = REAL / "gharchive" / name
    if not path.exists():
        pytest.skip(f"the real file {name} is not here (set REAL_DATA_DIR)")
    return path


def real_events(name: str) -> Iterator[dict[str, Any]]:
    path = real_file(name)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
        for line in handle:
            yield json.loads(line)


def json_type(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "bool", int: "number", float: "number", str: "text", list: "list",
            dict: "object"}[type(value)]  # fmt: skip


def measure(path: str, value: Any, shape: Shape) -> None:
    """Adds to each path its JSON types, and for objects how often each key is there."""
    entry = shape.setdefault(path, {"types": Counter(), "keys": Counter()})
    entry["types"][json_type(value)] += 1
    if isinstance(value, dict):
        entry["keys"].update(list(value))
        for key, inner in value.items():
            measure(f"{path}.{key}", inner, shape)
    elif isinstance(value, list):
        for inner in value:
            measure(f"{path}[]", inner, shape)


def shapes_of(events: Iterator[dict[str, Any]]) -> Shape:
    shape: Shape = {}
    for event in events:
        measure(event["type"], event, shape)
    return shape


def differences(ours: Shape, real: Shape, types: dict[str, set[str]]) -> list[str]:
    """Where our shape is none the real platform writes.

    Every key that is always there must always be here, no key may be here that never is there,
    and no path may have a JSON type it never has. `types` are the types seen in any era: a key
    that is null in the one real example of an era may hold a text in the other.
    """
    found = []
    for path, entry in ours.items():
        if path not in real:
            continue
        there, here = real[path], entry
        count, real_count = here["types"]["object"], there["types"]["object"]
        if count and real_count:
            always = {k for k, n in there["keys"].items() if n == real_count} - OPTIONAL
            kept = {k for k, n in here["keys"].items() if n == count}
            found += [f"{path}: without {key}" for key in sorted(always - kept)]
            unknown = set(here["keys"]) - set(there["keys"]) - OPTIONAL
            found += [f"{path}: unknown {key}" for key in sorted(unknown)]
        strange = set(here["types"]) - types[path]
        found += [f"{path}: type {kind}" for kind in sorted(strange)]
    return found


def real_types(*shapes: Shape) -> dict[str, set[str]]:
    """Types by path. A pull request is the same object in every payload that holds one, and so
    is an issue: what few reviews show (none of a closed pull request) the others do."""
    types: dict[str, set[str]] = defaultdict(set)
    for shape in shapes:
        for path, entry in shape.items():
            types[path] |= set(entry["types"])
    for part in (".payload.pull_request", ".payload.issue"):
        shared: dict[str, set[str]] = defaultdict(set)
        for path, found in types.items():
            if part in path:
                shared[path.split(part, 1)[1]] |= found
        for path in types:
            if part in path:
                types[path] |= shared[path.split(part, 1)[1]]
    return types


@pytest.fixture(scope="module")
def real_shapes() -> tuple[Shape, Shape, dict[str, set[str]]]:
    drift = list(real_events("push-drift-pair.jsonl"))
    # The payload of 2021 has no repository_id yet, that of 2024 has it: pushes follow 2024.
    old = [e for e in real_events("excerpt-2021-07-21-6.json.gz") if e["type"] != "PushEvent"]
    old.append(drift[0])
    new = [e for name in NEW_FILES for e in real_events(name)] + [drift[1]]
    old_shape, new_shape = shapes_of(iter(old)), shapes_of(iter(new))
    every = shapes_of(real_events("excerpt-2021-07-21-6.json.gz"))
    # Pushes and the like have no optional values; leaving them out saves most of the time.
    simple = {"PushEvent", "CreateEvent", "DeleteEvent", "WatchEvent"}
    earliest = shapes_of(e for e in real_events("2015-01-01-0.json.gz") if e["type"] not in simple)
    return old_shape, new_shape, real_types(old_shape, new_shape, every, earliest)


def twin_shape(world: WorldSummary, era: str) -> Shape:
    """Events of one era, without the first hour after the switch, which holds older copies."""
    return shapes_of(
        event
        for hour, event in readable_events(world)
        if hour["era"] == era and not (era == "E3" and older_shape(event))
    )


def older_shape(event: dict[str, Any]) -> bool:
    """A copy of an event from before the switch keeps its shape and its id."""
    return int(event["id"]) > 50_000_000_000


def test_older_era_has_the_shapes_of_the_real_files(
    larger: WorldSummary, real_shapes: tuple[Shape, Shape, dict[str, set[str]]]
) -> None:
    ours = twin_shape(larger, "E2")
    assert {path for path in ours if "." not in path} == {
        path for path in real_shapes[0] if "." not in path
    }
    assert differences(ours, real_shapes[0], real_shapes[2]) == []
    assert len(ours["PullRequestEvent.payload.pull_request"]["keys"]) == 48


def test_newer_era_has_the_shapes_of_the_real_files(
    larger: WorldSummary, real_shapes: tuple[Shape, Shape, dict[str, set[str]]]
) -> None:
    ours = twin_shape(larger, "E3")
    assert {path for path in real_shapes[1] if "." not in path} == SEEN_NEW
    assert differences(ours, real_shapes[1], real_shapes[2]) == []
    slim = {"url", "id", "number", "head", "base"}
    for kind in ("PullRequestEvent", "PullRequestReviewEvent", "PullRequestReviewCommentEvent"):
        assert set(ours[f"{kind}.payload.pull_request"]["keys"]) == slim
    for kind in {path for path in ours if "." not in path} - SEEN_NEW:
        for part in ("", ".actor", ".repo", ".org"):
            if kind + part in ours:
                keys, known = ours[kind + part]["keys"], ours[f"WatchEvent{part}"]["keys"]
                assert set(keys) - OPTIONAL == set(known) - OPTIONAL


def test_types_of_the_newer_era_are_those_of_the_older_where_there_is_no_example(
    larger: WorldSummary, real_shapes: tuple[Shape, Shape, dict[str, set[str]]]
) -> None:
    """Comments and reviews of the newer era were not seen: what they kept has the known types."""
    ours, known = twin_shape(larger, "E3"), real_shapes[2]
    compared = 0
    for path, entry in ours.items():
        if path.split(".", 1)[0] not in SEEN_NEW and path in known:
            assert set(entry["types"]) <= known[path], path
            compared += 1
    assert compared > 200


def test_merges_are_told_in_the_way_of_each_era(larger: WorldSummary) -> None:
    told: Counter[tuple[str, str, Any]] = Counter()
    for hour, event in readable_events(larger):
        if event["type"] == "PullRequestEvent" and not (hour["era"] == "E3" and older_shape(event)):
            payload = event["payload"]
            told[hour["era"], payload["action"], payload["pull_request"].get("merged")] += 1
    assert set(told) == {
        ("E2", "opened", False), ("E2", "closed", True), ("E2", "closed", False),
        ("E2", "reopened", False), ("E3", "opened", None), ("E3", "merged", None),
        ("E3", "closed", None), ("E3", "reopened", None),
    }  # fmt: skip


def test_comparison_of_shapes_sees_missing_unknown_and_mistyped_keys() -> None:
    real = shapes_of(iter([{"type": "T", "a": 1, "b": None}, {"type": "T", "a": 2, "b": "x"}]))
    types = real_types(real)
    assert differences(shapes_of(iter([{"type": "T", "a": 1, "b": "y"}])), real, types) == []
    assert differences(shapes_of(iter([{"type": "T", "b": "y"}])), real, types) == ["T: without a"]
    wrong = shapes_of(iter([{"type": "T", "a": "1", "b": None, "c": 1}]))
    assert differences(wrong, real, types) == ["T: unknown c", "T.a: type text"]


# ---------------------------------------------------------------- the Hub


def hub_lines(world: WorldSummary, name: str) -> list[dict[str, Any]]:
    with gzip.open(world.folder / "hub" / f"{name}.jsonl.gz") as handle:
        return [json.loads(line) for line in handle]


def test_hub_counts_of_the_truth_equal_a_recount(larger: WorldSummary) -> None:
    models = {m["id"]: m for m in hub_lines(larger, "models")}
    people: Counter[str] = Counter()
    system: Counter[str] = Counter()
    for line in hub_lines(larger, "commits"):
        authors = [author["user"] for author in line["commit"]["authors"]]
        (system if authors == ["system"] else people)[line["repo_id"]] += 1
    threads: Counter[tuple[str, bool]] = Counter()
    for line in hub_lines(larger, "discussions"):
        threads[line["repo_id"], line["discussion"]["isPullRequest"]] += 1
    rows = truth(larger.folder, "hub_models")
    # The Hub lists what can be seen: some models are deleted, private or not yet there.
    assert 1_900 < len(rows) == len(models) <= 2_010
    for row in rows:
        name = row["repository_name"]
        assert models[name]["_id"] == row["repository_id"]
        assert models[name]["likes"] == row["like_count"]
        assert people[name] == row["commit_count"]
        assert system[name] == 1
        assert threads[name, False] == row["discussion_count"]
        assert threads[name, True] == row["pull_request_count"]
    totals = {row["quantity"]: row["count"] for row in truth(larger.folder, "hub_totals")}
    assert totals["commit"] == sum(people.values())
    assert totals["discussion"] == sum(n for (_, pull), n in threads.items() if not pull)
    lowered = Counter(name.lower() for name in models)
    assert sorted(lowered.values())[-2:] == [1, 2]


def test_hub_answers_are_read_by_the_client(larger: WorldSummary) -> None:
    hf_api = pytest.importorskip("huggingface_hub.hf_api")
    floor = datetime(2022, 3, 2, 23, 29, 4, tzinfo=UTC)
    floored = 0
    forms: Counter[str] = Counter()
    for line in hub_lines(larger, "models"):
        info = hf_api.ModelInfo(**line)
        assert info.author == info.id.split("/")[0]
        assert info.created_at >= floor
        assert info.gated in (False, "auto", "manual")
        forms[type((line.get("cardData") or {}).get("base_model")).__name__] += 1
        forms[str(info.gated)] += 1
        floored += info.created_at == floor
    assert 0 < floored < 0.2 * 2_000
    assert min(forms[form] for form in ("str", "list", "auto", "manual")) > 0
    for line in hub_lines(larger, "discussions"):
        thread = line["discussion"]
        assert thread["repo"] == {"name": line["repo_id"], "type": line["repo_type"]}
        assert {"num", "title", "status", "isPullRequest", "numComments"} <= set(thread)
        assert hf_api.parse_datetime(thread["createdAt"]).year >= 2022


def test_hub_list_form_is_part_of_the_expanded_form(larger: WorldSummary) -> None:
    path = REAL / "huggingface" / "api-models-list-2026-05.json"
    if not path.exists():
        pytest.skip("the real file of the models list is not here (set REAL_DATA_DIR)")
    real = json.loads(path.read_text(encoding="utf-8"))[0]
    # `modelId` repeats `id` and is not expandable.
    wanted = {k: json_type(v) for k, v in real.items() if k != "modelId"}
    (full,) = [m for m in hub_lines(larger, "models") if set(wanted) <= set(m)][:1]
    assert {k: json_type(full[k]) for k in wanted} == wanted


def test_system_commit_is_the_oldest_and_last_modified_the_newest(larger: WorldSummary) -> None:
    commits: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in hub_lines(larger, "commits"):
        commits[line["repo_id"]].append(line["commit"])
    for model in hub_lines(larger, "models"):
        listed = commits[model["id"]]
        dates = [commit["date"] for commit in listed]
        assert dates == sorted(dates, reverse=True)
        assert listed[-1]["authors"] == [{"user": "system"}]
        assert dates[0] == model["lastModified"] <= "2025-10-07T23:59:59.000Z"


def test_discussions_number_from_one_without_gaps_in_order_of_time(larger: WorldSummary) -> None:
    threads: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in hub_lines(larger, "discussions"):
        threads[line["repo_id"]].append(line["discussion"])
    deleted = 0
    for listed in threads.values():
        assert [t["num"] for t in listed] == list(range(len(listed), 0, -1))
        dates = [t["createdAt"] for t in listed]
        assert dates == sorted(dates, reverse=True)
        deleted += sum("author" not in t for t in listed)
    assert deleted > 0


# ---------------------------------------------------------------- heavy tails


def summary_of(values: list[int]) -> tuple[float, float, float, int]:
    """Median, mean, zero share, maximum."""
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    zeros = sum(value == 0 for value in ordered) / len(ordered)
    return middle, sum(ordered) / len(ordered), zeros, ordered[-1]


# Table, column, median, bounds of the mean, zero share; tolerance of the share is 0.02.
TAILS = [
    ("repositories", "commit_stock", 24, (400, 4_000), 0.0),
    ("repositories", "issue_stock", 0, (15, 90), 0.55),
    ("repositories", "star_stock", 16, (80, 260), 0.09),
    ("hub_models", "commit_count", 2, (6, 16), 0.0),
    ("hub_models", "discussion_count", 0, (0.1, 0.4), 0.93),
    ("hub_models", "like_count", 0, (0.5, 1.6), 0.82),
]


@pytest.mark.parametrize(("table", "column", "median", "mean", "zero_share"), TAILS)
def test_stocks_are_heavy_tailed_around_the_published_medians(
    larger: WorldSummary,
    table: str,
    column: str,
    median: float,
    mean: tuple[float, float],
    zero_share: float,
) -> None:
    found = summary_of([row[column] for row in truth(larger.folder, table)])
    assert abs(found[0] - median) <= max(1, 0.1 * median) if median > 2 else found[0] == median
    assert mean[0] <= found[1] <= mean[1]
    assert abs(found[2] - zero_share) <= 0.02
    assert found[3] > 20 * max(found[1], 1)


def test_flow_is_heavy_tailed_and_both_sides_of_2016_are_there(larger: WorldSummary) -> None:
    rows = truth(larger.folder, "repositories")
    median, mean, _, largest = summary_of([row["event_flow"] for row in rows])
    assert mean > 1.3 * median
    assert largest > 8 * mean
    assert summary_of([row["issue_flow"] for row in rows])[0] == 0
    old = sum(row["created_at"].year < 2016 for row in rows) / len(rows)
    assert 0.1 < old < 0.2


def test_stars_of_the_older_pull_requests_are_the_planted_stock(larger: WorldSummary) -> None:
    planted = {row["repository_id"]: row for row in truth(larger.folder, "repositories")}
    seen = 0
    for hour, event in readable_events(larger):
        if event["type"] == "PullRequestEvent" and hour["era"] == "E2":
            base = event["payload"]["pull_request"]["base"]["repo"]
            row = planted[base["id"]]
            assert base["stargazers_count"] == row["star_stock"]
            assert base["created_at"] == row["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
            seen += 1
    assert seen > 100
