"""The tables of themes: grain, columns and documentation.

Belongs here: what the tables look like. Does not belong here: what fills them (`coded`, `marts`,
`corpus`).
"""

from assets.study.marts import STUDY_AND_DAY, Column
from assets.study.tables import StudyTable


def _interval(name: str, what: str) -> tuple[Column, Column, Column]:
    return (
        (f"{name}_share", "DOUBLE", what),
        (f"{name}_low", "DOUBLE", "Lower end of its interval of 95 %; null: none can be made."),
        (f"{name}_high", "DOUBLE", "Upper end of its interval of 95 %."),
    )


# Of the schema `core`: private to the warehouse, like the messages it is about.
CODED = StudyTable(
    "core.fct_message_theme",
    "One row per message, coder and theme: what the coder's present version says of the message.",
    (
        ("message_key", "VARCHAR NOT NULL", "The opening post, as in core.fct_message."),
        ("coder", "VARCHAR NOT NULL", "linear, encoder or llm."),
        ("coder_version", "VARCHAR NOT NULL", "Changes whenever an answer could."),
        ("codebook_version", "VARCHAR NOT NULL", "Of the codebook the coder was made with."),
        ("text_digest", "VARCHAR NOT NULL", "Of the text that was coded."),
        ("theme", "VARCHAR NOT NULL", "A theme of the codebook."),
        ("probability", "DOUBLE NOT NULL", "That it is the primary theme; sums to 1."),
        ("is_primary", "BOOLEAN NOT NULL", "Whether it is the most probable one."),
        ("applies", "BOOLEAN NOT NULL", "Whether the coder says that it holds, beside others."),
        ("open_code", "VARCHAR", "Code that the coder proposed in words, with the primary theme."),
    ),
)
PREVALENCE = StudyTable(
    "marts.mart_theme_prevalence",
    "One row per study, day, platform, coder, slice of the messages and theme: its share, as coded"
    " and corrected for the coder's errors.",
    (
        *STUDY_AND_DAY,
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("coder", "VARCHAR NOT NULL", "linear, encoder or llm."),
        ("coder_version", "VARCHAR NOT NULL", "Changes whenever an answer could."),
        ("codebook_version", "VARCHAR NOT NULL", "Of the codebook the coder was made with."),
        ("is_reference", "BOOLEAN NOT NULL", "Whether headlines are of this coder."),
        ("bot_policy", "VARCHAR NOT NULL", "Whose posts are left out; none leaves out nobody's."),
        (
            "slice",
            "VARCHAR NOT NULL",
            "all, month (opened), language, or repository_class: top_cut (in the study's cut) or"
            " other.",
        ),
        ("slice_value", "VARCHAR NOT NULL", "Which of them; all of the slice all."),
        ("theme", "VARCHAR NOT NULL", "A theme of the codebook."),
        ("message_count", "BIGINT NOT NULL", "Messages coded."),
        ("primary_count", "BIGINT NOT NULL", "Of them with this primary theme, as coded."),
        (
            "abstained_count",
            "BIGINT NOT NULL",
            "Of all coded, those too uncertain, which count as others.",
        ),
        (
            "distinct_share",
            "DOUBLE NOT NULL",
            "Share (0-1) of distinct texts with this primary theme: nearly the same text counts"
            " once.",
        ),
        ("applies_share", "DOUBLE NOT NULL", "Share (0-1) that the theme is said to hold of."),
        *_interval(
            "uncorrected",
            "Share (0-1) of messages with this primary theme, as coded; its interval tells what"
            " chance leaves open and nothing of the coder's errors.",
        ),
        *_interval(
            "rogan_gladen",
            "The share corrected by how often the coder takes each theme for each other one among"
            " the verified messages (Rogan and Gladen 1978, for several classes).",
        ),
        *_interval(
            "prediction_powered",
            "The share as coded plus the mean error among the verified messages (Angelopoulos et"
            " al. 2023, for stratified samples).",
        ),
        *_interval("verified", "The share among verified messages alone, weighted by the design."),
        ("verified_count", "BIGINT NOT NULL", "Messages that people agreed on."),
        ("reason", "VARCHAR", "Why a share is not corrected, or what limits the reading."),
    ),
)
AGREEMENT = StudyTable(
    "marts.mart_theme_agreement",
    "One row per study, day, platform, verification sample, pair of coders, measure and theme: how"
    " far they agree.",
    (
        *STUDY_AND_DAY,
        ("platform", "VARCHAR NOT NULL", "github, huggingface, or both together: all."),
        ("sample", "VARCHAR NOT NULL", "The verification sample."),
        (
            "pair",
            "VARCHAR NOT NULL",
            "people (between human coders), machine (against their consensus) or machines (two"
            " machine coders, on all that both coded).",
        ),
        ("coder", "VARCHAR NOT NULL", "The machine coder; people between human coders."),
        ("other_coder", "VARCHAR NOT NULL", "consensus, people, or the second machine coder."),
        (
            "measure",
            "VARCHAR NOT NULL",
            "krippendorff_alpha, cohen_kappa, agreement, precision, recall, f1, macro_f1, or"
            " confusion (share of the other's theme that the coder calls as told).",
        ),
        ("theme", "VARCHAR", "Of a theme; null: of all."),
        ("told_theme", "VARCHAR", "What the coder calls it, in rows of confusion."),
        ("value", "DOUBLE", "Null: not measurable, for the reason told."),
        ("value_low", "DOUBLE", "Lower end of its interval of 95 %; null: none made."),
        ("value_high", "DOUBLE", "Upper end of its interval of 95 %."),
        ("message_count", "BIGINT NOT NULL", "Messages compared."),
        ("reason", "VARCHAR", "Why not measurable, or what limits the reading."),
    ),
)
MESSAGE_QUALITY = StudyTable(
    "marts.mart_message_quality",
    "One row per study, day, platform, slice of the commits, kind of message and condition of the"
    " rule that decided.",
    (
        *STUDY_AND_DAY,
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        (
            "slice",
            "VARCHAR NOT NULL",
            "all, month (committed), or repository_class: top_cut (in the study's cut) or other.",
        ),
        ("slice_value", "VARCHAR NOT NULL", "Which of them; all of the slice all."),
        ("kind", "VARCHAR NOT NULL", "substantive, template, trivial or blank."),
        ("condition", "VARCHAR NOT NULL", "The first condition of the rule that held."),
        ("commit_count", "BIGINT NOT NULL", "Commits with such a message."),
        ("share", "DOUBLE NOT NULL", "Share (0-1) of the slice's commits."),
        ("repository_count", "BIGINT NOT NULL", "Repositories with any such commit."),
    ),
)
FRAME = StudyTable(
    "marts.mart_theme_frame",
    "One row per study, day, bot policy, platform, class of repositories, language and state: how"
    " many opening posts there are, and what becomes of them. States other than in_frame are the"
    " residual: what no figure on themes speaks of.",
    (
        *STUDY_AND_DAY,
        ("bot_policy", "VARCHAR NOT NULL", "Whose posts are by_automation; none: nobody's."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        (
            "repository_class",
            "VARCHAR NOT NULL",
            "top_cut (among the largest, as the networks' reference) or other.",
        ),
        ("language", "VARCHAR", "ISO 639-1 code; null: not certain, or the text was not read."),
        (
            "state",
            "VARCHAR NOT NULL",
            "in_frame, or the first that holds of pull_request, text_not_observed, empty,"
            " by_automation, near_duplicate.",
        ),
        ("message_count", "BIGINT NOT NULL", "Opening posts."),
        ("share", "DOUBLE NOT NULL", "Of the posts of the platform and class (0-1)."),
    ),
)
ESTIMATE = StudyTable(
    "marts.mart_text_estimate",
    "One row per study, day, design, platform, figure, coder, slice and category: a share of posts"
    " or commits of the sample, and what it says of all repositories of the frame.",
    (
        *STUDY_AND_DAY,
        ("design", "VARCHAR NOT NULL", "Allocation of the sample."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        (
            "bot_policy",
            "VARCHAR NOT NULL",
            "Whose posts are left out; commits are everybody's but the platform's own.",
        ),
        (
            "figure",
            "VARCHAR NOT NULL",
            "theme and theme_applies (as mart_theme_prevalence), post_state and post_language (as"
            " mart_theme_frame), message_kind and message_condition (as mart_message_quality).",
        ),
        ("coder", "VARCHAR NOT NULL", "Of themes; rule of commits' messages; none of others."),
        ("slice", "VARCHAR NOT NULL", "all, month, language or repository_class."),
        ("slice_value", "VARCHAR NOT NULL", "Which of them; all of the slice all."),
        ("category", "VARCHAR NOT NULL", "Theme, state, language, kind or condition."),
        (
            "weighted_share",
            "DOUBLE NOT NULL",
            "Share (0-1) of the slice's posts or commits, estimated for all repositories of the"
            " frame that belong; as coded, without correction of the coder's errors.",
        ),
        (
            "unweighted_share",
            "DOUBLE",
            "Of the sample as its random numbers drew it; null: it has none of the slice.",
        ),
        ("standard_error", "DOUBLE NOT NULL", "Of the weighted share, under the design."),
        ("low", "DOUBLE", "Lower end of its interval of 95 %, of a census; null: none holds."),
        ("high", "DOUBLE", "Upper end."),
        ("method", "VARCHAR", "How the interval was made: census."),
        ("sample_count", "BIGINT NOT NULL", "Posts or commits of the sample in the slice."),
        ("repository_count", "BIGINT NOT NULL", "Repositories of the sample that have them."),
        (
            "unknown_count",
            "BIGINT NOT NULL",
            "Repositories of the sample of which nobody knows what they have.",
        ),
        ("estimated_count", "DOUBLE NOT NULL", "Posts or commits of the frame, estimated."),
        ("reason", "VARCHAR", "Why there is no interval, or what limits the reading."),
    ),
)
ALL_TABLES = (PREVALENCE, AGREEMENT, FRAME, MESSAGE_QUALITY, ESTIMATE)
