"""The control interface of a running twin, below /_twin/.

Belongs here: reading and setting the clock, faults, limits and counters over HTTP, and reading
settings from untrusted text. Does not belong here: what they do.

- `GET /_twin/clock`, `POST /_twin/advance` with `{"days": 1}`
- `GET|PUT|DELETE /_twin/faults` with `{"rule": [...]}`
- `GET|PUT /_twin/limits` with the settings; setting them forgets what was used
- `GET|DELETE /_twin/requests`
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twin.server.faults import Faults, FaultSettings
from twin.server.limits import Limits, LimitSettings
from twin.server.traffic import Counters

if TYPE_CHECKING:
    from twin.server.app import Twin

Model = TypeVar("Model", bound=BaseModel)


class Advance(BaseModel):
    """By how many days the world goes on."""

    days: int = 1


def read_settings(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Settings from a mapping.

    Raises:
        ValueError: with one line that names what is wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def read_toml(model: type[Model], path: Path) -> Model:
    """Settings from a TOML file.

    Raises:
        ValueError: the file cannot be read or says something that is not allowed.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        return read_settings(model, values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def routes(twin: "Twin", faults: Faults, limits: Limits, counters: Counters) -> list[Route]:
    """The routes, to be mounted below /_twin."""

    async def clock(_: Request) -> Response:
        return _json(twin.calendar.as_json())

    async def advance(request: Request) -> Response:
        asked = read_settings(Advance, await _body(request))
        return _json((await run_in_threadpool(twin.advance, asked.days)).as_json())

    async def rules(request: Request) -> Response:
        if request.method == "PUT":
            faults.set(read_settings(FaultSettings, await _body(request)).rule)
        elif request.method == "DELETE":
            faults.set(())
        return _json({"rule": faults.as_json()})

    async def numbers(request: Request) -> Response:
        if request.method == "PUT":
            limits.set(read_settings(LimitSettings, await _body(request)))
        return _json(limits.as_json())

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            counters.clear()
        return _json(counters.as_json())

    return [
        Route("/clock", _told(clock)),
        Route("/advance", _told(advance), methods=["POST"]),
        Route("/faults", _told(rules), methods=["GET", "PUT", "DELETE"]),
        Route("/limits", _told(numbers), methods=["GET", "PUT"]),
        Route("/requests", _told(requests), methods=["GET", "DELETE"]),
    ]


def _told(handler: Any) -> Any:
    """The handler, whose ValueErrors are 422 with their line."""

    async def told(request: Request) -> Response:
        try:
            response: Response = await handler(request)
        except ValueError as error:
            return _json({"error": str(error)}, 422)
        return response

    return told


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    value = orjson.loads(body) if body else {}
    if not isinstance(value, dict):
        raise ValueError("the body is no JSON object")
    return value


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
