"""Which language model codes, how it is asked, and how far it may go.

Belongs here: the coder's parameters, where it asks, whether it can. Does not belong here: requests
(`provider`, `run`).
"""

import importlib.util
import os
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from assets.study.themes.llm import costs
from orchestration.failures import SettingsError

ENDPOINTS = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
KEY_VARIABLES = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
_URL = re.compile(r"https?://[^@\s?#]+")
_MODEL = re.compile(r"[\w./:@+-]{1,200}")
# In capitals, as such names are and keys are not.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,100}")


@dataclass(frozen=True)
class LlmConfig:
    """Which model codes, how it is asked, and how far it may go.

    Attributes:
        provider: `off`, or the protocol: `anthropic`, or `openai` for any compatible endpoint.
        model: the name that the endpoint knows; changes the coder's version.
        base_url: the endpoint; None: the provider's own.
        api_key_variable: environment variable with the key; None: the provider's usual one where
            the endpoint is its own, and no key elsewhere.
        answer_form: `tool` where the model calls tools, `schema` where the endpoint takes a JSON
            schema, `text` for all others.
        temperature, seed: sent where the model takes them; None: not sent.
        max_output_tokens: of the answer to one text, reasoning included.
        texts_per_request: 1 keeps texts from influencing each other.
        max_characters: of a text's body that are shown, its beginning and its end.
        requests_per_minute: pace of requests' starts; None: as fast as `concurrency` lets.
        timeout_seconds: of one request, from its start to its answer's last byte.
        attempts: tries of one request where the failure may pass.
        longest_wait_seconds: an endpoint that asks to wait longer ends the run.
        max_requests, max_tokens, max_cost: of one coder, from its making to its end; cost in US
            dollars.
        input_price, output_price: US dollars for a million tokens, where none is listed.

    Raises:
        SettingsError: a value is not allowed.
    """

    provider: Literal["off", "anthropic", "openai"] = "off"
    model: str = ""
    base_url: str | None = None
    api_key_variable: str | None = None
    answer_form: Literal["tool", "schema", "text"] = "tool"
    temperature: float | None = 0.0
    seed: int | None = 2016
    max_output_tokens: int = 1000
    texts_per_request: int = 1
    max_characters: int = 6000
    concurrency: int = 4
    requests_per_minute: float | None = 120.0
    timeout_seconds: float = 120.0
    attempts: int = 5
    longest_wait_seconds: float = 120.0
    max_requests: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    input_price: float | None = None
    output_price: float | None = None

    def __post_init__(self) -> None:
        if self.provider not in ("off", *ENDPOINTS):
            raise _wrong("provider", self.provider, f"off, {', '.join(ENDPOINTS)}")
        if self.answer_form not in ("tool", "schema", "text"):
            raise _wrong("answer_form", self.answer_form, "tool, schema, text")
        if self.provider != "off" and not _MODEL.fullmatch(self.model):
            raise _wrong("model", self.model, "the name that the endpoint knows it by")
        if self.base_url is not None and not _URL.fullmatch(self.base_url):
            # Not shown: what stands before an @ or after a ? may be a secret.
            raise _wrong("base_url", None, "a http(s) URL without credentials and without a query")
        if self.api_key_variable is not None and not _VARIABLE.fullmatch(self.api_key_variable):
            # Not shown either: whoever takes the name for the key has put the key there.
            raise _wrong("api_key_variable", None, "the NAME of a variable, in capitals")
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise _wrong(name, value, f"a number from {low:,} to {high:,}")
        if (self.input_price is None) != (self.output_price is None):
            raise SettingsError(
                "study.themes.llm has one of input_price and output_price.", "Give both or none."
            )

    @property
    def endpoint(self) -> str:
        """Where texts are sent."""
        return (self.base_url or ENDPOINTS[self.provider]).rstrip("/")

    @property
    def is_own_endpoint(self) -> bool:
        """Whether the endpoint is the provider's own."""
        return self.endpoint == ENDPOINTS[self.provider]

    @property
    def key_variable(self) -> str | None:
        """The environment variable that has to have the key; None where no key is sent."""
        if self.api_key_variable is not None:
            return self.api_key_variable
        return KEY_VARIABLES[self.provider] if self.is_own_endpoint else None

    @property
    def prices(self) -> costs.Prices | None:
        """What tokens cost, where that is known."""
        if self.provider == "off":
            return None
        if self.input_price is not None and self.output_price is not None:
            return costs.given_prices(self.input_price, self.output_price)
        return costs.listed_prices(self.provider, self.model) if self.is_own_endpoint else None

    @property
    def parameters(self) -> dict[str, Any]:
        """All that an answer may depend on, apart from prompt and codebook."""
        names = ("provider", "model", "answer_form", "temperature", "seed", "max_output_tokens",
                 "texts_per_request", "max_characters")  # fmt: skip
        return {"endpoint": self.endpoint, **{name: getattr(self, name) for name in names}}


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("temperature", 0, 2), ("seed", 0, 2**31 - 1), ("max_output_tokens", 100, 100_000),
    ("texts_per_request", 1, 20), ("max_characters", 200, 100_000), ("concurrency", 1, 64),
    ("requests_per_minute", 0.1, 100_000), ("timeout_seconds", 0.01, 3600), ("attempts", 1, 10),
    ("longest_wait_seconds", 1, 3600), ("max_requests", 0, 10**9), ("max_tokens", 0, 10**12),
    ("max_cost", 0, 10**6), ("input_price", 0, 10**4), ("output_price", 0, 10**4),
)  # fmt: skip


def _wrong(name: str, value: object, allowed: str) -> SettingsError:
    given = "" if value is None else f" (given: {value!r})"
    return SettingsError(f"The setting study.themes.llm.{name} is wrong{given}.",
                         f"Allowed: {allowed}.")  # fmt: skip


class Off(NamedTuple):
    """Why the coder can ask nothing here, and what to do about it."""

    reason: str
    remedy: str


def why_off(config: LlmConfig) -> Off | None:
    """Why this coder can ask nothing here; None where it can. Asks nobody."""
    if config.provider == "off":
        return Off("study.themes.llm.provider is 'off'", "Set it to anthropic or openai, and model")
    missing = [name for name in ("pydantic_ai", config.provider) if not _is_installed(name)]
    if missing:
        wanted = f"pip install 'pydantic-ai-slim[{config.provider}]'"
        return Off(f"the package {missing[0]} is not installed", f"Install it: {wanted}")
    if config.key_variable is not None and key_of(config) is None:
        return Off(
            f"the environment variable {config.key_variable} is not set",
            f"Put the key of {config.endpoint} there",
        )
    return None


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def key_of(config: LlmConfig) -> str | None:
    variable = config.key_variable
    return None if variable is None else os.environ.get(variable, "").strip() or None


def config_of(section: Any) -> LlmConfig:
    """The parameters of a settings section (`study.themes.llm`) whose fields have these names."""
    names = asdict(LlmConfig())
    return LlmConfig(**{name: getattr(section, name) for name in names if hasattr(section, name)})
