"""What coding by a language model costs: before, as an estimate, and while it runs, as a limit.

Belongs here: counts of tokens, prices, limits on requests, tokens and money. Does not belong here:
asking (`llm`).

Prices are those that the installed package genai-prices holds offline for a provider's own
endpoint, or those of the settings; another endpoint's price is never guessed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

# Characters of a token, as measured on issues and on the instructions: docs/themes-llm.md.
TEXT_CHARACTERS, PROSE_CHARACTERS, OTHER_CHARACTERS = 3.5, 4.2, 1.5
# How far the sum over many texts may be off with another model's tokenizer.
ESTIMATE_ERROR = 0.25
# What a provider adds around a prompt: roles, and the words that make a model use tools.
OVERHEAD_EXPECTED, OVERHEAD_MOST = 250, 1500
# An answer's length where none of this coder is kept yet: a summary, keywords, five themes.
OUTPUT_EXPECTED = 280
MILLION = 1_000_000
# Prices are read off so many tokens: very long prompts, which ours are not, may be dearer.
PRICED = 10_000


def expected_tokens(text: str, characters: float = TEXT_CHARACTERS) -> float:
    """Tokens of a text, about, by its characters; those outside ASCII count more.

    Tokenizers of models are files to be downloaded, and differ; this needs none.
    """
    others = 0 if text.isascii() else sum(not one.isascii() for one in text)
    return (len(text) - others) / characters + others / OTHER_CHARACTERS


def most_tokens(text: str) -> int:
    """Tokens of a text, at most: no tokenizer in use gives more than one for each byte."""
    return len(text.encode("utf-8", "surrogatepass"))


# ---------------------------------------------------------------- prices


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in US dollars.

    Attributes:
        input_most: the dearest way to be billed for input: where a provider caches prompts, the
            first use costs more.
        source: where the prices come from, in words.
    """

    input: float
    output: float
    input_most: float
    input_cached: float
    source: str

    def cost(
        self, input_tokens: float, output_tokens: float, cached: float = 0, written: float = 0
    ) -> float:
        """US dollars of tokens, of whose input some were read from a cache or written to one."""
        told = max(0.0, input_tokens - cached - written) * self.input
        told += cached * self.input_cached + written * self.input_most
        return (told + output_tokens * self.output) / MILLION

    def most(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars of tokens, at most."""
        return (input_tokens * self.input_most + output_tokens * self.output) / MILLION


def given_prices(input_price: float, output_price: float) -> Prices:
    """Prices of the settings, US dollars for a million tokens; caches are not thought of."""
    return Prices(input_price, output_price, input_price, input_price, "the settings")


def listed_prices(provider: str, model: str) -> Prices | None:
    """Prices of a model at its provider's own endpoint, as installed; None where none is listed."""
    try:
        from genai_prices import Usage, calc_price

        source = f"genai-prices {version('genai-prices')}"
    except ImportError:
        return None

    def price(**tokens: int) -> Any:
        told = calc_price(Usage(**tokens), model, provider_id=provider).total_price
        return float(told) * MILLION / PRICED

    try:
        plain, output = price(input_tokens=PRICED), price(output_tokens=PRICED)
        cached = price(input_tokens=PRICED, cache_read_tokens=PRICED)
        written = price(input_tokens=PRICED, cache_write_tokens=PRICED)
    except (LookupError, ValueError, ArithmeticError):
        return None
    return Prices(plain, output, max(plain, written), min(plain, cached), source)


# ---------------------------------------------------------------- estimate


@dataclass(frozen=True)
class Estimate:
    """What coding texts would take; tokens of input and output, money in US dollars.

    Attributes:
        texts: all that were given; `kept` of them are answered already, `empty` have nothing to
            code, `failed` could not be coded before and are not asked again.
        requests: needed where every answer is taken at once.
        output_source: what the expected length of answers rests on.
        error: how far expected input tokens may be off, as a share; that of output is unknown.
        cost, cost_most: None where no price is known; the expected one thinks of no prompt cache,
            which makes it less.
    """

    texts: int
    kept: int
    empty: int
    failed: int
    requests: int
    input_tokens: int
    input_tokens_most: int
    output_tokens: int
    output_tokens_most: int
    output_source: str
    error: float
    cost: float | None
    cost_most: float | None
    price_source: str | None


def estimate(
    prompts: Sequence[tuple[str, int]],
    shared: str,
    max_output_tokens: int,
    output_each: float | None,
    prices: Prices | None,
    counts: Mapping[str, int],
) -> Estimate:
    """What requests would take.

    Args:
        prompts: each request's own message, and how many texts it has.
        shared: instructions and schema, sent with each.
        max_output_tokens: of one text's answer.
        output_each: output tokens of one text as seen so far; None where nothing was asked yet.
        counts: `texts`, `kept`, `empty` and `failed`, as in `Estimate`.
    """
    number = sum(texts for _, texts in prompts)
    shared_most = most_tokens(shared)
    shared_tokens = expected_tokens(shared, PROSE_CHARACTERS)
    expected = sum(
        expected_tokens(prompt) + shared_tokens + OVERHEAD_EXPECTED for prompt, _ in prompts
    )
    most = sum(most_tokens(prompt) + shared_most + OVERHEAD_MOST for prompt, _ in prompts)
    each = OUTPUT_EXPECTED if output_each is None else output_each
    output, output_most = number * min(each, max_output_tokens), number * max_output_tokens
    return Estimate(
        **counts,
        requests=len(prompts),
        input_tokens=round(expected),
        input_tokens_most=most,
        output_tokens=round(output),
        output_tokens_most=output_most,
        output_source="assumed" if output_each is None else "seen in this coder's answers",
        error=ESTIMATE_ERROR,
        cost=None if prices is None else prices.cost(expected, output),
        cost_most=None if prices is None else prices.most(most, output_most),
        price_source=None if prices is None else prices.source,
    )


# ---------------------------------------------------------------- limits


@dataclass
class Spent:
    """What a run has used; `requests` counts repeated ones too.

    Attributes:
        input_tokens, output_tokens: as the endpoint told them; where it did not answer or did not
            tell, what the request can have taken at most is in `unsure_tokens`.
        cost: US dollars, with the unsure ones at their most; None where no price is known.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unsure_tokens: int = 0
    cost: float | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.unsure_tokens


@dataclass(frozen=True)
class Reservation:
    """What a request may take at most, held back until its answer is there."""

    input_tokens: int
    output_tokens: int


class Budget:
    """Lets a request go only where all limits hold even if it takes the most it can.

    So a limit is never exceeded, as long as the endpoint obeys the limit on output and counts no
    more than one token a byte; the last part of a limit may stay unused.
    """

    def __init__(
        self,
        prices: Prices | None,
        max_requests: int | None = None,
        max_tokens: int | None = None,
        max_cost: float | None = None,
    ) -> None:
        self.spent = Spent(cost=None if prices is None else 0.0)
        self.prices = prices
        self._limits = (max_requests, max_tokens, max_cost)
        self._held: list[Reservation] = []

    def reserve(self, prompt: str, shared: str, output_tokens: int) -> Reservation | str:
        """Hold back what a request may take, or say which limit it could exceed."""
        most = most_tokens(prompt) + most_tokens(shared) + OVERHEAD_MOST
        asked = Reservation(most, output_tokens)
        max_requests, max_tokens, max_cost = self._limits
        if max_requests is not None and self.spent.requests + 1 > max_requests:
            return f"the limit of {max_requests:,} requests is reached"
        held = [*self._held, asked]
        tokens = self.spent.tokens + sum(one.input_tokens + one.output_tokens for one in held)
        if max_tokens is not None and tokens > max_tokens:
            return (
                f"the limit of {max_tokens:,} tokens could be exceeded by another request"
                f" ({self.spent.tokens:,} used)"
            )
        if max_cost is not None and self.prices is not None:
            cost = (self.spent.cost or 0.0) + sum(self._most(one) for one in held)
            if cost > max_cost:
                return (
                    f"the limit of {max_cost:,.2f} US dollars could be exceeded by another request"
                    f" ({self.spent.cost or 0.0:,.4f} used)"
                )
        self._held.append(asked)
        self.spent.requests += 1
        return asked

    @property
    def is_waiting(self) -> bool:
        """Whether requests are under way whose reservations may come back in part."""
        return bool(self._held)

    @property
    def is_out_of_requests(self) -> bool:
        """Whether no request may follow, whatever those under way take."""
        most = self._limits[0]
        return most is not None and self.spent.requests >= most

    def release(self, held: Reservation) -> None:
        """The request was refused before any work: nothing is charged."""
        self._held.remove(held)

    def charge_most(self, held: Reservation) -> None:
        """Nobody knows what the request took: it counts with the most it can have taken."""
        self._held.remove(held)
        self.spent.unsure_tokens += held.input_tokens + held.output_tokens
        self._add(self._most(held))

    def charge(
        self, held: Reservation, input_tokens: int, output_tokens: int, cached: int, written: int
    ) -> None:
        """The endpoint told what the request took; see `Prices.cost`."""
        self._held.remove(held)
        self.spent.input_tokens += input_tokens
        self.spent.output_tokens += output_tokens
        if self.prices is not None:
            self._add(self.prices.cost(input_tokens, output_tokens, cached, written))

    def _most(self, held: Reservation) -> float:
        if self.prices is None:
            return 0.0
        return self.prices.most(held.input_tokens, held.output_tokens)

    def _add(self, cost: float) -> None:
        if self.spent.cost is not None and math.isfinite(cost):
            self.spent.cost += cost
