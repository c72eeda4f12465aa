"""The pager of the Hub against a server on the loopback interface."""

import base64
import gzip
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hub_server import Fault, Hub, model, serving

from orchestration.clients import huggingface
from orchestration.clients.huggingface import CursorRefused, ModelPages
from orchestration.failures import OsmoscopeError, PermanentFailure, TransientFailure

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz123456"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving([model(number) for number in range(25)]) as server:
        yield server


class Clock:
    """Sleeps that take no time."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def pages_of(hub: Hub, clock: Clock | None = None, **more: object) -> ModelPages:
    return ModelPages(hub.url, page_size=10, sleep=clock or Clock(), **more)  # type: ignore[arg-type]


def ids(pages: ModelPages, url: str | None = None) -> list[str]:
    return [orjson.loads(item)["id"] for page in pages.walk(url) for item in page.items]


def test_walks_all_pages_in_order_and_once(hub: Hub) -> None:
    pages = pages_of(hub)
    assert ids(pages) == [entry["id"] for entry in hub.models]
    assert hub.starts == [0, 10, 20]
    assert pages.request_count == 3


def test_asks_for_what_the_lake_has_columns_for(hub: Hub) -> None:
    next(pages_of(hub).walk())
    query = parse_qs(urlsplit(hub.requests[0]).query)
    assert query["limit"] == ["10"]
    assert query["sort"] == ["createdAt"]
    assert {"lastModified", "gated", "downloadsAllTime", "cardData", "sha"} <= set(query["expand"])
    assert "siblings" not in query["expand"]


def test_expanded_keys_are_known_to_the_client() -> None:
    from typing import get_args

    from huggingface_hub.hf_api import ExpandModelProperty_T

    assert set(huggingface.EXPANDED) <= set(get_args(ExpandModelProperty_T))


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


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7.0),
        (
            {"ratelimit": '"api";r=0;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'},
            56.0,
        ),
        ({"ratelimit": '"api";r=0;t=55', "retry-after": "7"}, 56.0),
        ({"ratelimit": '"api";r=3;t=55', "retry-after": "7"}, 7.0),
        ({"retry-after": "soon"}, 1.0),
        ({}, 1.0),
    ],
)
def test_waits_as_a_refusal_asks(hub: Hub, headers: dict[str, str], expected: float) -> None:
    clock = Clock()
    hub.faults.append(Fault(429, headers))
    assert len(ids(pages_of(hub, clock))) == 25
    assert clock.waits == [expected]


def test_waits_until_the_date_of_retry_after(hub: Hub) -> None:
    clock = Clock()
    moment = datetime.now(UTC) + timedelta(seconds=90)
    hub.faults.append(Fault(503, {"retry-after": format_datetime(moment, usegmt=True)}))
    assert len(ids(pages_of(hub, clock))) == 25
    assert clock.waits == [pytest.approx(90, abs=15)]


def test_waits_before_the_limit_is_broken(hub: Hub) -> None:
    clock = Clock()
    hub.headers = {"ratelimit": '"api";r=0;t=9'}
    assert len(ids(pages_of(hub, clock))) == 25
    assert clock.waits == [10.0, 10.0]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_tries_again_and_waits_longer_each_time(hub: Hub, status: int) -> None:
    clock = Clock()
    hub.faults.extend([Fault(status)] * 3)
    assert len(ids(pages_of(hub, clock))) == 25
    assert clock.waits == [1.0, 2.0, 4.0]


def test_gives_up_after_a_bounded_number_of_tries(hub: Hub) -> None:
    hub.faults.extend([Fault(503)] * 50)
    with pytest.raises(TransientFailure, match=r"4 tries .HTTP 503") as caught:
        ids(pages_of(hub, attempts=4))
    assert len(hub.requests) == 4
    assert "goes on where it stopped" in caught.value.remedy


def test_does_not_sleep_for_hours(hub: Hub) -> None:
    clock = Clock()
    hub.faults.append(Fault(429, {"retry-after": "86400"}))
    with pytest.raises(TransientFailure, match="86400 seconds"):
        ids(pages_of(hub, clock))
    assert clock.waits == []


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b'{"error":"x"}', b'[{"id":', b"\xff"])
def test_an_answer_that_is_no_list_is_asked_for_again(hub: Hub, body: bytes) -> None:
    hub.faults.append(Fault(200, {}, body))
    assert len(ids(pages_of(hub))) == 25
    hub.faults.extend([Fault(200, {}, body)] * 6)
    with pytest.raises(TransientFailure, match="no JSON list"):
        ids(pages_of(hub))


def test_an_answer_that_was_cut_short_is_asked_for_again(hub: Hub) -> None:
    hub.faults.append(Fault(200, {"content-length": "10", "connection": "close"}, b"[1]"))
    assert len(ids(pages_of(hub))) == 25


def test_nobody_listens() -> None:
    with serving([]) as gone:
        pass
    with pytest.raises(TransientFailure, match="ConnectError"):
        ids(pages_of(gone, attempts=2))


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
            ids(pages_of(hub, token=TOKEN))
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


def test_half_a_surrogate_pair_costs_its_model_only(hub: Hub) -> None:
    hub.faults.append(Fault(200, {}, b'[{"id":"a/b"},{"id":"c/\\ud800"}]'))
    page = next(pages_of(hub).walk())
    assert orjson.loads(page.items[0]) == {"id": "a/b"}
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(page.items[1])


def test_the_token_is_sent_to_the_hub(hub: Hub) -> None:
    ids(pages_of(hub, token=f" {TOKEN}\n"))
    assert set(hub.tokens) == {f"Bearer {TOKEN}"}


def test_no_token_means_none_even_if_one_is_cached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    ids(pages_of(hub))
    assert set(hub.tokens) == {None}


def test_the_token_is_never_shown(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(pages_of(hub, token=TOKEN))]
    for faults in (
        [Fault(401)],
        [Fault(404)],
        [Fault(503)] * 9,
        [Fault(200, {}, TOKEN.encode())] * 9,
    ):
        hub.faults.clear()
        hub.faults.extend(faults)
        with pytest.raises(OsmoscopeError) as caught:
            ids(pages_of(hub, token=TOKEN))
        shown.append(f"{caught.getrepr(style='long', chain=True)} {caught.value.remedy}")
    hub.faults.clear()
    with pytest.raises(TransientFailure, match="ConnectError") as unreached:
        list(ModelPages("http://127.0.0.1:1", token=TOKEN, attempts=2, sleep=Clock()).walk())
    shown.append(f"{unreached.getrepr(style='long', chain=True)}")
    assert all(str(status) in " ".join(shown) for status in (401, 404, 503))
    assert TOKEN not in " ".join(str(record.__dict__) for record in caplog.records)
    # pytest's own source excerpts name the variable, not its value.
    assert not [text for text in shown if TOKEN in text]


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_ä", "hf_a b", "hf_\x00"])
def test_an_impossible_token_is_refused_unshown(hub: Hub, token: str) -> None:
    with pytest.raises(PermanentFailure) as caught:
        pages_of(hub, token=token)
    assert token not in str(caught.value)
    assert "HF_TOKEN" in caught.value.remedy


def test_offline_mode_is_explained(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(PermanentFailure) as caught:
        ids(pages_of(hub))
    assert "HF_HUB_OFFLINE" in caught.value.remedy
