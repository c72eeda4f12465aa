"""Serving the page on the loopback interface, until told to end or nobody is there any more.

Belongs here: sockets, uvicorn, the address with its secret, how a browser is opened on it. Does
not belong here: what is served (`app`), the command (orchestration.themes_label_cli).
"""

import html
import os
import secrets
import socket
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from assets.study.themes.codebook import Codebook
from assets.study.themes.labelling.app import app_of
from assets.study.themes.labelling.desk import Desk
from assets.study.themes.labelling.guard import LOOPBACK

SECRET_BYTES = 24
LOOK_SECONDS = 1


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


class LabelServer(uvicorn.Server):
    """The server of one desk.

    Attributes:
        url: where the page is; whoever knows it may label.
        is_idle: whether it ended because nobody was there.
    """

    def __init__(
        self,
        desk: Desk,
        codebook: Codebook,
        bound: socket.socket,
        *,
        idle_seconds: float,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        port = bound.getsockname()[1]
        self._guard = app_of(desk, codebook, secret, port)
        self.url = f"http://{LOOPBACK}:{port}/{secret}/"
        self.is_idle = False
        self._socket, self._ready, self._idle_seconds = bound, ready, idle_seconds
        # The access log would have the secret in it.
        config = uvicorn.Config(
            self._guard, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=2,
            callback_notify=self._look, timeout_notify=LOOK_SECONDS,
        )  # fmt: skip
        super().__init__(config)

    def serve_until_told(self) -> None:
        """Serve; returns after `should_exit` is set, or when nobody has been there for long."""
        self.run(sockets=[self._socket])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready(self.url)

    async def _look(self) -> None:
        if time.monotonic() - self._guard.last_seen > self._idle_seconds:
            self.is_idle = self.should_exit = True


def open_browser(url: str, folder: Path) -> Path | None:
    """Open the page by way of a private file that leads to it; returns the file.

    The address of a started program can be read by other users of the machine, the file cannot.

    Returns:
        None where no browser could be opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".open-{secrets.token_hex(8)}.html"
    shown = html.escape(url)
    text = (
        '<!doctype html><meta charset="utf-8"><title>Labelling</title>'
        f'<meta http-equiv="refresh" content="0; url={shown}"><a href="{shown}">Go on</a>\n'
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    try:
        is_open = webbrowser.open(path.resolve().as_uri())
    except (webbrowser.Error, OSError):
        is_open = False
    if is_open:
        return path
    path.unlink(missing_ok=True)
    return None
