"""The coder that asks a language model, of Anthropic or of any OpenAI-compatible endpoint.

Belongs here: the coder's version, what of some texts has to be asked, resuming. Does not belong
here: what the model is told (`prompts`), what is accepted and kept (`answers`), prices and limits
(`costs`), requests and their repetition (`run`, `provider`).

The steps are the study's: summary, keywords, open code, then themes, all written down in the
answer. Nothing is asked twice: answers are kept by a hash of all that they depend on.

Sources: Ye et al., section 4.2.3 (staged prompting).
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from assets.study.themes.codebook import load_codebook
from assets.study.themes.coding import Coding, Text
from assets.study.themes.llm import answers, costs, prompts
from assets.study.themes.llm.answers import Answer, AnswerStore, Failure
from assets.study.themes.llm.config import LlmConfig, why_off
from assets.study.themes.llm.run import Item, Progress, Run, Sleep, Stop, batches_of, finish
from orchestration.failures import PermanentFailure, SettingsError

EMPTY = "nothing is left of the text once it is cleaned"


@dataclass
class _Plan:
    """What of some texts has to be asked."""

    known: dict[str, Answer] = field(default_factory=dict)
    uncoded: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
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
        batches = batches_of(plan.items, self.config.texts_per_request)
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
                plan.items.append(Item(name, shown[name], tuple(many)))
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
        run = Run(self, plan.items)
        try:
            finish(run)
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
