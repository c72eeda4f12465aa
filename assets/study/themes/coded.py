"""Every new post of the corpus coded by the coders of a study, and kept.

Belongs here: which posts a coder has to code, training the offline coders on what the warehouse
holds, keeping codings batch by batch. Does not belong here: coders themselves (`linear`,
`encoder`, `llm`), where texts come from (`corpus`), figures (`marts`).

A post is coded again where its text, the codebook or the coder's version changed. The offline
coders are trained on posts whose theme maintainers' labels or their own words tell, and on the
codebook's examples; they stay as they are until the codebook or their code changes, or the corpus
has grown much, so that a night codes what is new. A killed run goes on at the next batch.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.tables import make_tables, open_warehouse
from assets.study.themes import corpus
from assets.study.themes.codebook import THEMES, Codebook, example_text, load_codebook
from assets.study.themes.coding import Coder, Coding, Text
from assets.study.themes.tables import CODED
from assets.study.themes.weak import weak_labels
from orchestration.failures import PermanentFailure
from orchestration.lake import write_atomically

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import StudySettings

Row = dict[str, Any]
Progress = Callable[[str, int, int], None]
BATCH_SIZE = {"linear": 5_000, "encoder": 500, "llm": 100}
# A text of the codebook says more than one whose theme was guessed.
EXAMPLE_WEIGHT = 3.0
# Tuned on the CPU: about 20 minutes of one core.
ENCODER_TEXTS = 3_000
MESSAGE_PREFIXES = ("github:repository:", "huggingface:")
# Of the training itself: another number trains the offline coders anew.
TRAINING = 2


@dataclass(frozen=True)
class CodedBy:
    """What one coder did.

    Attributes:
        coded_count: posts coded now.
        total_count: posts that have a coding of this version.
        stopped: why it ended before all posts were coded; None: they are.
        trained_on: posts and examples that it was trained on now; None: it was not.
    """

    coder: str
    version: str
    coded_count: int
    total_count: int
    stopped: str | None
    trained_on: int | None
    seconds: float


def code_corpus(
    warehouse_path: Path,
    study: "StudySettings",
    state_dir: Path,
    themes_dir: Path,
    progress: Progress | None = None,
) -> list[CodedBy]:
    """Let each coder of the study code what it has not coded.

    Args:
        state_dir: where trained coders are kept; they can be made again.
        themes_dir: where answers of a language model are kept; they cost money.
        progress: told the coder, the posts coded and those to code, after each batch.

    Raises:
        PermanentFailure: the corpus is missing, or a coder cannot be made.
        TransientFailure: another process has the warehouse open.
    """
    codebook = load_codebook()
    with open_warehouse(warehouse_path, read_only=False) as connection:
        make_tables(connection, [CODED])
        found = []
        for name in study.themes.coders:
            with _made(connection, name, study, codebook, state_dir, themes_dir) as made:
                found.append(_code(connection, made, codebook, progress))
        _forget(connection, found, themes_dir)
    return found


def _code(
    connection: "duckdb.DuckDBPyConnection",
    made: "_Made",
    codebook: Codebook,
    progress: Progress | None,
) -> CodedBy:
    started, coder, stopped, count = time.monotonic(), made.coder, made.off, 0
    digests: dict[str, str] = {} if coder is None else _pending(connection, coder, codebook)
    for batch in corpus.texts_of(connection, digests, BATCH_SIZE[made.name]) if digests else ():
        assert coder is not None
        coding = coder.code(batch)
        _keep(connection, coder, codebook, coding, digests)
        count += len(coding.keys)
        if progress is not None:
            progress(made.name, count, len(digests))
        if coding.stopped:
            stopped = coding.stopped
            break
    version = made.version
    total = connection.execute(
        f"SELECT count(DISTINCT message_key) FROM {CODED.name}"
        " WHERE coder = $coder AND coder_version = $version",
        {"coder": made.name, "version": version},
    ).fetchall()[0][0]
    return CodedBy(made.name, version, count, int(total), stopped, made.trained_on,
                   time.monotonic() - started)  # fmt: skip


def _pending(
    connection: "duckdb.DuckDBPyConnection", coder: Coder, codebook: Codebook
) -> dict[str, str]:
    """Key to digest of the posts that this coder has not coded as they are."""
    rows = connection.execute(
        f"""
        SELECT corpus.message_key, corpus.text_digest
        FROM study.message_corpus AS corpus
        WHERE corpus.state = 'in_frame' AND NOT EXISTS (
            SELECT 1 FROM {CODED.name} AS known
            WHERE known.message_key = corpus.message_key AND known.coder = $coder
                AND known.coder_version = $version AND known.codebook_version = $codebook
                AND known.text_digest = corpus.text_digest
        )
        ORDER BY corpus.message_key
        """,
        {"coder": coder.name, "version": coder.version, "codebook": codebook.version},
    ).fetchall()
    return dict(rows)


def _keep(
    connection: "duckdb.DuckDBPyConnection",
    coder: Coder,
    codebook: Codebook,
    coding: Coding,
    digests: dict[str, str],
) -> None:
    """One batch, in one transaction; what the coder said of the posts before goes."""
    if not coding.keys:
        return
    rows = _table(coder, codebook, coding, digests)
    writer = connection.cursor()
    try:
        writer.begin()
        writer.register("coded", rows)
        writer.execute(
            f"DELETE FROM {CODED.name} WHERE coder = $coder"
            " AND message_key IN (SELECT message_key FROM coded)",
            {"coder": coder.name},
        )
        names = ", ".join(CODED.column_names)
        writer.execute(f"INSERT INTO {CODED.name} ({names}) SELECT {names} FROM coded")
        writer.unregister("coded")
        writer.commit()
    finally:
        writer.close()


def _table(coder: Coder, codebook: Codebook, coding: Coding, digests: dict[str, str]) -> "pa.Table":
    """A coding as rows of `CODED`: a row a post and theme."""
    import pyarrow as pa

    n, k = len(coding.keys), len(coding.labels)
    is_primary = np.zeros((n, k), bool)
    is_primary[np.arange(n), coding.primary] = True
    codes = coding.codes or (None,) * n

    def each(values: Sequence[str | None]) -> "pa.Array":
        return pa.array(np.repeat(np.array(values, object), k), pa.string())

    def same(value: str) -> "pa.Array":
        return pa.array([value] * (n * k), pa.string())

    open_codes = np.full((n, k), None, object)
    open_codes[is_primary] = codes
    return pa.table({
        "message_key": each(coding.keys),
        "coder": same(coder.name),
        "coder_version": same(coder.version),
        "codebook_version": same(codebook.version),
        "text_digest": each([digests[key] for key in coding.keys]),
        "theme": pa.array(list(coding.labels) * n, pa.string()),
        "probability": pa.array(coding.probabilities.ravel()),
        "is_primary": pa.array(is_primary.ravel()),
        # A coder that abstains says of no theme that it holds; the most probable one is told.
        "applies": pa.array((coding.applies | is_primary).ravel()),
        "open_code": pa.array(open_codes.ravel(), pa.string()),
    })  # fmt: skip


def _forget(
    connection: "duckdb.DuckDBPyConnection", found: Sequence[CodedBy], themes_dir: Path
) -> None:
    """Codings of posts that are no longer coded, of coders no longer asked, of old versions.

    Those of an old version go only when the new one has coded all: until then figures rest on
    both, each under its version. What a language model was told of posts that are gone goes too.
    """
    names = [one.coder for one in found]
    _forget_answers(connection, themes_dir / "answers")
    connection.execute(
        f"DELETE FROM {CODED.name} WHERE NOT list_contains($names, coder) OR message_key NOT IN"
        " (SELECT message_key FROM study.message_corpus WHERE state = 'in_frame')",
        {"names": names},
    )
    for one in found:
        if one.stopped is None:
            connection.execute(
                f"DELETE FROM {CODED.name} WHERE coder = $coder AND coder_version <> $version",
                {"coder": one.coder, "version": one.version},
            )


def _forget_answers(connection: "duckdb.DuckDBPyConnection", folder: Path) -> None:
    """What was sent to a language model of posts that have no text any more."""
    if not folder.is_dir():
        return
    from assets.study.themes.llm.answers import open_store

    there = {
        key
        for (key,) in connection.execute(
            "SELECT message_key FROM study.message_corpus"
            " WHERE state IN ('in_frame', 'near_duplicate')"
        ).fetchall()
    }
    with open_store(folder) as store:
        # Texts of files have keys of their own.
        of_messages = [key for key in store.message_keys() if key.startswith(MESSAGE_PREFIXES)]
        store.forget(key for key in of_messages if key not in there)


# ---------------------------------------------------------------- coders


@dataclass
class _Made:
    """A coder, or why there is none; closed after use."""

    name: str
    coder: Coder | None
    version: str
    off: str | None = None
    trained_on: int | None = None
    close: Callable[[], None] | None = None

    def __enter__(self) -> "_Made":
        return self

    def __exit__(self, *_: object) -> None:
        if self.close is not None:
            self.close()


def _made(
    connection: "duckdb.DuckDBPyConnection",
    name: str,
    study: "StudySettings",
    codebook: Codebook,
    state_dir: Path,
    themes_dir: Path,
) -> _Made:
    if name == "llm":
        return _language_model(study, codebook, themes_dir)
    if name == "encoder":
        from assets.study.themes.encoder.local import is_installed

        if not is_installed():
            return _Made(name, None, "none", "its packages are not installed")
    kept, trained_on = _trained(connection, name, study, codebook, state_dir / "themes")
    if kept is None:
        return _Made(name, None, "none")
    return _Made(name, kept, kept.version, trained_on=trained_on)


def _language_model(study: "StudySettings", codebook: Codebook, themes_dir: Path) -> _Made:
    from assets.study.themes.llm.answers import open_store
    from assets.study.themes.llm.coder import LlmCoder
    from assets.study.themes.llm.config import config_of, why_off

    config = config_of(study.themes.llm)
    store = open_store(themes_dir / "answers")
    coder = LlmCoder(config, store, codebook)
    off = why_off(config)
    if off is not None:
        store.close()
        return _Made("llm", None, coder.version, str(off.reason))
    return _Made("llm", coder, coder.version, close=store.close)


# ---------------------------------------------------------------- training


def _trained(
    connection: "duckdb.DuckDBPyConnection",
    name: str,
    study: "StudySettings",
    codebook: Codebook,
    folder: Path,
) -> tuple[Coder | None, int | None]:
    """The offline coder as kept, or trained anew; None where there is no post."""
    (count,) = connection.execute(
        "SELECT count(*) FROM study.message_corpus WHERE state = 'in_frame'"
    ).fetchall()[0]
    if not count:
        return None, None
    path, facts_path = folder / f"{name}.npz", folder / f"{name}.json"
    if name == "encoder":
        path = folder / name
    wanted = {"codebook": codebook.version, "training": TRAINING, "corpus": corpus.VERSION}
    facts = _facts(facts_path)
    is_fresh = all(facts.get(key) == value for key, value in wanted.items())
    if is_fresh and count < study.themes.retrain_growth * facts.get("message_count", 0):
        kept = _loaded(name, path)
        if kept is not None and kept.version == facts.get("version"):
            return kept, None
    coder, trained_on = _train(connection, name, study, codebook)
    folder.mkdir(parents=True, exist_ok=True)
    coder.save(path)
    told = {**wanted, "message_count": count, "trained_on": trained_on, "version": coder.version}
    write_atomically(facts_path, json.dumps(told, indent=1))
    return coder, trained_on


def _facts(path: Path) -> Row:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _loaded(name: str, path: Path) -> Coder | None:
    """The coder as kept; None where it cannot be read: it is trained again."""
    try:
        if name == "encoder":
            from assets.study.themes.encoder.coder import EncoderCoder

            return EncoderCoder.load(path)
        from assets.study.themes.linear import LinearCoder

        return LinearCoder.load(path)
    except PermanentFailure:
        return None


def _train(
    connection: "duckdb.DuckDBPyConnection", name: str, study: "StudySettings", codebook: Codebook
) -> tuple[Any, int]:
    """A coder trained on what posts say of themselves, and on the codebook's examples."""
    texts, targets, weights = training_set(connection, study, codebook)
    if name == "encoder":
        from assets.study.themes.encoder.fit import fit_encoder

        at = np.random.default_rng(study.seed).permutation(len(texts))[:ENCODER_TEXTS]
        few = [texts[one] for one in at]
        coder = fit_encoder(few, targets[at], THEMES, weights=weights[at], seed=study.seed)
        return coder, len(few)
    from assets.study.themes.linear import fit_linear

    return fit_linear(texts, targets, THEMES, weights=weights, seed=study.seed), len(texts)


def training_set(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", codebook: Codebook
) -> tuple[list[Text], NDArray[np.float64], NDArray[np.float64]]:
    """Texts, probable themes (n, 5) and weights (n,) that the warehouse and the codebook give.

    Of a large corpus a sample by hash, which stays the same while the corpus grows.
    """
    keys = [key for (key,) in connection.execute(
        "SELECT message_key FROM study.message_corpus WHERE state = 'in_frame'"
        " ORDER BY hash(message_key), message_key LIMIT $most",
        {"most": study.themes.training_limit},
    ).fetchall()]  # fmt: skip
    texts = [text for batch in corpus.texts_of(connection, keys) for text in batch]
    texts.sort(key=lambda text: text.key)
    labels = corpus.labels_of(connection, keys)
    chosen: list[Text] = []
    targets = []
    # Each platform by itself: how often each theme is, and how far labels are right, differs.
    for platform in sorted({_platform(text) for text in texts}):
        own = [text for text in texts if _platform(text) == platform]
        weak = weak_labels(own, [labels.get(text.key, ()) for text in own], codebook)
        chosen += [text for text, is_known in zip(own, weak.known, strict=True) if is_known]
        targets.append(weak.probabilities[weak.known])
    examples = list(_examples(codebook))
    targets.append(np.eye(len(THEMES))[[THEMES.index(theme) for theme, _ in examples]])
    weights = np.concatenate([np.ones(len(chosen)), np.full(len(examples), EXAMPLE_WEIGHT)])
    return chosen + [text for _, text in examples], np.vstack(targets), weights


def _platform(text: Text) -> str:
    return text.key.partition(":")[0]


def _examples(codebook: Codebook) -> Iterator[tuple[str, Text]]:
    """The codebook's own examples as texts."""
    for theme in codebook.themes:
        for at, example in enumerate(theme.examples):
            yield theme.name, Text(f"codebook:{theme.name}:{at}", example_text(example), "")
    for code in codebook.codes:
        for at, example in enumerate(code.examples):
            yield code.theme, Text(f"codebook:{code.name}:{at}", example_text(example), "")
