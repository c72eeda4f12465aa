"""Requests for access to gated repositories: by whom, for what, how many, and the record."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hub_night import SALT, impatient, night, rows, served, settings
from test_hub_night import DAY, listed, subject

from assets.huggingface.access import CONFIRMATION, request_access
from orchestration.clients.huggingface import HubClient, Part
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Lake
from twin.server.app import Service

TOKEN = "hf_of_the_operator"
AGREED = {"gated_access": "request", "gated_confirmation": CONFIRMATION}
# Listings only: what is gated is in them.
LISTED = {"history_limit": 0}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def ask(service: Service, folder: Path, **options: Any) -> list[dict[str, Any]]:
    today = options.pop("today", None)
    chosen = settings(service, folder, **{**AGREED, **options})
    with impatient():
        return request_access(Lake(chosen.lake_root), chosen, SALT, today=today)


def requested(service: Service) -> list[str]:
    """Names of what was asked for, as the Hub knows it."""
    twin = service.twin
    assert twin.hub is not None
    return [subject(twin.hub_view(), request.repository) for request in twin.hub.access.all()]


def recorded(folder: Path, day: Any = DAY) -> list[Any]:
    what = "repository_type || '/' || repository_name, gated, outcome, requested_at::varchar"
    return rows(folder, "access_requests", day, what, "order by all")


@pytest.mark.parametrize(
    ("hub", "words"),
    [
        ({}, "gated_access"),
        ({"gated_access": "report", "gated_confirmation": CONFIRMATION}, "gated_access"),
        ({"gated_access": "request"}, "confirmation"),
        ({"gated_access": "request", "gated_confirmation": "yes"}, "confirmation"),
        ({"gated_access": "request", "gated_confirmation": CONFIRMATION[:-1]}, "confirmation"),
    ],
)
def test_nobody_is_asked_without_the_confirmation(
    tmp_path: Path, hub: dict[str, Any], words: str
) -> None:
    with served() as service:
        chosen = settings(service, tmp_path, **hub)
        with pytest.raises(PermanentFailure, match=words) as caught:
            request_access(Lake(chosen.lake_root), chosen, SALT)
        assert f'huggingface.gated_confirmation = "{CONFIRMATION}"' in caught.value.remedy
        assert requested(service) == []
        assert service.counters.as_json() == {}


def test_nobody_is_asked_without_a_token_or_a_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served() as service:
        with pytest.raises(PermanentFailure, match="never listed"):
            ask(service, tmp_path)
        monkeypatch.delenv("HF_TOKEN")
        with pytest.raises(PermanentFailure, match="token") as caught:
            ask(service, tmp_path)
        assert "HF_TOKEN" in caught.value.remedy
        assert requested(service) == []


def test_a_night_never_asks_for_access(tmp_path: Path) -> None:
    with served() as service:
        night(service, tmp_path, **AGREED, history_limit=5)
        assert requested(service) == []
        told = service.counters.as_json()
    assert told.keys() == {"hub.api"}
    assert recorded(tmp_path) == []


def test_every_gated_repository_is_asked_for_once_within_the_limit(tmp_path: Path) -> None:
    with served() as service:
        view = service.twin.hub_view()
        night(service, tmp_path, **LISTED)
        gated = {subject(view, i): i for i in listed(view) if view.gated[i]}
        shown = {name for name in gated if not view.is_disabled[gated[name]]}
        assert len(shown) > 8
        first = ask(service, tmp_path, gated_daily_limit=5)
        assert len(first) == len(requested(service)) == 5
        # The most liked first.
        likes = sorted((int(view.like_count[gated[name]]) for name in shown), reverse=True)
        assert [int(view.like_count[gated[n]]) for n in requested(service)] == likes[:5]
        assert ask(service, tmp_path, gated_daily_limit=5) == []
        assert len(ask(service, tmp_path, gated_daily_limit=7)) == 2
        following = DAY + timedelta(1)
        ask(service, tmp_path, today=following)
        assert sorted(requested(service)) == sorted(shown)
        # Nobody is asked for twice, on any day.
        ask(service, tmp_path, today=following + timedelta(1))
        assert len(requested(service)) == len(shown)
        found = [*recorded(tmp_path), *recorded(tmp_path, following)]
    assert {name for name, *_ in found} == shown
    for name, gate, outcome, at in found:
        i = gated[name]
        assert gate == ("no", "auto", "manual")[int(view.gated[i])]
        assert outcome == ("granted" if view.gated[i] == 1 else "pending")
        assert at == "2025-10-08 00:00:00"
    assert {outcome for *_, outcome, _ in found} == {"granted", "pending"}
    told = rows(tmp_path, "answers", DAY, "distinct tier, outcome", "where kind = 'access'")
    assert told == [("always", "ok")]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()


def test_what_was_granted_is_read_the_next_night(tmp_path: Path) -> None:
    with served() as service:
        view = service.twin.hub_view()
        models = {"repository_types": ["model"], "liker_limit": 0, "nightly_limit": 0}
        night(service, tmp_path, **models)
        ask(service, tmp_path, **models)
        granted = {name for name, _, outcome, _ in recorded(tmp_path) if outcome == "granted"}
        night(service, tmp_path, DAY + timedelta(1), **models)
        told = dict(
            rows(
                tmp_path,
                "answers",
                DAY + timedelta(1),
                "subject, outcome",
                "where kind = 'commits'",
            )
        )
    readable = {subject(view, i) for i in listed(view) if view.gated[i] and not view.is_disabled[i]}
    assert granted
    assert told == dict.fromkeys(granted & readable, "ok")


def test_killed_between_the_request_and_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for a kill."""

    asked = HubClient.ask_access

    def killed(client: HubClient, kind: str, name: str) -> Part:
        asked(client, kind, name)
        raise Killed

    with served() as service:
        night(service, tmp_path, **LISTED)
        with monkeypatch.context() as patch:
            patch.setattr(HubClient, "ask_access", killed)
            with pytest.raises(Killed):
                ask(service, tmp_path, gated_daily_limit=3)
        assert len(requested(service)) == 1
        assert recorded(tmp_path) == []
        # A night has other questions, and leaves this one alone.
        posted = service.counters.as_json()["hub.pages"]
        night(service, tmp_path, **AGREED, **LISTED)
        assert service.counters.as_json()["hub.pages"] == posted
        ask(service, tmp_path, gated_daily_limit=3)
        assert len(requested(service)) == 3
    assert len(recorded(tmp_path)) == 3


def test_an_interrupted_call_goes_on_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = HubClient.may_read
    calls = iter(range(100))

    def failing(client: HubClient, kind: str, name: str) -> Part:
        if next(calls) == 2:
            raise TransientFailure("The network went away.", "Come back.")
        return checked(client, kind, name)

    with served() as service:
        night(service, tmp_path, **LISTED)
        with monkeypatch.context() as patch:
            patch.setattr(HubClient, "may_read", failing)
            with pytest.raises(TransientFailure):
                ask(service, tmp_path, gated_daily_limit=4)
        assert len(requested(service)) == 3
        brought = ask(service, tmp_path, gated_daily_limit=4)
        assert len(requested(service)) == 4
    assert len(brought) == len(recorded(tmp_path)) == 4


def test_what_cannot_be_asked_for_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed since the listing, no longer gated, or with a form that the request lacks."""
    outcomes = iter(
        [
            (Part("refused", reason="HTTP 307"), None),
            (Part(), Part("refused", reason="HTTP 403 GatedRepo")),
            (Part(), Part("rejected")),
        ]
    )
    following: list[Part | None] = []

    def asking(client: HubClient, kind: str, name: str) -> Part:
        part, then = next(outcomes)
        following.append(then)
        return part

    with served() as service:
        night(service, tmp_path, **LISTED)
        monkeypatch.setattr(HubClient, "ask_access", asking)
        monkeypatch.setattr(HubClient, "may_read", lambda *_: following[-1])
        ask(service, tmp_path, gated_daily_limit=3)
    told = rows(tmp_path, "access_requests", DAY, "outcome, reason, requested_at", "order by all")
    assert sorted(told) == [
        ("rejected", None, None),
        ("unavailable", "HTTP 307", None),
        ("unavailable", "HTTP 403 GatedRepo", None),
    ]
