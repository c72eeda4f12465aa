"""The running twin: one world, its views at a time, and the server that shows them.

Belongs here: `Twin`, the assembly of layers and routes, starting and ending a server. Does not
belong here: the routes themselves and the layers.

One application on one port of the loopback interface: `/archive/` (and the root), `/github/`,
`/hub/`, `/_twin/`. Around the routes, outermost first: traffic (class, counters, Date), limits,
faults, conditional requests, drift. A request is charged as it arrives, whatever a fault then
makes of it, as with a real server that breaks down behind its gateway.

Handlers that compute are plain functions, which Starlette runs in its pool of threads. They find
on `request.state`: `caller`, `budget` (see `limits`), `kind` and `skew` (see `traffic`). A
handler that asks for a view once sees one time of the world, also while it is advanced.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from twin.server import archive_files, control
from twin.server.clock import Calendar, WallClock, wall_clock
from twin.server.conditional import ConditionalLayer
from twin.server.faults import Connection, DriftLayer, FaultLayer, FaultRule, Faults
from twin.server.limits import LimitLayer, Limits, LimitSettings
from twin.server.traffic import GITHUB_KINDS, HUB_KINDS, App, Counters, Traffic, kind_of

if TYPE_CHECKING:
    from twin.archive import Flow
    from twin.github import GitHub, GitHubView
    from twin.history import History
    from twin.hub import Hub, HubView
    from twin.scales import Scale
    from twin.world import World

LOOPBACK = "127.0.0.1"
# The last day before and the first day of the payloads of October 2025 follow each other.
FIRST_DAY = date(2025, 10, 6)
ERA_SWITCH = datetime(2025, 10, 7, tzinfo=UTC)
SEED = 2016
SCALE = "tiny"
_DOCS = "https://docs.github.com/rest"


class _Moment:
    """The views at one time of the world, made when they are first asked for."""

    def __init__(self, calendar: Calendar, github: "GitHub | None", hub: "Hub | None") -> None:
        self.calendar = calendar
        self._github, self._hub = github, hub
        self._lock = threading.RLock()

    def github_view(self) -> "GitHubView":
        with self._lock:
            return self._github_view

    def hub_view(self) -> "HubView":
        with self._lock:
            return self._hub_view

    @cached_property
    def _github_view(self) -> "GitHubView":
        if self._github is None:
            raise LookupError("this twin has no GitHub")
        return self._github.at(self.calendar.now)

    @cached_property
    def _hub_view(self) -> "HubView":
        if self._hub is None:
            raise LookupError("this twin has no Hub")
        return self._hub.at(self.calendar.now)

    def prepare_like(self, other: "_Moment") -> None:
        """Make the views that the other moment has."""
        if "_github_view" in other.__dict__:
            self.github_view()
        if "_hub_view" in other.__dict__:
            self.hub_view()


class Twin:
    """A world and what its platforms show now.

    Attributes:
        world, history, flow, github, hub: the parts; None where a test leaves one out.
        base: the server's URL without a slash at its end; set before it serves.
        before_showing: is called with the calendar of another time before that is shown.
    """

    def __init__(
        self,
        calendar: Calendar,
        *,
        world: "World | None" = None,
        history: "History | None" = None,
        flow: "Flow | None" = None,
        github: "GitHub | None" = None,
        hub: "Hub | None" = None,
    ) -> None:
        self.world, self.history, self.flow = world, history, flow
        self.github, self.hub = github, hub
        self.base = ""
        self.before_showing: Callable[[Calendar], None] | None = None
        self._moment = _Moment(calendar, github, hub)
        self._advancing = threading.Lock()
        self._truth: Path | None = None

    @classmethod
    def build(
        cls,
        scale: "Scale | str" = SCALE,
        seed: int = SEED,
        first_day: date = FIRST_DAY,
        *,
        days_elapsed: int = 1,
        era_switch: datetime = ERA_SWITCH,
        with_defects: bool = True,
    ) -> "Twin":
        """A twin of a new world.

        Args:
            scale: a `Scale` or the name of a preset.
            seed: not negative; another seed gives another world.
            first_day: day 0 of the archive.
            days_elapsed: how many days are over at the start.
            era_switch: hour files from this time on have the payload shapes of October 2025.
            with_defects: whether hours are damaged.

        Raises:
            ValueError: for an unknown preset or days that cannot be.
        """
        from twin.archive import Flow as GitHubFlow
        from twin.github import GitHub
        from twin.history import History
        from twin.hub import Hub
        from twin.world import build_world

        calendar = Calendar(first_day, days_elapsed)
        _within_horizon(calendar)
        world = build_world(
            scale, seed, first_day, era_switch=era_switch, with_defects=with_defects
        )
        history = History(world)
        flow = GitHubFlow(world, history)
        github = GitHub(world, history, flow)
        return cls(calendar, world=world, history=history, flow=flow, github=github, hub=Hub(world))

    @property
    def calendar(self) -> Calendar:
        """Which days are over."""
        return self._moment.calendar

    @property
    def now(self) -> int:
        """The world's time in epoch seconds."""
        return self._moment.calendar.now

    @property
    def archive_base(self) -> str:
        return f"{self.base}/archive"

    @property
    def github_base(self) -> str:
        return f"{self.base}/github"

    @property
    def hub_base(self) -> str:
        return f"{self.base}/hub"

    def github_view(self) -> "GitHubView":
        """GitHub now; ask once per request."""
        return self._moment.github_view()

    def hub_view(self) -> "HubView":
        """The Hub now; ask once per request."""
        return self._moment.hub_view()

    def advance(self, days: int = 1) -> Calendar:
        """Let days pass. Requests that are being answered keep the time that they began with.

        Raises:
            ValueError: the number of days is not positive, or the world ends before.
        """
        with self._advancing:
            calendar = self.calendar.advanced(days)
            if self.hub is not None:
                _within_horizon(calendar)
            following = _Moment(calendar, self.github, self.hub)
            following.prepare_like(self._moment)
            if self.before_showing is not None:
                self.before_showing(following.calendar)
            self._moment = following
        return following.calendar

    def keep_truth(self, folder: Path) -> None:
        """Write what is planted until now to a folder, and again before each other time is shown.

        Raises:
            LookupError: the twin is not whole.
        """
        from twin.generate import write_truth

        flow, github, hub = self.flow, self.github, self.hub
        if flow is None or github is None or hub is None:
            raise LookupError("this twin has not all that truth is about")

        def write(calendar: Calendar) -> None:
            views = (github.at(calendar.now), hub.at(calendar.now))
            write_truth(folder, flow, github.texts, *views, calendar.days_elapsed)

        with self._advancing:
            write(self.calendar)
            self.before_showing = write


def _within_horizon(calendar: Calendar) -> None:
    """Refuse a time that the Hub is not planned for.

    Raises:
        ValueError: naming the last day.
    """
    from twin.world import HORIZON_DAYS

    if calendar.days_elapsed > HORIZON_DAYS:
        last = calendar.first_day + timedelta(days=HORIZON_DAYS - 1)
        raise ValueError(f"this world ends with {last}: its Hub is planned for {HORIZON_DAYS} days")


def _mounted(twin: Twin) -> list[BaseRoute]:
    """The routes of the platforms that the twin has."""
    found: list[BaseRoute] = []
    if twin.github is not None:
        from twin.server import github_graphql, github_rest

        found.append(
            Mount("/github", routes=[*github_rest.routes(twin), *github_graphql.routes(twin)])
        )
    if twin.hub is not None:
        from twin.server import hub_api

        found.append(Mount("/hub", routes=hub_api.routes(twin)))
    return found


def _problem(request: Request, error: Exception) -> Response:
    """An error of routing in the form of the platform that was asked."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = kind_of(request.scope["path"])
    if kind in GITHUB_KINDS:
        # Also for a method that a path does not have.
        body: dict[str, str] = {"message": "Not Found", "documentation_url": _DOCS, "status": "404"}
        return Response(orjson.dumps(body), 404, media_type="application/json; charset=utf-8")
    if kind in HUB_KINDS:
        phrase = "Sorry, we can't find the page you are looking for."
        headers = {"x-error-message": phrase}
        body = {"error": phrase}
        return Response(orjson.dumps(body), status, headers, "application/json; charset=utf-8")
    return Response(orjson.dumps({"error": str(error)}), status, media_type="application/json")


@dataclass
class Service:
    """An application and what can be set and read while it runs."""

    twin: Twin
    app: App
    faults: Faults
    limits: Limits
    counters: Counters
    end: Callable[[], None]


def service_of(
    twin: Twin,
    *,
    limits: LimitSettings | None = None,
    faults: Iterable[FaultRule] = (),
    clock: WallClock = wall_clock,
    more_routes: Iterable[Route] = (),
) -> Service:
    """The application of a twin with its layers.

    Args:
        limits: by default the platforms' own numbers.
        clock: what limits and Date are measured with.
        more_routes: routes before all others, with their whole path.
    """
    counters, rules = Counters(), Faults(faults)
    state = Limits(limits, clock)
    routes: list[BaseRoute] = [
        *more_routes,
        Mount("/_twin", routes=control.routes(twin, rules, state, counters)),
        *_mounted(twin),
    ]
    if twin.flow is not None:
        files = archive_files.HourFiles(twin.flow.hour_bytes)
        routes += archive_files.routes(files, lambda: twin.calendar)
    inner = Starlette(routes=routes, exception_handlers={HTTPException: _problem})
    inner.router.redirect_slashes = False
    faulty = FaultLayer(ConditionalLayer(DriftLayer(inner, rules)), rules, counters)
    app = Traffic(
        LimitLayer(faulty, state), counters, clock, lambda: twin.now, rules.skew,
        lambda: state.settings.enabled,
    )  # fmt: skip
    return Service(twin, app, rules, state, counters, faulty.end)


def listening(port: int = 0) -> socket.socket:
    """A socket of the loopback interface; 0 takes a free port.

    Raises:
        OSError: the port cannot be had.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
        bound.listen()
    except OSError:
        bound.close()
        raise
    return bound


class Server(uvicorn.Server):
    """uvicorn on a socket that is there already, with a call when it is ready."""

    def __init__(
        self, service: Service, bound: socket.socket, ready: Callable[[], None] | None = None
    ) -> None:
        config = uvicorn.Config(
            service.app, http=Connection, ws="none", lifespan="off", log_config=None,
            access_log=False, date_header=False, server_header=False, proxy_headers=False,
            timeout_keep_alive=60, timeout_graceful_shutdown=1,
        )  # fmt: skip
        super().__init__(config)
        self._service, self._socket, self._ready = service, bound, ready
        service.twin.base = f"http://{LOOPBACK}:{bound.getsockname()[1]}"

    def serve_until_told(self) -> None:
        """Serve; returns after `should_exit` is set or, in the main thread, after a signal."""
        self.run(sockets=[self._socket])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.end()
        await super().shutdown(sockets)


@contextmanager
def serving(
    scale: "Scale | str" = SCALE,
    seed: int = SEED,
    first_day: date = FIRST_DAY,
    *,
    twin: Twin | None = None,
    days_elapsed: int = 1,
    era_switch: datetime = ERA_SWITCH,
    with_defects: bool = True,
    limits: LimitSettings | None = None,
    faults: Iterable[FaultRule] = (),
    clock: WallClock = wall_clock,
    more_routes: Iterable[Route] = (),
) -> Iterator[Service]:
    """A server in a thread of this process, for as long as the context lasts.

    The URLs are `service.twin.archive_base`, `.github_base`, `.hub_base` and `.base`.

    Args:
        twin: an existing one; scale, seed and days are then not looked at.

    Raises:
        ValueError: see `Twin.build`.
        RuntimeError: the server does not start.
    """
    shown = twin or Twin.build(
        scale, seed, first_day, days_elapsed=days_elapsed, era_switch=era_switch,
        with_defects=with_defects,
    )  # fmt: skip
    service = service_of(shown, limits=limits, faults=faults, clock=clock, more_routes=more_routes)
    is_ready = threading.Event()
    server = Server(service, listening(), is_ready.set)
    thread = threading.Thread(target=server.serve_until_told, name="twin", daemon=True)
    thread.start()
    try:
        while not is_ready.wait(0.05):
            if not thread.is_alive():
                raise RuntimeError("the twin's server did not start")
        yield service
    finally:
        server.should_exit = True
        thread.join()
