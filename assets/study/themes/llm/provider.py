"""One request to an endpoint: what is sent, what comes back, what a failure means.

Belongs here: the two protocols (pydantic-ai 2). Does not belong here: how often and when it is
asked (`run`), what of an answer is accepted (`answers`).
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from assets.study.themes.llm import answers, prompts
from assets.study.themes.llm.config import LlmConfig

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model

# Where a provider's own key is not to go: a server of one's own asks for none, or its own.
NO_KEY = "no-key"


class PassingFailure(Exception):
    """A request failed in a way that may pass."""

    def __init__(self, told: str, retry_after: float | None, is_timeout: bool) -> None:
        super().__init__(told)
        self.retry_after = retry_after
        self.is_timeout = is_timeout


@dataclass(frozen=True)
class Judged:
    """What a failure means.

    Attributes:
        is_unsure: whether the request may have been worked on, and so be billed.
    """

    kind: Literal["passing", "rejected", "key", "model", "credit"]
    retry_after: float | None = None
    is_timeout: bool = False
    is_unsure: bool = False


def judged_of(error: Exception) -> Judged:
    from pydantic_ai import exceptions as said

    if isinstance(error, said.ModelQuotaExceededError):
        return Judged("credit")
    if isinstance(error, said.ModelAuthenticationError):
        return Judged("key")
    if isinstance(error, said.ModelNotFoundError):
        return Judged("model")
    if isinstance(error, said.ModelConnectionError | said.ModelRequestTimeout):
        is_timeout = isinstance(error, said.ModelTimeoutError | said.ModelRequestTimeout)
        was_sent = getattr(error, "phase", None) not in ("pool", "connect")
        return Judged("passing", None, is_timeout and was_sent, was_sent)
    if isinstance(error, said.ModelHTTPError):
        status = error.status_code
        if status in (408, 409, 425, 429) or status >= 500:
            # A gateway's timeout comes after the model's work.
            return Judged("passing", error.retry_after, status in (408, 504), status == 504)
        return Judged("rejected")
    if isinstance(error, said.UserError):
        return Judged("rejected")
    # A response of 200 that is no JSON, or lacks what the protocol demands: it may be billed.
    return Judged("passing", is_unsure=True)


def said_by(error: Exception) -> str:
    """The status and the endpoint's own words, or the library's."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error")
        body = (inner if isinstance(inner, dict) else body).get("message") or body
    if status is not None:
        return f"HTTP {status}: {body}" if body else f"HTTP {status}"
    return str(getattr(error, "message", None) or error or type(error).__name__)


def model_of(config: LlmConfig, key: str | None, client: Any) -> "Model[Any]":
    """The endpoint's model; libraries' own repetition, addresses and keys play no part."""
    if config.provider == "anthropic":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        own = AsyncAnthropic(
            api_key=key or NO_KEY, base_url=config.endpoint, http_client=client, max_retries=0
        )
        return AnthropicModel(config.model, provider=AnthropicProvider(anthropic_client=own))
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    other = AsyncOpenAI(
        api_key=key or NO_KEY, base_url=config.endpoint, http_client=client, max_retries=0
    )
    if config.is_own_endpoint:
        return OpenAIChatModel(config.model, provider=OpenAIProvider(openai_client=other))
    # Servers of others know the older name of the limit on output.
    profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
    provider = OpenAICompatibleProvider("compatible", openai_client=other, profile=profile)
    return OpenAIChatModel(config.model, provider=provider)


def settings_of(config: LlmConfig, texts: int) -> Any:
    told: dict[str, Any] = {
        "max_tokens": config.max_output_tokens * texts,
        "timeout": config.timeout_seconds,
        "request_timeout": config.timeout_seconds,
        "max_retries": 0,
    }
    if config.temperature is not None:
        told["temperature"] = config.temperature
    if config.provider == "openai" and config.seed is not None:
        told["seed"] = config.seed
    if config.provider == "anthropic":
        # All requests share the instructions; the texts are read once.
        told["cache"] = {"messages": False}
    return told


def form_of(form: str, schema: dict[str, Any]) -> Any:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    if form == "tool":
        tool = ToolDefinition(
            name=prompts.TOOL, description=prompts.TOOL_TEXT, parameters_json_schema=schema,
            kind="output",
        )  # fmt: skip
        return ModelRequestParameters(
            output_mode="tool", output_tools=[tool], allow_text_output=False
        )
    if form == "schema":
        wanted = OutputObjectDefinition(json_schema=schema, name=prompts.TOOL,
                                        description=prompts.TOOL_TEXT)  # fmt: skip
        return ModelRequestParameters(output_mode="native", output_object=wanted)
    return ModelRequestParameters()


def raw_of(response: "ModelResponse") -> str:
    """What the model gave: the arguments of its tool call, or else its text."""
    from pydantic_ai.messages import TextPart, ToolCallPart

    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    if calls:
        return calls[0].args_as_json_str() if len(calls) == 1 else json.dumps(
            {"answers": [one for call in calls for one in _answers_in(call.args_as_json_str())]}
        )  # fmt: skip
    return "".join(part.content for part in response.parts if isinstance(part, TextPart))


def _answers_in(arguments: str) -> list[Any]:
    """Answers of one of several calls; what is no list of them is given on, to be refused."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return [arguments]
    found = value.get("answers", value) if isinstance(value, dict) else value
    return found if isinstance(found, list) else [found]


def refuse_unfinished(response: "ModelResponse") -> None:
    if response.finish_reason == "length":
        raise answers.Refused("it was longer than max_output_tokens allows")
    if response.finish_reason == "content_filter":
        raise answers.Refused("the endpoint's filter withheld it")
