"""The Hub's endpoints against a server on the loopback interface."""

import base64
import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hub_server import Fault, Hub, model, serving

from orchestration.clients import huggingface
from orchestration.clients.huggingface import CursorRefused, Part, RepositoryPages, hub_client
from orchestration.failures import OsmoscopeError, PermanentFailure, TransientFailure

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz123456"
SALT = b"0123456789abcdef-salt"
NAME = "owner-1/model-1"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving([model(number) for number in range(25)]) as server:
        yield server


class Clock:
    """Sleeps that take no time."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.now = 1_000.0

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def client_of(hub: Hub, token: str = "", **options: Any) -> huggingface.HubClient:
    clock = Clock()
    timing = {"sleep": clock, "monotonic": clock.monotonic}
    return hub_client(hub.url, [token], SALT, **{**timing, **options})


def pages_of(hub: Hub, token: str = "", **options: Any) -> RepositoryPages:
    return RepositoryPages(client_of(hub, token, **options), page_size=10)


def ids(pages: RepositoryPages, url: str | None = None) -> list[str]:
    return [orjson.loads(item)["id"] for page in pages.walk(url) for item in page.items]


# ---------------------------------------------------------------- listings


def test_walks_all_pages_in_order_and_once(hub: Hub) -> None:
    sent: list[Any] = []
    assert ids(pages_of(hub, told=sent.append)) == [entry["id"] for entry in hub.models]
    assert hub.starts == [0, 10, 20]
    assert [(one.kind, one.account, one.status) for one in sent] == [
        ("hub.api", "anonymous", 200)
    ] * 3


def test_asks_for_what_the_lake_has_columns_for(hub: Hub) -> None:
    next(pages_of(hub).walk())
    query = parse_qs(urlsplit(hub.requests[0]).query)
    assert query["limit"] == ["10"]
    assert query["sort"] == ["createdAt"]
    assert {"lastModified", "gated", "downloadsAllTime", "cardData", "sha"} <= set(query["expand"])
    assert "siblings" not in query["expand"]


def test_data_sets_and_spaces_are_listed_apart(hub: Hub) -> None:
    hub.datasets, hub.spaces = [{"id": "a/set"}], [{"id": "a/space"}]
    client = client_of(hub)
    assert ids(RepositoryPages(client, "dataset")) == ["a/set"]
    assert ids(RepositoryPages(client, "space")) == ["a/space"]


def test_expanded_keys_are_known_to_the_client() -> None:
    from huggingface_hub import hf_api

    known = {
        "model": hf_api.ExpandModelProperty_T,
        "dataset": hf_api.ExpandDatasetProperty_T,
        "space": hf_api.ExpandSpaceProperty_T,
    }
    for kind in huggingface.KINDS:
        assert set(huggingface.EXPANDED[kind]) <= set(get_args(known[kind]))
        assert {"likes", "lastModified", "createdAt", "sha"} <= set(huggingface.EXPANDED[kind])


def test_goes_on_from_a_kept_cursor(hub: Hub) -> None:
    kept = next(pages_of(hub).walk()).next_url
    assert ids(pages_of(hub), kept) == [entry["id"] for entry in hub.models[10:]]


def test_a_relative_next_link_is_followed(hub: Hub) -> None:
    cursor = base64.b64encode(b"20").decode()
    hub.link = f'</api/models?limit=10&cursor={cursor}>; rel="next"'
    assert len(ids(pages_of(hub))) == 15


def test_a_packed_page_is_unpacked(hub: Hub) -> None:
    body = gzip.compress(orjson.dumps(hub.models[:2]))
    hub.faults.append(Fault(200, {"content-encoding": "gzip"}, body))
    assert ids(pages_of(hub)) == [entry["id"] for entry in hub.models[:2]]


def test_waits_as_a_refusal_asks(hub: Hub) -> None:
    clock = Clock()
    hub.faults.append(Fault(429, {"retry-after": "7"}))
    pages = pages_of(hub, sleep=clock, monotonic=clock.monotonic)
    assert len(ids(pages)) == 25
    assert 7.0 <= sum(clock.waits) < 9.0


def test_waits_before_the_limit_is_broken(hub: Hub) -> None:
    clock = Clock()
    hub.headers = {"ratelimit": '"api";r=0;t=9', "ratelimit-policy": '"fixed";"api";q=500;w=300'}
    pages = pages_of(hub, sleep=clock, monotonic=clock.monotonic)
    assert len(ids(pages)) == 25
    # After each of the three pages but the last, until the window ends.
    assert 18.0 <= sum(clock.waits) <= 22.0


def test_gives_up_after_a_bounded_number_of_tries(hub: Hub) -> None:
    hub.faults.extend([Fault(503)] * 50)
    with pytest.raises(TransientFailure, match=r"4 tries .HTTP 503") as caught:
        ids(pages_of(hub, attempts=4))
    assert len(hub.requests) == 4
    assert "goes on where it stopped" in caught.value.remedy


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b'{"error":"x"}', b'[{"id":', b"\xff"])
def test_an_answer_that_is_no_list_is_asked_for_again(hub: Hub, body: bytes) -> None:
    hub.faults.append(Fault(200, {}, body))
    assert len(ids(pages_of(hub))) == 25
    hub.faults.extend([Fault(200, {}, body)] * 6)
    with pytest.raises(TransientFailure, match="no JSON"):
        ids(pages_of(hub))


def test_an_answer_that_was_cut_short_is_asked_for_again(hub: Hub) -> None:
    hub.faults.append(Fault(200, {"content-length": "10", "connection": "close"}, b"[1]"))
    assert len(ids(pages_of(hub))) == 25


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "HF_TOKEN"),
        (403, "HF_TOKEN"),
        (404, "huggingface.endpoint"),
        (400, "huggingface.endpoint"),
        (302, "huggingface.endpoint"),
    ],
)
def test_a_refusal_is_permanent_and_asked_once(hub: Hub, status: int, remedy: str) -> None:
    hub.faults.append(Fault(status, {"location": "https://elsewhere.example/"}))
    with pytest.raises(PermanentFailure, match=str(status)) as caught:
        ids(pages_of(hub))
    assert remedy in caught.value.remedy
    assert len(hub.requests) == 1


def test_an_unknown_cursor_is_told_apart(hub: Hub) -> None:
    hub.known_cursors = set()
    with pytest.raises(CursorRefused, match="400"):
        ids(pages_of(hub))


def test_a_foreign_next_link_is_refused_and_gets_no_token(hub: Hub) -> None:
    with serving([model(1)]) as foreign:
        hub.link = f'<{foreign.url}/api/models?limit=10>; rel="next"'
        with pytest.raises(PermanentFailure, match="leads away"):
            ids(pages_of(hub, TOKEN))
        assert foreign.requests == []


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1/api/models",
        "//elsewhere.example/api/models",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/x",
        "http://user@elsewhere.example/",
    ],
)
def test_no_form_of_foreign_link_is_followed(hub: Hub, link: str) -> None:
    hub.link = f'<{link}>; rel="next"'
    with pytest.raises(PermanentFailure, match="leads away"):
        ids(pages_of(hub))
    assert len(hub.requests) == 1


def test_a_kept_cursor_of_another_host_is_refused(hub: Hub) -> None:
    with pytest.raises(PermanentFailure, match="leads away"):
        ids(pages_of(hub), "https://elsewhere.example/api/models?cursor=1")
    assert hub.requests == []


def test_pages_in_a_circle_end(hub: Hub) -> None:
    first = pages_of(hub).first_url
    hub.link = f'<{first}>; rel="next"'
    with pytest.raises(PermanentFailure, match="circle after 1 pages"):
        ids(pages_of(hub))


def test_a_page_is_bounded(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface, "MAX_PAGE_BYTES", 1000)
    bomb = gzip.compress(b"[" + b" " * 1_000_000 + b"]")
    hub.faults.append(Fault(200, {"content-encoding": "gzip"}, bomb))
    with pytest.raises(PermanentFailure, match="larger than 1000 bytes"):
        ids(pages_of(hub))


def test_half_a_surrogate_pair_costs_a_character_only(hub: Hub) -> None:
    hub.faults.append(Fault(200, {}, b'[{"id":"a/b"},{"id":"c/\\ud800"}]'))
    page = next(pages_of(hub).walk())
    assert [orjson.loads(item)["id"] for item in page.items] == ["a/b", "c/\ufffd"]


# ---------------------------------------------------------------- tokens


def test_the_token_is_sent_to_the_hub(hub: Hub) -> None:
    ids(pages_of(hub, f" {TOKEN}\n"))
    assert set(hub.tokens) == {f"Bearer {TOKEN}"}


def test_no_token_means_none_even_if_one_is_cached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    ids(pages_of(hub))
    assert set(hub.tokens) == {None}


def test_the_token_is_never_shown(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(pages_of(hub, TOKEN))]
    for faults in (
        [Fault(401)],
        [Fault(404)],
        [Fault(503)] * 9,
        [Fault(200, {}, TOKEN.encode())] * 9,
    ):
        hub.faults.clear()
        hub.faults.extend(faults)
        with pytest.raises(OsmoscopeError) as caught:
            ids(pages_of(hub, TOKEN))
        shown.append(f"{caught.getrepr(style='long', chain=True)} {caught.value.remedy}")
    hub.faults.clear()
    hub.faults.append(Fault(401))
    with pytest.raises(PermanentFailure) as refused:
        client_of(hub, TOKEN).commits("model", NAME)
    shown.append(f"{refused.getrepr(style='long', chain=True)}")
    assert all(str(status) in " ".join(shown) for status in (401, 404, 503))
    assert TOKEN not in " ".join(str(record.__dict__) for record in caplog.records)
    # pytest's own source excerpts name the variable, not its value.
    assert not [text for text in shown if TOKEN in text]


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_ä", "hf_a b", "hf_\x00"])
def test_an_impossible_token_is_refused_unshown(hub: Hub, token: str) -> None:
    with pytest.raises(PermanentFailure) as caught:
        pages_of(hub, token)
    assert token not in str(caught.value)
    assert "HF_TOKEN" in caught.value.remedy


# ---------------------------------------------------------------- single repositories


def refused(hub: Hub, ending: str, answer: Fault, token: str = "", gated: bool = False) -> Part:
    """What a client makes of one answer about a model, an organisation or a user."""
    client = client_of(hub, token)
    path, ask = {
        "commits": (f"/api/models/{NAME}/commits/main", lambda: client.commits(
            "model", NAME, is_gated=gated)),
        "discussions": (f"/api/models/{NAME}/discussions", lambda: client.discussions(
            "model", NAME)),
        "members": ("/api/organizations/org/members", lambda: client.members("org")),
        "user": ("/api/users/ana/overview", lambda: client.user("ana")),
    }[ending]  # fmt: skip
    hub.answers[path] = answer
    part = ask()
    assert len(hub.requests) == 1
    return part


GATED = {"x-error-code": "GatedRepo", "x-error-message": "Access to model a/b is restricted."}
UNKNOWN = {"x-error-code": "RepoNotFound"}
DISABLED = {"x-error-message": "Access to this resource is disabled."}


@pytest.mark.parametrize(
    ("ending", "status", "headers", "outcome"),
    [
        ("commits", 401, UNKNOWN, "absent"),
        ("commits", 401, {}, "absent"),
        ("commits", 404, UNKNOWN, "absent"),
        ("commits", 401, GATED, "refused"),
        ("commits", 403, GATED, "refused"),
        ("commits", 403, {}, "refused"),
        ("commits", 403, DISABLED, "disabled"),
        ("commits", 410, {}, "gone"),
        ("commits", 451, {}, "dmca"),
        ("discussions", 403, {"x-error-message": "Discussions are disabled for this repo"}, "gone"),
        ("discussions", 410, {}, "gone"),
        ("discussions", 403, DISABLED, "disabled"),
        ("discussions", 404, {}, "absent"),
        ("members", 403, {}, "hidden"),
        ("members", 404, {}, "absent"),
        ("user", 404, {}, "absent"),
    ],
)
def test_what_a_refusal_says(
    hub: Hub, ending: str, status: int, headers: dict[str, str], outcome: str
) -> None:
    part = refused(hub, ending, Fault(status, headers))
    assert (part.outcome, part.items) == (outcome, [])
    assert part.reason is not None
    assert part.reason.startswith(f"HTTP {status}")


def test_the_flag_of_the_listing_tells_a_gated_model_from_an_absent_one(hub: Hub) -> None:
    assert refused(hub, "commits", Fault(401), gated=True).outcome == "refused"
    hub.requests.clear()
    assert refused(hub, "commits", Fault(401, UNKNOWN), gated=True).outcome == "absent"


def test_a_bad_token_is_no_answer_about_a_repository(hub: Hub) -> None:
    with pytest.raises(PermanentFailure, match="token") as caught:
        refused(hub, "commits", Fault(401), token=TOKEN)
    assert "HF_TOKEN" in caught.value.remedy
    hub.requests.clear()
    assert refused(hub, "commits", Fault(401, UNKNOWN), token=TOKEN).outcome == "absent"


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/api/models/New-Owner/new.name/commits/main?limit=1000", "New-Owner/new.name"),
        ("/api/models/New%2DOwner/x/commits/main", "New-Owner/x"),
        ("https://elsewhere.example/api/models/a/b/commits/main", None),
        ("/login?next=/a/b", None),
        ("/api/models/a%0Ab/c/commits/main", None),
        ("/api/models/a/b/c/commits/main", None),
        (f"/api/models/{NAME}/commits/main", None),
        ("", None),
    ],
)
def test_a_redirect_tells_the_name_and_is_not_followed(
    hub: Hub, location: str, name: str | None
) -> None:
    part = refused(hub, "commits", Fault(307, {"location": location}))
    assert (part.outcome, part.name_now) == ("renamed", name)


def test_a_user_may_be_written_otherwise(hub: Hub) -> None:
    part = refused(hub, "user", Fault(307, {"location": "/api/users/Ana/overview"}))
    assert (part.outcome, part.name_now) == ("renamed", "Ana")


def test_commits_have_pages_and_a_total(hub: Hub) -> None:
    link = {"link": f'<{hub.url}/api/models/{NAME}/commits/main?p=1>; rel="next"'}
    path = f"/api/models/{NAME}/commits/main"
    hub.answers[path] = Fault(200, {**link, "x-total-count": "3"}, b'[{"id":"a"},{"id":"b"},7]')
    part = client_of(hub).commits("model", NAME)
    assert (len(part.items), part.total, part.next_url is None) == (2, 3, False)
    assert hub.requests == [f"{path}?limit=1000"]
    client_of(hub).commits("model", NAME, 2, "refs/x")
    assert hub.requests[1] == f"/api/models/{NAME}/commits/refs%2Fx?limit=1000&p=2"


@pytest.mark.parametrize("name", ["../../whoami-v2", "a/..", "a?b", "a#b/c", "a/b/c", "", "a b"])
def test_a_name_cannot_leave_its_place_in_the_address(hub: Hub, name: str) -> None:
    client = client_of(hub, TOKEN)
    for part in (client.user(name), client.commits("model", name), client.likers("space", name)):
        assert part.outcome == "absent"
    assert client.ask_access("model", name).outcome == "refused"
    assert client.may_read("model", name).outcome == "absent"
    assert hub.requests == []


def test_the_day_is_that_of_the_hub(hub: Hub) -> None:
    hub.headers["date"] = "Sat, 22 Aug 2026 23:59:58 GMT"
    assert client_of(hub).today().isoformat() == "2026-08-22"


def test_access_is_asked_for_by_a_post_that_is_not_followed(hub: Hub) -> None:
    hub.answers["/datasets/a/b/ask-access"] = Fault(303, {"location": f"{hub.url}/datasets/a/b"})
    assert client_of(hub, TOKEN).ask_access("dataset", "a/b").outcome == "ok"
    assert hub.requests == ["/datasets/a/b/ask-access"]
    hub.answers["/a/b/ask-access"] = Fault(400, {"x-error-code": "RepoNotGated"})
    part = client_of(hub, TOKEN).ask_access("model", "a/b")
    assert (part.outcome, part.reason) == ("refused", "HTTP 400 RepoNotGated")
    hub.answers["/a/b/ask-access"] = Fault(401)
    with pytest.raises(PermanentFailure, match="401"):
        client_of(hub, TOKEN).ask_access("model", "a/b")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Fault(200, {}, b"OK"), "granted"),
        (Fault(403, {**GATED, "x-error-message": "is awaiting a review from"}), "pending"),
        (Fault(403, {**GATED, "x-error-message": "has been rejected by"}), "rejected"),
        (Fault(403, GATED), "refused"),
        (Fault(404, UNKNOWN), "absent"),
    ],
)
def test_what_has_become_of_a_request(hub: Hub, answer: Fault, outcome: str) -> None:
    hub.answers["/api/models/a/b/auth-check"] = answer
    assert client_of(hub, TOKEN).may_read("model", "a/b").outcome == outcome


def test_discussions_and_details(hub: Hub) -> None:
    hub.discussions[NAME] = [{"num": 1, "title": "x"}]
    hub.events[NAME, 1] = [{"id": "e"}]
    client = client_of(hub)
    part = client.discussions("model", NAME)
    assert (part.items, part.total) == ([{"num": 1, "title": "x"}], 1)
    assert client.discussion("model", NAME, 1).items[0]["events"] == [{"id": "e"}]
    assert hub.requests[-1] == f"/api/models/{NAME}/discussions/1?diff=1"
    hub.answers[f"/api/models/{NAME}/discussions"] = Fault(200, {}, json.dumps([1]).encode())
    with pytest.raises(TransientFailure, match="no JSON object"):
        client_of(hub, attempts=2).discussions("model", NAME)
