"""Asking for many texts: pace, repetition, and when to end.

Belongs here: workers, waits, tries, limits held. Does not belong here: one request (`provider`),
which texts are asked for (`coder`), prices (`costs`).

One mechanism repeats failed requests, the one here: those of the providers' libraries are switched
off.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from assets.study.themes.llm import answers, costs, prompts
from assets.study.themes.llm.answers import Answer, Sent
from assets.study.themes.llm.config import key_of
from assets.study.themes.llm.provider import (
    Judged,
    PassingFailure,
    form_of,
    judged_of,
    model_of,
    raw_of,
    refuse_unfinished,
    said_by,
    settings_of,
)

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model

    from assets.study.themes.llm.coder import LlmCoder

# What is shorter is no key.
SHORTEST_KEY = 8
# A hanging endpoint is asked twice; after so many texts in a row without an answer the run ends.
TIMEOUT_ATTEMPTS, EXHAUSTED_IN_A_ROW = 2, 2
REFUSED_IN_A_ROW = 3
FIRST_WAIT = 1.0
MESSAGE_CHARACTERS = 300

Sleep = Callable[[float], Awaitable[None]]


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
class Item:
    """One text to ask: `keys` are the messages that have it."""

    hash: str
    text: str
    keys: tuple[str, ...]


def batches_of(items: Sequence[Item], size: int) -> list[list[Item]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def finish(run: "Run") -> None:
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


class _Ended(Exception):
    """The run ends; why is in its `stop`."""


class _Unanswered(Exception):
    """A request has no answer that can be judged; the text may be asked in another run."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(f"{reason}: {told}")
        self.told = told


class Run:
    """Asks for texts: workers take them from one queue until it is empty or the run ends."""

    def __init__(self, coder: "LlmCoder", items: Sequence[Item]) -> None:
        self.coder = coder
        self.config = coder.config
        self.accepted: dict[str, Answer] = {}
        self.reasons: dict[str, str] = {}
        self.stop: Stop | None = None
        self.budget = coder.budget
        self._total = len(items)
        self._queue = deque(batches_of(items, self.config.texts_per_request))
        self._pace = _Pace(self.config.requests_per_minute, coder.clock)
        self._key = key_of(self.config)
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
            self._model = model_of(self.config, self._key, client)
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

    async def _code(self, batch: list[Item]) -> None:
        """Ask for texts together; those without an accepted answer once more, each alone."""
        notes = await self._asked(batch, "", is_last=False)
        for item in batch:
            if item.hash in notes:
                await self._asked([item], notes[item.hash], is_last=True)

    async def _asked(self, batch: list[Item], note: str, is_last: bool) -> dict[str, str]:
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
        raw = self._without_key(raw_of(response))
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
        self, response: "ModelResponse", raw: str, by_key: Mapping[str, Item]
    ) -> tuple[dict[str, Answer], dict[str, str]]:
        """What is accepted of a response, and why the rest is not, by the texts' hash."""
        try:
            refuse_unfinished(response)
            good, bad = answers.read_answers(raw, list(by_key), self.coder.labels)
        except answers.Refused as reason:
            return {}, {item.hash: str(reason) for item in by_key.values()}
        accepted = {by_key[key].hash: answer for key, answer in good.items()}
        return accepted, {by_key[key].hash: reason for key, reason in bad.items()}

    def _since(self, started: float) -> float:
        return self.coder.clock() - started

    def _keep(
        self,
        batch: list[Item],
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
            except PassingFailure as failure:
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
            PassingFailure: it may work another time.
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
                model_settings=settings_of(self.config, texts),
                model_request_parameters=form_of(self.config.answer_form, self.coder.schema),
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
            judged = judged_of(error)
            (self.budget.charge_most if judged.is_unsure else self.budget.release)(held)
            is_settled = True
            self._refuse_for(judged, error)
        finally:
            if not is_settled:
                # Interrupted while it was under way.
                self.budget.charge_most(held)
            self._freed.set()

    def _refuse_for(self, judged: Judged, error: Exception) -> NoReturn:
        """Raise what a failed request means for the run."""
        told = self._told(error)
        if judged.kind == "passing":
            raise PassingFailure(told, judged.retry_after, judged.is_timeout) from None
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

    async def _wait(self, failure: PassingFailure, tries: int) -> None:
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

    def _give_up(self, failure: PassingFailure, tries: int) -> NoReturn:
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
        line = prompts.cleaned(self._without_key(" ".join(said_by(error).split())))
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
