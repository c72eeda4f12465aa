"""A small GitHub to ask, and GitHub's own description of what it may answer."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import requests
from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from twin.archive import Flow
from twin.github import GitHub, GitHubView
from twin.history import History
from twin.server.app import Twin, serving
from twin.server.clock import Calendar
from twin.server.limits import LimitSettings
from twin.world import World, build_world

FIRST_DAY = date(2025, 10, 6)
SEED = 7
DAYS = 2
TOKEN = "a-token-that-nobody-may-see"


@cache
def world() -> World:
    return build_world("tiny", SEED, FIRST_DAY)


@cache
def parts() -> tuple[History, Flow, GitHub]:
    history = History(world())
    flow = Flow(world(), history)
    return history, flow, GitHub(world(), history, flow)


@dataclass
class Api:
    """A running twin and a client that asks it."""

    twin: Twin

    @property
    def base(self) -> str:
        return self.twin.github_base

    @property
    def view(self) -> GitHubView:
        return self.twin.github_view()

    @cached_property
    def session(self) -> requests.Session:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        return session

    def get(self, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.base + path
        return self.session.get(url, allow_redirects=False, timeout=30, **options)

    def json(self, path: str, **options: Any) -> Any:
        answer = self.get(path, **options)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:300])
        return answer.json()

    def pages(self, path: str, **options: Any) -> Iterator[list[Any]]:
        """All pages of a list, by following the links."""
        answer = self.get(path, **options)
        while True:
            assert answer.status_code == 200, (answer.url, answer.text[:300])
            yield answer.json()
            if "next" not in answer.links:
                return
            answer = self.get(answer.links["next"]["url"], headers=options.get("headers"))

    def everything(self, path: str, **options: Any) -> list[Any]:
        return [item for page in self.pages(path, **options) for item in page]

    def graphql(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = self.session.post(f"{self.base}/graphql", json=body, timeout=30)
        assert answer.status_code == 200, answer.text[:300]
        return answer.json()

    def path(self, i: int) -> str:
        """Where a repository is, by its present name."""
        return f"/repos/{quote(self.view.full_name(i))}"

    def busiest(self, *, among: str = "events") -> int:
        """A visible repository with much of something: events, stars, pulls, issues, commits."""
        view = self.view
        columns = {
            "events": view.flow.totals.commits,
            "stars": view.star_counts,
            "pulls": view.pull_counts,
            "issues": view.issue_counts,
            "commits": view.commit_counts,
        }
        # Not so large that a test would read pages for long.
        small = view.visible & (view.commit_counts < 900) & (view.star_counts < 900)
        small &= view.thread_counts < 300
        return int(np.argmax(np.where(small, columns[among], -1)))


@contextmanager
def served() -> Iterator[Api]:
    """The small GitHub over HTTP, without limits."""
    history, flow, github = parts()
    twin = Twin(Calendar(FIRST_DAY, DAYS), world=world(), history=history, flow=flow, github=github)
    with serving(twin=twin, limits=LimitSettings(enabled=False)):
        yield Api(twin)


class Specification:
    """GitHub's OpenAPI description, as far as answers are concerned."""

    def __init__(self, file: Path) -> None:
        with gzip.open(file) as source:
            self.paths = (spec := json.load(source))["paths"]
        self._spec = spec
        # The payloads of events hold the keys of one another: more than one of them fits.
        payload = spec["components"]["schemas"]["event"]["properties"]["payload"]
        payload["anyOf"] = payload.pop("oneOf")
        _allow_null(spec["components"]["schemas"])
        resource = Resource.from_contents(spec, default_specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource("urn:github", resource)
        self._validators: dict[tuple[str, int], OAS30Validator] = {}

    def statuses(self, path: str) -> list[int]:
        return [int(status) for status in self.paths[path]["get"]["responses"]]

    def problems(self, path: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer to a GET."""
        if (path, status) not in self._validators:
            self._validators[path, status] = self._validator(path, status)
        return [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in self._validators[path, status].iter_errors(body)
        ]

    def _validator(self, path: str, status: int) -> OAS30Validator:
        place = f"#/paths/{path.replace('/', '~1')}/get/responses/{status}"
        told = self.paths[path]["get"]["responses"][str(status)]
        if "$ref" in told:
            place = told["$ref"]
        schema = {"$ref": f"urn:github{place}/content/application~1json/schema"}
        return OAS30Validator(
            schema, registry=self._registry, format_checker=OAS30Validator.FORMAT_CHECKER
        )


def _allow_null(schema: Any) -> None:
    """Nullable means null as well beside `enum` and `oneOf`, where version 3.0 leaves it open."""
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, dict | list):
            _allow_null(inner)
    if isinstance(schema, dict) and schema.get("nullable") is True:
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        for name in ("oneOf", "anyOf"):
            if name in schema:
                schema[name] = [*schema[name], {"enum": [None], "nullable": True}]
