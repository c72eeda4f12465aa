"""The language a text is written in, where it is certain enough to say.

Belongs here: deciding by script, and by a model that comes with `py3langid` (no network). Does not
belong here: taking code and markup out of texts (`cleaning`), which is done before.

Kana are Japanese, Hangul is Korean, and Chinese characters without kana are Chinese: the script
decides, however short the text. Everything else is asked of the model, and a text with too few
letters, or on which the model is not sure, gets no language rather than a guess.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# Changes whenever an answer could.
LANGUAGE_VERSION = "1"
# Characters of a text that are looked at, and fewest letters that the model is asked about.
MOST_LETTERS = 1_000
LEAST_LETTERS = 20
# Least probability of an answer. Short technical texts are taken for languages that hardly anyone
# writes on either platform (Galician for Spanish): of those the model has to be surer.
LEAST_PROBABILITY, LEAST_OF_RARE = 0.5, 0.9
COMMON = frozenset(
    ("ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id",
     "it", "ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh")
)  # fmt: skip
# The model is asked about the beginning first; of most texts that is enough.
FIRST_LETTERS, SURE = 250, 0.95
# Share of letters that a script needs to decide.
LEAST_SCRIPT = 0.2

_KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]")
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]")
_HAN = re.compile("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
_MARK = re.compile(r"\[(?:code|log|trace|image|email)\]|`[^`\n]{0,200}`")
# In names, versions, paths and hosts; they are of no language.
_TECHNICAL = re.compile(r"[\d_/\\]|\w\.\w")
# Codes of the model that say something else than a language, or a form of one.
_FOLDED = {"yue": "zh", "wuu": "zh", "nn": "no"}
_NOT_ONE = frozenset(("zxx", "und"))


@dataclass(frozen=True, slots=True)
class Language:
    """What is known of a text's language.

    Attributes:
        code: ISO 639-1 where there is one; None where none is certain.
        probability: of the likeliest, also where it is not certain; None where nothing was asked.
    """

    code: str | None
    probability: float | None


def language_of(texts: Sequence[str]) -> list[Language]:
    """The language of each text.

    Args:
        texts: cleaned, title and body together.
    """
    return [_language(text) for text in texts]


def _language(text: str) -> Language:
    plain = _MARK.sub(" ", text[: 4 * MOST_LETTERS])
    by_script = _by_script(plain[:MOST_LETTERS])
    if by_script:
        return Language(by_script, 1.0)
    words = " ".join(word for word in plain.split() if not _TECHNICAL.search(word))[:MOST_LETTERS]
    if len(_LETTER.findall(words)) < LEAST_LETTERS:
        return Language(None, None)
    code, probability = _model().classify(words[:FIRST_LETTERS])
    if len(words) > FIRST_LETTERS and probability < SURE:
        code, probability = _model().classify(words)
    code = _FOLDED.get(code, code)
    least = LEAST_PROBABILITY if code in COMMON else LEAST_OF_RARE
    is_known = code not in _NOT_ONE and probability >= least
    return Language(code if is_known else None, round(float(probability), 6))


def _by_script(words: str) -> str | None:
    """What the script decides alone; None where it does not."""
    letters = 0 if words.isascii() else len(_LETTER.findall(words))
    if not letters:
        return None
    kana, hangul = len(_KANA.findall(words)), len(_HANGUL.findall(words))
    han = len(_HAN.findall(words))
    if hangul / letters >= LEAST_SCRIPT and hangul > kana:
        return "ko"
    if (kana + han) / letters < LEAST_SCRIPT:
        return None
    # One character of kana may be quoted in a Chinese text; a Japanese one has many.
    return "ja" if kana * 10 >= kana + han else "zh"


@cache
def _model() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
