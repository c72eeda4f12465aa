"""The coder that asks a language model, of Anthropic or of any OpenAI-compatible endpoint.

Belongs here: the coder's parameters and version, requests, their pace and repetition, resuming.
Does not belong here: what the model is told (`prompts`), what is accepted and kept (`answers`),
prices and limits (`costs`).

The steps are the study's: summary, keywords, open code, then themes, all written down in the
answer. Nothing is asked twice: answers are kept by a hash of all that they depend on. One mechanism
repeats failed requests, the one here: those of the providers' libraries are switched off.

Sources: Ye et al., section 4.2.3 (staged prompting); pydantic-ai 2 for the two protocols.
"""

import asyncio
import importlib.util
import json
import os
import random
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from assets.study.themes import answers, costs, prompts
from assets.study.themes.answers import Answer, AnswerStore, Failure, Sent
from assets.study.themes.codebook import load_codebook
from assets.study.themes.coding import Coding, Text
from orchestration.failures import PermanentFailure, SettingsError

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model

ENDPOINTS = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
KEY_VARIABLES = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
# Where a provider's own key is not to go: a server of one's own asks for none, or its own.
NO_KEY = "no-key"
SHORTEST_KEY = 8
# A hanging endpoint is asked twice; after so many texts in a row without an answer the run ends.
TIMEOUT_ATTEMPTS, EXHAUSTED_IN_A_ROW = 2, 2
REFUSED_IN_A_ROW = 3
FIRST_WAIT = 1.0
MESSAGE_CHARACTERS = 300
EMPTY = "nothing is left of the text once it is cleaned"
_URL = re.compile(r"https?://[^@\s?#]+")
_MODEL = re.compile(r"[\w./:@+-]{1,200}")
# In capitals, as such names are and keys are not.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,100}")

Sleep = Callable[[float], Awaitable[None]]


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
    if config.key_variable is not None and _key_of(config) is None:
        return Off(
            f"the environment variable {config.key_variable} is not set",
            f"Put the key of {config.endpoint} there",
        )
    return None


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@dataclass(frozen=True)
class Stop:
    """Why a run ended before its end.

    Attributes:
        kind: `limit` one of ours; `later` a condition that passes; `permanent` one that does not.
    """

    kind: Literal["limit", "later", "permanent"]
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


@dataclass(frozen=True)
class Progress:
    """How far a run is, in texts that had to be asked."""

    done: int
    total: int
    failed: int
    spent: costs.Spent


@dataclass(frozen=True)
class _Item:
    """One text to ask: `keys` are the messages that have it."""

    hash: str
    text: str
    keys: tuple[str, ...]


@dataclass
class _Plan:
    """What of some texts has to be asked."""

    known: dict[str, Answer] = field(default_factory=dict)
    uncoded: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    items: list[_Item] = field(default_factory=list)
    failed: int = 0


class LlmCoder:
    """Codes texts by asking a language model; what was answered before is not asked again.

    Args:
        store: where answers are kept; the caller closes it.
        codebook: by default the project's own.
        is_asking_again: also ask for texts that could not be coded before.
        on_progress: called after each answer.
        sleep, clock: of waits between requests.

    Attributes:
        uncoded: after `code`, why texts have no coding, by key.
        stop: after `code`, why it ended early; None where it did not.
        spent: what this coder's requests took so far; limits are held against it.
    """

    name = "llm"

    def __init__(
        self,
        config: LlmConfig,
        store: AnswerStore,
        codebook: prompts.CodebookLike | None = None,
        *,
        is_asking_again: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        codebook = codebook or load_codebook()
        self.config = config
        self.store = store
        self.labels = tuple(theme.name for theme in codebook.themes)
        self.schema = answers.schema_of(self.labels)
        self.instructions = prompts.instructions(
            codebook, config.answer_form, self.schema, config.texts_per_request > 1
        )
        self.uncoded: dict[str, str] = {}
        self.stop: Stop | None = None
        self.budget = costs.Budget(
            config.prices, config.max_requests, config.max_tokens, config.max_cost
        )
        self.is_asking_again = is_asking_again
        self.on_progress = on_progress
        self.sleep, self.clock = sleep, clock
        self._prompt_hash = prompts.prompt_hash(self.instructions, self.schema)
        self._told = {**config.parameters, "codebook": codebook.version, "form": answers.FORM} \
            if config.provider != "off" else {}  # fmt: skip
        told = json.dumps([self._told, self._prompt_hash], sort_keys=True)
        self._version = f"{config.model or 'off'}-{sha256(told.encode()).hexdigest()[:12]}"

    @property
    def version(self) -> str:
        """The model and a hash of instructions, codebook, fences, schema and parameters."""
        return self._version

    @property
    def spent(self) -> costs.Spent:
        """See the class."""
        return self.budget.spent

    def code(self, texts: Sequence[Text]) -> Coding:
        """What the model says of texts, in order; see `uncoded` and `stop` for those without.

        Raises:
            PermanentFailure: something has to be asked and the coder is off, a key stands twice,
                or the store cannot be used.
            KeyboardInterrupt: the run was interrupted; `kept` has what was answered.
        """
        plan = self._plan(texts)
        self.stop = None
        if plan.items:
            self._ask(plan)
        return self._coding(texts, plan, None if self.stop is None else str(self.stop))

    def kept(self, texts: Sequence[Text], stopped: str | None = None) -> Coding:
        """What was answered before; asks nothing."""
        return self._coding(texts, self._plan(texts), stopped)

    def estimate(self, texts: Sequence[Text]) -> costs.Estimate:
        """What coding these texts would take; asks nothing and needs no key."""
        plan = self._plan(texts)
        batches = _batches(plan.items, self.config.texts_per_request)
        messages = [
            (prompts.message([("t1-000000", item.text) for item in batch], "0" * 16), len(batch))
            for batch in batches
        ]
        requests, _, output = self.store.usage(self.version)
        empty = sum(reason == EMPTY for reason in plan.uncoded.values())
        counts = {"texts": len(texts), "kept": len(plan.known), "empty": empty,
                  "failed": plan.failed}  # fmt: skip
        return costs.estimate(
            messages,
            self.shared,
            self.config.max_output_tokens,
            output / requests / self.config.texts_per_request if requests else None,
            self.budget.prices,
            counts,
        )

    @property
    def shared(self) -> str:
        """What every request begins with."""
        is_in_text = self.config.answer_form == "text"
        return self.instructions + ("" if is_in_text else json.dumps(self.schema))

    def _plan(self, texts: Sequence[Text]) -> _Plan:
        plan = _Plan()
        shown: dict[str, str] = {}
        keys: dict[str, list[str]] = {}
        for text in texts:
            if text.key in plan.hashes or text.key in plan.uncoded:
                raise PermanentFailure(
                    f"The key {text.key[:100]!r} stands twice among the texts.",
                    "Give each text a key of its own.",
                )
            seen = prompts.shown(text, self.config.max_characters)
            if not seen:
                plan.uncoded[text.key] = EMPTY
                continue
            name = answers.content_hash(self.version, self._prompt_hash, seen, self._told)
            plan.hashes[text.key] = name
            shown[name] = seen
            keys.setdefault(name, []).append(text.key)
        found = self.store.found(keys)
        for name, many in keys.items():
            answer = found.get(name)
            if isinstance(answer, Answer):
                plan.known.update(dict.fromkeys(many, answer))
            elif isinstance(answer, Failure) and not self.is_asking_again:
                plan.uncoded.update(dict.fromkeys(many, answer.reason))
                plan.failed += len(many)
            else:
                plan.items.append(_Item(name, shown[name], tuple(many)))
        if found:
            self.store.note_keys({name: keys[name] for name in found})
        return plan

    def _ask(self, plan: _Plan) -> None:
        off = why_off(self.config)
        if off is not None:
            raise PermanentFailure(
                f"The LLM coder is off: {off.reason}.",
                f"{off.remedy}; all other coders work without it.",
            )
        if self.config.max_cost is not None and self.budget.prices is None:
            raise SettingsError(
                f"No price of {self.config.model} is known, so max_cost cannot be kept.",
                "Give input_price and output_price, or limit max_tokens instead.",
            )
        self.store.note_coder(self.version, self._told, self.instructions, self.schema)
        run = _Run(self, plan.items)
        try:
            _finish(run)
        finally:
            self.stop = run.stop
            for item in plan.items:
                if item.hash in run.accepted:
                    plan.known.update(dict.fromkeys(item.keys, run.accepted[item.hash]))
                else:
                    reason = run.reasons.get(item.hash) or "the run ended before it was asked"
                    plan.uncoded.update(dict.fromkeys(item.keys, reason))

    def _coding(self, texts: Sequence[Text], plan: _Plan, stopped: str | None) -> Coding:
        left = {text.key: "it was not asked yet" for text in texts if text.key not in plan.known}
        self.uncoded = {key: plan.uncoded.get(key, reason) for key, reason in left.items()}
        keys = [text.key for text in texts]
        return answers.coding_of(plan.known, keys, self.labels, stopped)


def _batches(items: Sequence[_Item], size: int) -> list[list[_Item]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def _finish(run: "_Run") -> None:
    """Run to the end, also where the caller is inside an event loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(run.run())
        return
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(asyncio.run, run.run())
        try:
            future.result()
        except KeyboardInterrupt:
            run.interrupt()
            raise


# ---------------------------------------------------------------- one run


class _Ended(Exception):
    """The run ends; why is in its `stop`."""


class _Unanswered(Exception):
    """A request has no answer that can be judged; the text may be asked in another run."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(f"{reason}: {told}")
        self.told = told


class _Run:
    """Asks for texts: workers take them from one queue until it is empty or the run ends."""

    def __init__(self, coder: LlmCoder, items: Sequence[_Item]) -> None:
        self.coder = coder
        self.config = coder.config
        self.accepted: dict[str, Answer] = {}
        self.reasons: dict[str, str] = {}
        self.stop: Stop | None = None
        self.budget = coder.budget
        self._total = len(items)
        self._queue = deque(_batches(items, self.config.texts_per_request))
        self._pace = _Pace(self.config.requests_per_minute, coder.clock)
        self._key = _key_of(self.config)
        self._exhausted = self._refused = self._successes = 0
        self._napping: set[asyncio.Task[Any]] = set()
        self._freed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._model: Model[Any] | None = None

    async def run(self) -> None:
        """Ask until nothing is left or the run ends; requests under way are waited for."""
        import httpx2
        from pydantic_ai.models import create_async_httpx2_client

        self._loop = asyncio.get_running_loop()
        seconds = self.config.timeout_seconds
        # It follows no redirects: a key is for the endpoint of the settings and nobody else.
        client = create_async_httpx2_client(
            timeout=httpx2.Timeout(seconds, connect=min(10.0, seconds))
        )
        async with client:
            self._model = _model_of(self.config, self._key, client)
            count = min(self.config.concurrency, len(self._queue))
            workers = [asyncio.create_task(self._work()) for _ in range(count)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    def interrupt(self) -> None:
        """End the run from another thread."""
        stop = Stop("later", "Interrupted.", "")
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end, stop)

    def _end(self, stop: Stop) -> None:
        self.stop = self.stop or stop
        for task in self._napping:
            task.cancel()
        self._freed.set()

    async def _work(self) -> None:
        while self._queue and self.stop is None:
            batch = self._queue.popleft()
            try:
                await self._code(batch)
            except _Ended:
                return
            self._report()

    async def _code(self, batch: list[_Item]) -> None:
        """Ask for texts together; those without an accepted answer once more, each alone."""
        notes = await self._asked(batch, "", is_last=False)
        for item in batch:
            if item.hash in notes:
                await self._asked([item], notes[item.hash], is_last=True)

    async def _asked(self, batch: list[_Item], note: str, is_last: bool) -> dict[str, str]:
        """Ask once and keep what comes; gives notes for the second try, by the texts' hash."""
        by_key = dict(zip(prompts.new_keys(len(batch)), batch, strict=True))
        texts = [(key, item.text) for key, item in by_key.items()]
        prompt = prompts.message(texts, prompts.new_nonce([text for _, text in texts]), note)
        started = self.coder.clock()
        try:
            response = await self._answered(prompt, len(batch))
        except _Unanswered as failure:
            self.reasons.update({item.hash: str(failure) for item in batch})
            self._keep(
                batch, Sent(None, None, failure.told, None, None, 0, 0, self._since(started))
            )
            # One text may be what the endpoint refuses of many.
            return {item.hash: "" for item in batch} if len(batch) > 1 else {}
        raw = self._without_key(_raw_of(response))
        accepted, refused = self._judged_answers(response, raw, by_key)
        problem = next(iter(refused.values()), None)
        sent = Sent(
            prompt=prompt,
            raw=raw,
            problem=problem,
            model=self._without_key(response.model_name or "")[:200],
            finish=response.finish_reason,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            seconds=self._since(started),
        )
        final = {name: f"refused, at last because {why}" for name, why in refused.items()}
        self._keep(batch, sent, accepted, final if is_last else {})
        self.accepted.update(accepted)
        self.reasons.update(final)
        return {
            name: f"A first answer was refused because {why}. Answer as the instructions say."
            for name, why in refused.items()
        }

    def _judged_answers(
        self, response: "ModelResponse", raw: str, by_key: Mapping[str, _Item]
    ) -> tuple[dict[str, Answer], dict[str, str]]:
        """What is accepted of a response, and why the rest is not, by the texts' hash."""
        try:
            _refuse_unfinished(response)
            good, bad = answers.read_answers(raw, list(by_key), self.coder.labels)
        except answers.Refused as reason:
            return {}, {item.hash: str(reason) for item in by_key.values()}
        accepted = {by_key[key].hash: answer for key, answer in good.items()}
        return accepted, {by_key[key].hash: reason for key, reason in bad.items()}

    def _since(self, started: float) -> float:
        return self.coder.clock() - started

    def _keep(
        self,
        batch: list[_Item],
        sent: Sent,
        accepted: Mapping[str, Answer] | None = None,
        failures: Mapping[str, str] | None = None,
    ) -> None:
        keys = {item.hash: item.keys for item in batch}
        self.coder.store.keep(self.coder.version, sent, accepted or {}, failures or {}, keys)

    async def _answered(self, prompt: str, texts: int) -> "ModelResponse":
        """A response, after as many tries as it takes.

        Raises:
            _Unanswered: none came for this prompt.
            _Ended: none will come for others either, or a limit is reached.
        """
        tries = 0
        while True:
            await self._pace.turn(self._nap)
            held = await self._reserved(prompt, texts)
            tries += 1
            try:
                response = await self._request(prompt, texts, held)
            except _PassingFailure as failure:
                await self._wait(failure, tries)
            else:
                self._exhausted = self._refused = 0
                self._successes += 1
                return response

    async def _reserved(self, prompt: str, texts: int) -> costs.Reservation:
        while True:
            if self.stop is not None:
                raise _Ended
            most = self.config.max_output_tokens * texts
            held = self.budget.reserve(prompt, self.coder.shared, most)
            if isinstance(held, costs.Reservation):
                return held
            if self.budget.is_out_of_requests or not self.budget.is_waiting:
                self._end(
                    Stop("limit", f"Stopped: {held}.",
                         "Raise the limit and run again: only what is missing is asked.")
                )  # fmt: skip
                raise _Ended
            # What is under way is counted with the most that it can take; most takes less.
            self._freed.clear()
            await self._freed.wait()

    async def _request(self, prompt: str, texts: int, held: costs.Reservation) -> "ModelResponse":
        """One request.

        Raises:
            _PassingFailure: it may work another time.
            _Unanswered: this prompt is refused.
            _Ended: the endpoint refuses all.
        """
        from pydantic_ai.direct import model_request
        from pydantic_ai.exceptions import AgentRunError, UserError
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        assert self._model is not None
        request = ModelRequest(
            parts=[UserPromptPart(content=prompt)], instructions=self.coder.instructions
        )
        is_settled = False
        try:
            response = await model_request(
                self._model,
                [request],
                model_settings=_settings_of(self.config, texts),
                model_request_parameters=_form_of(self.config.answer_form, self.coder.schema),
                instrument=False,
            )
            usage = response.usage
            if usage.unmeasured_requests or not usage.output_tokens:
                self.budget.charge_most(held)
            else:
                self.budget.charge(held, usage.input_tokens, usage.output_tokens,
                                   usage.cache_read_tokens, usage.cache_write_tokens)  # fmt: skip
            is_settled = True
            return response
        except (AgentRunError, UserError) as error:
            judged = _judged(error)
            (self.budget.charge_most if judged.is_unsure else self.budget.release)(held)
            is_settled = True
            self._refuse_for(judged, error)
        finally:
            if not is_settled:
                # Interrupted while it was under way.
                self.budget.charge_most(held)
            self._freed.set()

    def _refuse_for(self, judged: "_Judged", error: Exception) -> NoReturn:
        """Raise what a failed request means for the run."""
        told = self._told(error)
        if judged.kind == "passing":
            raise _PassingFailure(told, judged.retry_after, judged.is_timeout) from None
        if judged.kind == "rejected":
            self._refused += 1
            if self._refused < REFUSED_IN_A_ROW or self._successes:
                raise _Unanswered("the endpoint refused the request", told) from None
            remedy = (
                "It takes a parameter not, or the answer's form: try answer_form 'schema' or 'text'"
                " in study.themes.llm, leave temperature out, or choose another model."
            )
            self._end(Stop("permanent", f"{self._where} refuses all requests: {told}", remedy))
            raise _Ended from None
        remedies = {
            "key": (
                f"{self._where} does not accept the key: {told}",
                f"Check the key in {self.config.key_variable}, and that it may use"
                f" {self.config.model}." if self.config.key_variable else
                "Name the environment variable that has its key in"
                " study.themes.llm.api_key_variable.",
            ),
            "model": (
                f"{self._where} does not know the model {self.config.model}: {told}",
                "Correct study.themes.llm.model, or base_url (it often ends in /v1).",
            ),
            "credit": (
                f"{self._where} says that the account's credit or quota is used up: {told}",
                "Top it up and run again: only what is missing is asked.",
            ),
        }  # fmt: skip
        message, remedy = remedies[judged.kind]
        self._end(Stop("permanent", message, remedy))
        raise _Ended from None

    async def _wait(self, failure: "_PassingFailure", tries: int) -> None:
        """Wait before the next try, or give this request or the run up."""
        most = TIMEOUT_ATTEMPTS if failure.is_timeout else self.config.attempts
        if tries >= min(most, self.config.attempts):
            self._give_up(failure, tries)
        seconds = failure.retry_after
        if seconds is None:
            # Waits need no secrets, only to differ between workers.
            seconds = FIRST_WAIT * 2 ** (tries - 1) * random.uniform(1.0, 1.25)  # noqa: S311
            await self._nap(min(seconds, self.config.longest_wait_seconds))
        elif seconds <= self.config.longest_wait_seconds:
            # The endpoint means everybody.
            self._pace.hold(seconds)
        else:
            remedy = "Run again then: only what is missing is asked."
            self._end(Stop("later", f"{self._where} asks to wait {seconds:,.0f} s.", remedy))
            raise _Ended

    def _give_up(self, failure: "_PassingFailure", tries: int) -> NoReturn:
        """Leave this text; end the run where no other is answered meanwhile."""
        self._exhausted += 1
        never_worked = not self._successes and not failure.is_timeout
        if never_worked or self._exhausted >= EXHAUSTED_IN_A_ROW:
            remedy = "See that it is up and reachable, and run again: what was answered is kept."
            self._end(Stop("later", f"{self._where} gives no answer: {failure}", remedy))
            raise _Ended
        raise _Unanswered(f"no answer in {tries} tries", str(failure))

    async def _nap(self, seconds: float) -> None:
        """Wait, unless the run ends meanwhile."""
        if self.stop is not None:
            raise _Ended
        task = asyncio.current_task()
        assert task is not None
        self._napping.add(task)
        try:
            await self.coder.sleep(seconds)
        except asyncio.CancelledError:
            if self.stop is None:
                raise
            task.uncancel()
            raise _Ended from None
        finally:
            self._napping.discard(task)

    @property
    def _where(self) -> str:
        return f"The endpoint {self.config.endpoint}"

    def _told(self, error: Exception) -> str:
        """What went wrong, in one short line without the key."""
        line = prompts.cleaned(self._without_key(" ".join(_said(error).split())))
        return line if len(line) <= MESSAGE_CHARACTERS else line[:MESSAGE_CHARACTERS] + "..."

    def _without_key(self, text: str) -> str:
        # What is shorter is no secret but a placeholder, and part of many words.
        is_secret = self._key is not None and len(self._key) >= SHORTEST_KEY
        return text.replace(self._key, "[key]") if is_secret and self._key else text

    def _report(self) -> None:
        if self.coder.on_progress is None:
            return
        failed = len(set(self.reasons) - set(self.accepted))
        done = len(self.accepted) + failed
        self.coder.on_progress(Progress(done, self._total, failed, self.budget.spent))


class _Pace:
    """Spaces the starts of requests evenly."""

    def __init__(self, per_minute: float | None, clock: Callable[[], float]) -> None:
        self._interval = 0.0 if per_minute is None else 60.0 / per_minute
        self._clock = clock
        self._next = 0.0

    async def turn(self, nap: Sleep) -> None:
        """Wait until the next request may start."""
        now = self._clock()
        start = max(now, self._next)
        self._next = start + self._interval
        if start > now:
            await nap(start - now)

    def hold(self, seconds: float) -> None:
        """Let no request start for a while."""
        self._next = max(self._next, self._clock() + seconds)


# ---------------------------------------------------------------- the provider


class _PassingFailure(Exception):
    """A request failed in a way that may pass."""

    def __init__(self, told: str, retry_after: float | None, is_timeout: bool) -> None:
        super().__init__(told)
        self.retry_after = retry_after
        self.is_timeout = is_timeout


@dataclass(frozen=True)
class _Judged:
    """What a failure means.

    Attributes:
        is_unsure: whether the request may have been worked on, and so be billed.
    """

    kind: Literal["passing", "rejected", "key", "model", "credit"]
    retry_after: float | None = None
    is_timeout: bool = False
    is_unsure: bool = False


def _judged(error: Exception) -> _Judged:
    from pydantic_ai import exceptions as said

    if isinstance(error, said.ModelQuotaExceededError):
        return _Judged("credit")
    if isinstance(error, said.ModelAuthenticationError):
        return _Judged("key")
    if isinstance(error, said.ModelNotFoundError):
        return _Judged("model")
    if isinstance(error, said.ModelConnectionError | said.ModelRequestTimeout):
        is_timeout = isinstance(error, said.ModelTimeoutError | said.ModelRequestTimeout)
        was_sent = getattr(error, "phase", None) not in ("pool", "connect")
        return _Judged("passing", None, is_timeout and was_sent, was_sent)
    if isinstance(error, said.ModelHTTPError):
        status = error.status_code
        if status in (408, 409, 425, 429) or status >= 500:
            # A gateway's timeout comes after the model's work.
            return _Judged("passing", error.retry_after, status in (408, 504), status == 504)
        return _Judged("rejected")
    if isinstance(error, said.UserError):
        return _Judged("rejected")
    # A response of 200 that is no JSON, or lacks what the protocol demands: it may be billed.
    return _Judged("passing", is_unsure=True)


def _said(error: Exception) -> str:
    """The status and the endpoint's own words, or the library's."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error")
        body = (inner if isinstance(inner, dict) else body).get("message") or body
    if status is not None:
        return f"HTTP {status}: {body}" if body else f"HTTP {status}"
    return str(getattr(error, "message", None) or error or type(error).__name__)


def _key_of(config: LlmConfig) -> str | None:
    variable = config.key_variable
    return None if variable is None else os.environ.get(variable, "").strip() or None


def _model_of(config: LlmConfig, key: str | None, client: Any) -> "Model[Any]":
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


def _settings_of(config: LlmConfig, texts: int) -> Any:
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


def _form_of(form: str, schema: dict[str, Any]) -> Any:
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


def _raw_of(response: "ModelResponse") -> str:
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


def _refuse_unfinished(response: "ModelResponse") -> None:
    if response.finish_reason == "length":
        raise answers.Refused("it was longer than max_output_tokens allows")
    if response.finish_reason == "content_filter":
        raise answers.Refused("the endpoint's filter withheld it")


def config_of(section: Any) -> LlmConfig:
    """The parameters of a settings section (`study.themes.llm`) whose fields have these names."""
    names = asdict(LlmConfig())
    return LlmConfig(**{name: getattr(section, name) for name in names if hasattr(section, name)})
