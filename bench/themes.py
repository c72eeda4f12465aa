"""How well and how fast coders label opening posts, beside what anyone would write in five lines.

Belongs here: cross-validation on real labelled posts, generated posts, seconds and peak memory.
Does not belong here: coders and figures (assets.study.themes).

    python -m bench.themes [--only nlbse|speed] [--coder linear|encoder] [--json] [--check]

`nlbse` cross-validates on the training half of the NLBSE'24 issue report classification (1,500
posts of five repositories: bug, feature, question), which is no part of the project: it is looked
for in `$REAL_DATA_DIR/issues`, by default `../shared/data/issues`, and left out with a word where
it is not there. `--data FILE` takes any other table with title, body, label and where known repo;
`--test FILE` fits on all of the first and judges on that one instead. Each repetition has other
folds; beside the coder the alternative is fitted on the same folds.

`speed` fits on generated posts and codes many more; each way runs in a process of its own, whose
peak memory is its own. Posts are made before the clock runs.

The alternative is scikit-learn's `TfidfVectorizer` (words and pairs of words, sublinear) on title
and body with a `LogisticRegression`, all repositories together.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.study.themes.coding import Coder, Coding, Text
from bench.sampling import peak_megabytes

NLBSE = "nlbse2024_train.csv.gz"
TARGET_F1 = {"linear": 0.80, "encoder": 0.83}
# For 100,000 posts on two cores.
TARGET_SECONDS = 300.0
POSTS, LEARNED = 100_000, 3_000
LABELS = ("bug_report", "suggestion", "usage_problem", "performance_evaluation", "others")
SEED = 7
Row = dict[str, Any]


class Plain:
    """The alternative, as a coder."""

    name = "plain"
    version = "1"

    def __init__(self, texts: Sequence[Text], targets: Any, labels: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self.labels = tuple(labels)
        self.words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
        seen = self.words.fit_transform(self.spelled(texts))
        self.weights = LogisticRegression(C=10, max_iter=1000).fit(seen, targets)

    @staticmethod
    def spelled(texts: Sequence[Text]) -> list[str]:
        return [f"{text.title}\n{text.body}" for text in texts]

    def code(self, texts: Sequence[Text]) -> Coding:
        found = np.zeros((len(texts), len(self.labels)))
        said = self.weights.predict_proba(self.words.transform(self.spelled(texts)))
        found[:, self.weights.classes_] = said
        keys = tuple(text.key for text in texts)
        return Coding(keys, self.labels, found, found == found.max(axis=1, keepdims=True))


def fit_of(name: str, by_repository: bool) -> Callable[..., Coder]:
    """How a coder is fitted."""
    if name == "plain":
        return Plain
    if name == "linear":
        from assets.study.themes.linear import fit_linear

        return lambda *given: fit_linear(*given, by_repository=by_repository)
    from assets.study.themes.encoder.fit import fit_encoder

    return lambda *given: fit_encoder(*given, by_repository=by_repository)


def main() -> int:
    """Measure; the exit code is 1 where `--check` finds a target missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.themes", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", choices=["nlbse", "speed"], help="one of the two")
    parser.add_argument("--coder", choices=["linear", "encoder"], default="linear")
    parser.add_argument("--data", type=Path, help="labelled posts to cross-validate on")
    parser.add_argument("--test", type=Path, help="labelled posts to judge on, fitted on all data")
    parser.add_argument("--seeds", type=int, help="repetitions; 5, and 1 for the encoder")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--pooled", action="store_true", help="one set of weights for all")
    parser.add_argument("--posts", type=int, default=POSTS, help="generated")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a target is missed")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(timed(options.child, options.posts)))
        return 0
    report: Row = {}
    if options.only != "speed":
        report["nlbse"] = judged(options)
    if options.only != "nlbse":
        report["speed"] = [in_child(name, options.posts) for name in (options.coder, "plain")]
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    return 1 if options.check and is_missed(report, options) else 0


# ---------------------------------------------------------------- quality


def judged(options: argparse.Namespace) -> Row:
    """Figures of the coder and of the alternative on the same folds."""
    from assets.study.themes.evaluate import cross_validated, figures
    from assets.study.themes.files import read_labelled

    folder = Path(os.environ.get("REAL_DATA_DIR") or "../shared/data")
    path = options.data or folder / "issues" / NLBSE
    if not path.is_file():
        return {"skipped": f"{path} is not here; give labelled posts with --data FILE."}
    known = read_labelled(path)
    by_repository = known.has_repositories and not options.pooled
    seeds = range(options.seeds or (1 if options.coder == "encoder" else 5))
    report: Row = {"data": str(path), "texts": len(known.texts), "by_repository": by_repository}
    for name in (options.coder, "plain"):
        started = time.perf_counter()
        fit = fit_of(name, by_repository)
        if options.test is None:
            made = cross_validated(known.texts, known.targets, known.labels, fit,
                                   fold_count=options.folds, seeds=tuple(seeds))  # fmt: skip
            report[name] = made.as_json()
        else:
            test = read_labelled(options.test, known.labels)
            coder = fit(known.texts, known.targets, known.labels)
            said = coder.code(test.texts).primary
            place = [known.labels.index(label) for label in test.labels]
            true = np.array(place)[test.targets]
            told = figures(true, said, known.labels, [text.repository for text in test.texts])
            report[name] = {
                "macro_f1": told.macro_f1, "macro_f1_sd": 0.0, "accuracy": told.accuracy,
                "by_repository": told.by_repository,
                "classes": {one.label: {key: value for key, value in vars(one).items()
                                        if key != "label"} for one in told.classes},
                "reliability": [],
            }  # fmt: skip
        report[name]["seconds"] = time.perf_counter() - started
    return report


# ---------------------------------------------------------------- speed


def in_child(name: str, posts: int) -> Row:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "bench.themes", "--child", name, "--posts", str(posts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def timed(name: str, posts: int) -> Row:
    """Seconds to fit and to code, and peak memory; posts are coded as they come, 5,000 a time."""
    texts, targets = made(LEARNED, np.random.default_rng(SEED))
    started, cpu = time.perf_counter(), time.process_time()
    coder = fit_of(name, by_repository=True)(texts, targets, LABELS)
    fitted, fitted_cpu = time.perf_counter() - started, time.process_time() - cpu
    seconds = cpu_seconds = characters = 0.0
    rng = np.random.default_rng(SEED + 1)
    for begin in range(0, posts, 5_000):
        texts, _ = made(min(5_000, posts - begin), rng)
        characters += sum(len(text.body) for text in texts)
        started, cpu = time.perf_counter(), time.process_time()
        coder.code(texts)
        seconds += time.perf_counter() - started
        cpu_seconds += time.process_time() - cpu
    return {
        "coder": name, "posts": posts, "characters": characters / posts,
        "fit_seconds": fitted, "fit_cpu_seconds": fitted_cpu, "seconds": seconds,
        "cpu_seconds": cpu_seconds, "posts_per_second": posts / seconds,
        "peak_megabytes": peak_megabytes(),
    }  # fmt: skip


def made(count: int, rng: np.random.Generator) -> tuple[list[Text], Any]:
    """Posts with the lengths of real ones: a median of 1,100 characters, a mean of some 2,300."""
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    vocabulary = np.array(
        ["".join(word) for word in letters[
            np.random.default_rng(SEED).integers(0, len(letters), (30_000, 12))
        ]]
    )  # fmt: skip
    sizes = np.random.default_rng(SEED).integers(2, 11, len(vocabulary))
    vocabulary = np.array([word[:size] for word, size in zip(vocabulary, sizes, strict=True)])
    targets = rng.integers(0, len(LABELS), count)
    texts = []
    for at, target in enumerate(targets.tolist()):
        size = min(int(rng.lognormal(5.05, 1.2)), 8_000) + 3
        # Zipf's law, with some words that go with a label.
        place = (30_000 ** rng.random(size) - 1).astype(np.int64)
        is_telling = rng.random(size) < 0.03
        place[is_telling] = 100 + target * 40 + rng.integers(0, 40, int(is_telling.sum()))
        words = vocabulary[np.minimum(place, len(vocabulary) - 1)].tolist()
        lines = [" ".join(words[begin : begin + 12]) for begin in range(8, len(words), 12)]
        if at % 3 == 0:
            lines.insert(len(lines) // 2, "```\n" + "\n".join(lines[-6:]) + "\n```")
        body = "### Steps to reproduce\n\n" + "\n".join(lines)
        texts.append(Text(str(at), " ".join(words[:8]), body, f"owner/{at % 40}"))
    return texts, targets


# ---------------------------------------------------------------- what is told


def is_missed(report: Row, options: argparse.Namespace) -> bool:
    found = report.get("nlbse", {}).get(options.coder)
    slow = [row for row in report.get("speed", []) if row["coder"] == options.coder
            and row["seconds"] * POSTS / row["posts"] > TARGET_SECONDS]  # fmt: skip
    return bool(slow) or (found is not None and found["macro_f1"] < TARGET_F1[options.coder])


def as_text(report: Row) -> str:
    lines = []
    quality = report.get("nlbse", {})
    if "skipped" in quality:
        lines.append(f"nlbse left out: {quality['skipped']}")
    elif quality:
        ways = "by repository" if quality["by_repository"] else "pooled"
        lines.append(f"{quality['texts']:,} posts of {quality['data']} ({ways})")
    for name, found in quality.items():
        if not isinstance(found, dict):
            continue
        lines.append(f"{name}: macro F1 {found['macro_f1']:.4f} (sd {found['macro_f1_sd']:.4f} over"
                     f" repetitions), accuracy {found['accuracy']:.4f},"
                     f" {found['seconds']:.0f} s")  # fmt: skip
        lines += [f"  {where:<24}{value:.3f}" for where, value in found["by_repository"].items()]
        lines += [
            f"  {label:<24}precision {one['precision'] or 0:.3f}, recall {one['recall'] or 0:.3f},"
            f" F1 {one['f1']:.3f}"
            for label, one in found["classes"].items()
        ]
        lines += [
            f"  probability {one['low']:.1f} to {one['high']:.1f}: right {one['accuracy']:.3f},"
            f" said {one['confidence']:.3f} ({one['count']:,})"
            for one in found["reliability"] if one["count"]
        ]  # fmt: skip
    for row in report.get("speed", []):
        lines.append(
            f"{row['coder']:<8}{row['posts']:,} posts of {row['characters']:,.0f} characters:"
            f" {row['seconds']:.1f} s, CPU {row['cpu_seconds']:.1f} s,"
            f" {row['posts_per_second']:,.0f} a second; fitted on {LEARNED:,} in"
            f" {row['fit_seconds']:.1f} s; {row['peak_megabytes']:,.0f} MB"
        )
    if len(report.get("speed", [])) == 2:
        ours, plain = report["speed"]
        lines.append(f"ratio to plain: {ours['seconds'] / plain['seconds']:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
