"""How fast opening posts are measured and folded, in how much memory, and by what else.

Belongs here: generated posts, seconds and peak memory of each step, and the same signatures and
folds by another library. Does not belong here: the corpus (assets.study.themes).

    python -m bench.corpus [--texts 100000] [--json] [--check]

Posts are put together of the twin's words: five languages, forms, code, logs, one in five a copy
of another with a word changed, one in fifty just `test`. Each way runs in a process of its own, so
that its peak memory is its own; seconds are of the processor, without imports, the loading of the
language model and the making of the posts. `datasketch` signs the same shingles and folds by its
index, text after text as its documentation shows, and in bulk; all ways must fold about as many.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.sampling import peak_megabytes
from twin import words

TEXTS = 100_000
BATCH = 5_000
# Posts a second of all steps together, at least, and megabytes at most, at full size; and how much
# faster than the other library signing and folding is.
LEAST_SPEED, MOST_MEGABYTES, LEAST_RATIO = 500.0, 1_000.0, 3.0
Row = dict[str, Any]
WAYS = ("corpus", "datasketch", "datasketch bulk")


def main() -> int:
    """Measure; the exit code is 1 where `--check` finds a bound missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.corpus", description=__doc__)
    parser.add_argument("--texts", type=int, default=TEXTS, help="posts that are generated")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        way, count = options.child
        print(json.dumps(child(way, int(count))))
        return 0
    report = [run_child(way, options.texts) for way in WAYS]
    ours = report[0]
    for row in report[1:]:
        row["ratio"] = (row["sign"] + row["fold"]) / (ours["sign"] + ours["fold"])
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    return 1 if options.check and not is_met(report, options.texts) else 0


def run_child(way: str, count: int) -> Row:
    """One way in a process of its own."""
    command = [sys.executable, "-m", "bench.corpus", "--child", way, str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Row = json.loads(done.stdout)
    return found


def child(way: str, count: int) -> Row:
    """Seconds of each step, posts folded, and peak memory of one way."""
    from assets.study.themes.cleaning import cleaned, line_hashes
    from assets.study.themes.languages import language_of

    language_of(["A sentence that is long enough for the model to be loaded."])
    spent = dict.fromkeys(("clean", "language", "sign", "fold"), 0.0)
    fold = FOLDS[way](spent)
    characters = 0
    for titles, bodies in batches(count):
        started = time.process_time()
        cleans = [cleaned(title, body) for title, body in zip(titles, bodies, strict=True)]
        for body in bodies:
            line_hashes(body)
        texts = [f"{clean.title}\n{clean.body}" for clean in cleans]
        spent["clean"] += time.process_time() - started
        characters += sum(map(len, bodies))
        if way == "corpus":
            started = time.process_time()
            language_of(texts)
            spent["language"] += time.process_time() - started
        fold(texts)
    folded = fold(None)
    return {"way": way, "texts": count, "characters": characters, **spent, "folded": folded,
            "peak_megabytes": peak_megabytes()}  # fmt: skip


# ---------------------------------------------------------------- ways

Fold = Callable[[list[str] | None], int]


def ours(spent: Row) -> Fold:
    """Signatures in batches, and clusters of all of them at the end."""
    from assets.study.themes.duplicates import representatives, signatures

    kept: list[bytes] = []

    def fold(texts: list[str] | None) -> int:
        started = time.process_time()
        if texts is not None:
            kept.extend(signatures(texts))
            spent["sign"] += time.process_time() - started
            return 0
        keys = [f"{at:09}" for at in range(len(kept))]
        first = representatives(keys, np.arange(len(kept)), kept, [""] * len(kept))
        spent["fold"] += time.process_time() - started
        return int((first != np.arange(len(kept))).sum())

    return fold


def of_datasketch(spent: Row, is_bulk: bool = False) -> Fold:
    """Signatures by datasketch, folded on the first that its index finds."""
    from datasketch import MinHash, MinHashLSH

    from assets.study.themes.duplicates import LEAST_SIMILARITY, PERMUTATIONS

    index = MinHashLSH(threshold=LEAST_SIMILARITY, num_perm=PERMUTATIONS)
    place = folded = 0

    def fold(texts: list[str] | None) -> int:
        nonlocal place, folded
        if texts is None:
            return folded
        started = time.process_time()
        shingles = [list(shingles_of(text)) for text in texts]
        if is_bulk:
            signed = MinHash.bulk(shingles, num_perm=PERMUTATIONS, seed=1)
        else:
            signed = []
            for parts in shingles:
                told = MinHash(num_perm=PERMUTATIONS, seed=1)
                for part in parts:
                    told.update(part)
                signed.append(told)
        spent["sign"] += time.process_time() - started
        started = time.process_time()
        for one in signed:
            if index.query(one):
                folded += 1
            else:
                index.insert(place, one)
            place += 1
        spent["fold"] += time.process_time() - started
        return folded

    return fold


def shingles_of(text: str) -> Iterator[bytes]:
    """Three words in a row; of a short text the whole of it."""
    from assets.study.themes.duplicates import LEAST_WORDS, SHINGLE_WORDS

    of_text = text.casefold().split()
    if len(of_text) < LEAST_WORDS:
        yield " ".join(of_text).encode()
        return
    for at in range(len(of_text) - SHINGLE_WORDS + 1):
        yield " ".join(of_text[at : at + SHINGLE_WORDS]).encode()


FOLDS: dict[str, Callable[[Row], Fold]] = {
    "corpus": ours,
    "datasketch": of_datasketch,
    "datasketch bulk": lambda spent: of_datasketch(spent, True),
}


# ---------------------------------------------------------------- posts

CODE = "```python\nfor {n} in {x}s:\n    {n}.run({d}, mode='{a}')\n    print({n})\n```"
LOG = (
    "2025-10-0{d} 10:00:0{d} INFO {n} started\n2025-10-0{d} 10:00:0{d} WARN {x} is {a}\n"
    "2025-10-0{d} 10:00:1{d} ERROR {x} {n} {a}"
)
TRACE = (
    'Traceback (most recent call last):\n  File "/srv/{n}/{x}.py", line {d}1, in run\n'
    "    {n}.{x}()\nValueError: {a} {x}"
)


def batches(count: int) -> Iterator[tuple[list[str], list[str]]]:
    """Titles and bodies, some thousand at a time, the same ones in every process."""
    random = np.random.default_rng(2016)
    former = "A first post that later ones may copy, with as many words as it takes to be long."
    for begin in range(0, count, BATCH):
        titles, bodies = [], []
        for _ in range(min(BATCH, count - begin)):
            title, body = post(random, former)
            former = body
            titles.append(title)
            bodies.append(body)
        yield titles, bodies


def post(random: np.random.Generator, former: str) -> tuple[str, str]:
    """One post."""
    chance, numbers = random.random(), random.integers(0, 1 << 59, 40).tolist()
    if chance < 0.02:
        return "test", "test"
    if chance < 0.2:
        return "A title", former.replace(" ", f" {words.NOUNS[numbers[0] % 80]} ", 1)
    code = words.LANGUAGE_CODES[max(0, int(random.integers(-15, 5)))]
    theme = words.THEMES[numbers[1] % len(words.THEMES)]
    patterns = [*words.THEME_SENTENCES[code][theme], *words.SUBSTANTIVE]
    parts = [words.filled(patterns[n % len(patterns)], n) for n in numbers[2 : 4 + numbers[1] % 8]]
    for block in (CODE, LOG, TRACE):
        if random.random() < 0.25:
            parts.append(words.filled(block, numbers[20]))
    if random.random() < 0.3:
        heads = words.TEMPLATES[theme]
        parts = [f"{heads[at % len(heads)]}\n\n{part}" for at, part in enumerate(parts)]
    titles = words.THEME_TITLES[code][theme]
    return words.filled(titles[numbers[21] % len(titles)], numbers[22]), "\n\n".join(parts)


# ---------------------------------------------------------------- what is told


def is_met(report: list[Row], texts: int) -> bool:
    """Whether the bounds hold; memory is bounded at full size only."""
    first = report[0]
    speed = first["texts"] / seconds(first)
    fits = texts != TEXTS or first["peak_megabytes"] <= MOST_MEGABYTES
    return speed >= LEAST_SPEED and fits and report[1]["ratio"] >= LEAST_RATIO


def seconds(row: Row) -> float:
    return float(row["clean"] + row["language"] + row["sign"] + row["fold"])


def as_text(report: list[Row]) -> str:
    """A table."""
    size = report[0]["characters"] / report[0]["texts"]
    lines = [f"{report[0]['texts']:,} posts of {size:.0f} characters", ""]
    head = f"{'':16}" + "".join(f"{name:>10}" for name in ("clean", "language", "sign", "fold"))
    lines.append(f"{head}{'posts/s':>10}{'folded':>10}{'peak MB':>10}{'ratio':>8}")
    for row in report:
        steps = "".join(f"{row[name]:>9.1f}s" for name in ("clean", "language", "sign", "fold"))
        speed = f"{row['texts'] / seconds(row):,.0f}" if row["way"] == "corpus" else ""
        ratio = f"{row['ratio']:>8.1f}" if "ratio" in row else f"{'1':>8}"
        lines.append(
            f"{row['way']:16}{steps}{speed:>10}{row['folded']:>10,}"
            f"{row['peak_megabytes']:>10,.0f}{ratio}"
        )
    lines += ["", "ratio: seconds of signing and folding over the corpus's own."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
