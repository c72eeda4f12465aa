"""The twin's Hub for tests: a tiny world, its views, and a bare server below `/hub`.

Belongs here: what the Hub's two test files share. Does not belong here: checks.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from twin.hub import Hub, HubView
from twin.server.hub_api import PageSizes, routes
from twin.world import SCALES, World, build_world

DAY = 86_400
FIRST_DAY = date(2025, 10, 6)
SMALL = PageSizes(repositories=40, commits=20, discussions=5, members=4, likers=4, likes=3)


def tiny_world(seed: int = 11) -> World:
    return build_world("tiny", seed, FIRST_DAY)


def small_world(models: int, people: int, organisations: int, seed: int = 3) -> World:
    """A world whose Hub is a little larger, so that it shows what is rare."""
    scale = replace(
        SCALES["tiny"], name="hub", model_count=models, hub_person_count=people,
        hub_organisation_count=organisations,
    )  # fmt: skip
    return build_world(scale, seed, FIRST_DAY)


@dataclass
class StandIn:
    """What the routes need of a twin: the Hub, some days after the start."""

    hub: Hub
    days: float = 2.0
    url: str = ""
    views: dict[float, HubView] = field(default_factory=dict)

    def hub_view(self) -> HubView:
        if self.days not in self.views:
            self.views[self.days] = self.hub.at(int(self.hub.world.starts_at + self.days * DAY))
        return self.views[self.days]


@contextmanager
def serving(hub: Hub, sizes: PageSizes = SMALL) -> Iterator[StandIn]:
    """The routes alone, mounted below `/hub`, on the loopback interface."""
    twin = StandIn(hub)
    app = Starlette(routes=[Mount("/hub", routes=routes(twin, sizes))])
    app.router.redirect_slashes = False
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    twin.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hub"
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    try:
        yield twin
    finally:
        server.should_exit = True
        thread.join()
