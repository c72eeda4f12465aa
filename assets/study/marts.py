"""The marts of the study's figures: grain, columns and documentation.

Belongs here: what the tables look like. Does not belong here: what fills them (`grid` and what it
calls, `survival`, `rerun`).

A cell is one way to compute a figure: whose acts count, which repositories, drawn how, weighted how
and made comparable in age how. Rows of a cell carry its five names, the study and the day.
"""

from assets.study.tables import StudyTable

Column = tuple[str, str, str]


def _interval(name: str, what: str) -> tuple[Column, Column, Column]:
    return (
        (name, "DOUBLE", what),
        (f"{name}_low", "DOUBLE", f"Lower end of the 95 % interval of {name}; null: none made."),
        (
            f"{name}_high",
            "DOUBLE",
            f"Upper end of the 95 % interval of {name}; null beside a lower end: no bound above.",
        ),
    )


def _of_one(name: str, what: str) -> tuple[Column, Column, Column]:
    varies = "owners vary, or in weighted cells the draw; null: none made."
    return (
        (f"{name}_value", "DOUBLE", what),
        (f"{name}_low", "DOUBLE", f"Lower end of the 95 % interval of the {name}: {varies}"),
        (f"{name}_high", "DOUBLE", f"Upper end of the 95 % interval of the {name}."),
    )


def _interval_is(name: str) -> Column:
    return (
        f"{name}_interval_is",
        "VARCHAR",
        f"What the interval of {name} holds: nominal (95 %) or at_least (95 % and more, as values"
        " tie and it moves in steps); null: none made.",
    )


def _both(name: str, kind: str, what: str) -> tuple[Column, Column]:
    return (
        (f"github_{name}", kind, f"{what} GitHub repository."),
        (f"huggingface_{name}", kind, f"{what} Hub repository."),
    )


STUDY_AND_DAY: tuple[Column, ...] = (
    ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
    ("day", "DATE NOT NULL", "Newest day of the data that the figure rests on."),
)
CELL: tuple[Column, ...] = (
    *STUDY_AND_DAY,
    ("bot_policy", "VARCHAR NOT NULL", "Whose acts are left out; none leaves out nobody's."),
    (
        "cut",
        "VARCHAR NOT NULL",
        "all; in_frame (without repositories known to be made before the sample's start); or"
        " top_RANK_N (the N largest by a rank of study.top_cut).",
    ),
    (
        "design",
        "VARCHAR NOT NULL",
        "census (every repository known) or the allocation of the sample: paper, proportional,"
        " neyman, equal, matched.",
    ),
    (
        "weighting",
        "VARCHAR NOT NULL",
        "unweighted, or weighted: each repository counts for those of the frame it stands for.",
    ),
    (
        "exposure",
        "VARCHAR NOT NULL",
        "total (over the whole life), per_month (divided by months of life) or matched_quarter"
        " (total, repositories weighted so that both platforms' quarters of creation agree).",
    ),
)
_STATE: tuple[Column, ...] = (
    ("status", "VARCHAR NOT NULL", "measured or not_measurable."),
    ("reason", "VARCHAR", "Why not measurable, or what limits the reading; null: neither."),
    ("input_hash", "VARCHAR NOT NULL", "Of the values that the row was computed of."),
)
_WHAT: tuple[Column, ...] = (
    ("platform", "VARCHAR NOT NULL", "github or huggingface."),
    ("feature", "VARCHAR NOT NULL", "commits, discussions (GitHub: issues) or stars (Hub: likes)."),
    ("basis", "VARCHAR", "flow (events over the covered days) or stock (what the API says)."),
)

SUMMARY = StudyTable(
    "marts.mart_intensity_summary",
    "One row per study, day, cell, platform, feature and basis: one feature described. Of GitHub's"
    " repositories and the Hub's models; datasets and spaces are left out, as in the publication.",
    (
        *CELL,
        *_WHAT,
        ("repository_count", "BIGINT NOT NULL", "Repositories for which the value is known."),
        ("unknown_count", "BIGINT NOT NULL", "Repositories for which it is not."),
        ("estimated_count", "DOUBLE NOT NULL", "Summed weights of those known."),
        ("total_value", "DOUBLE", "Weighted sum."),
        *_of_one("mean", "Mean."),
        *_of_one("median", "Median."),
        _interval_is("median"),
        *_of_one(
            "mid_median",
            "Middle of the mid-distribution (grouped median), which does not move in steps.",
        ),
        ("maximum_value", "DOUBLE", "Largest value, whatever the weights."),
        ("zero_share", "DOUBLE", "Share (0-1) of zeros."),
        ("p25_value", "DOUBLE", "25 % quantile."),
        ("p75_value", "DOUBLE", "75 % quantile."),
        ("p90_value", "DOUBLE", "90 % quantile."),
        ("p99_value", "DOUBLE", "99 % quantile."),
        ("trimmed_mean_value", "DOUBLE", "Mean without the lowest and highest 5 %."),
        ("log_mean_value", "DOUBLE", "exp(mean(log(1 + value))) - 1."),
        ("mean_above_zero", "DOUBLE", "Mean of values above zero; null: none is."),
        ("median_above_zero", "DOUBLE", "Median of values above zero; null: none is."),
        ("gini", "DOUBLE", "Gini coefficient, 0 (all equal) to 1; null where the sum is zero."),
        ("top_percent_share", "DOUBLE", "Share of the sum held by the largest 1 %."),
        ("tail_exponent", "DOUBLE", "Exponent of the power law fitted to the tail; null: no fit."),
        ("tail_from", "DOUBLE", "Value from which on the tail was fitted."),
        ("tail_count", "BIGINT", "Repositories in the tail."),
        (
            "tail_lognormal_ratio",
            "DOUBLE",
            "Vuong's normalised log-likelihood ratio of power law against lognormal in the tail;"
            " below zero the lognormal fits better.",
        ),
        ("tail_lognormal_p_value", "DOUBLE", "Two-sided, of neither fitting better."),
        *_STATE,
    ),
)
CORRELATION = StudyTable(
    "marts.mart_correlation",
    "One row per study, day, cell, platform, pair of features and method.",
    (
        *CELL,
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("first_feature", "VARCHAR NOT NULL", "commits or discussions."),
        ("second_feature", "VARCHAR NOT NULL", "discussions or stars."),
        (
            "method",
            "VARCHAR NOT NULL",
            "pearson, log_pearson (of log(1 + value)), spearman, kendall_tau_b,"
            " partial_log_pearson or partial_spearman (age in months held fixed).",
        ),
        *_interval("coefficient", "From -1 to 1; null where a feature is constant."),
        ("repository_count", "BIGINT NOT NULL", "Repositories for which both values are known."),
        *_STATE,
    ),
)
COMPARISON = StudyTable(
    "marts.mart_platform_comparison",
    "One row per study, day, cell and feature: GitHub against the Hugging Face Hub, with test and"
    " effect sizes. Intervals are of a bootstrap in which owners are drawn with all they own.",
    (
        *CELL,
        ("feature", "VARCHAR NOT NULL", "commits, discussions (GitHub: issues) or stars."),
        ("github_basis", "VARCHAR", "flow (events over the covered days) or stock (the API's)."),
        ("huggingface_basis", "VARCHAR", "flow or stock, likewise."),
        *_both("count", "BIGINT NOT NULL", "Number of values known of a"),
        *_both("owner_count", "BIGINT NOT NULL", "Number of owners of a known"),
        *_both("mean", "DOUBLE", "Mean per"),
        *_both("median", "DOUBLE", "Median per"),
        *_both("mid_median", "DOUBLE", "Middle of the mid-distribution per"),
        *_both("maximum", "DOUBLE", "Largest value of a"),
        (
            "mann_whitney_u",
            "DOUBLE",
            "Pairs (GitHub, Hub) in which GitHub is larger, ties counting one half; null where"
            " repositories have weights.",
        ),
        (
            "p_value",
            "DOUBLE",
            "Two-sided, of no tendency to be larger; never zero: 2.2250738585072014e-308 means at"
            " most this.",
        ),
        (
            "p_value_method",
            "VARCHAR",
            "exact, asymptotic (ties and continuity corrected), permutation (of owners, where a"
            " small side has ties), or bootstrap where repositories have weights.",
        ),
        ("p_value_holm", "DOUBLE", "p_value adjusted by Holm over the features of the cell."),
        *_interval("cliffs_delta", "2U/(mn) - 1, from -1 (Hub larger) to 1 (GitHub larger)."),
        *_interval("vargha_delaney_a", "Chance that GitHub's is the larger, ties one half."),
        *_interval("hodges_lehmann", "Median of all differences GitHub less Hub."),
        _interval_is("hodges_lehmann"),
        *_interval("ratio_of_means", "GitHub's mean over the Hub's; null where that is zero."),
        *_interval("ratio_of_medians", "GitHub's median over the Hub's; null where that is zero."),
        _interval_is("ratio_of_medians"),
        *_interval(
            "mid_hodges_lehmann",
            "Middle of the mid-distribution of all differences GitHub less Hub.",
        ),
        *_interval(
            "ratio_of_mid_medians",
            "GitHub's mid-median over the Hub's; null where that is zero, as all its values are.",
        ),
        ("bootstrap_draws", "BIGINT", "Draws that the intervals rest on."),
        *_STATE,
    ),
)
DISTRIBUTION = StudyTable(
    "marts.mart_distribution",
    "One row per study, day, cell, platform, feature and bin that holds a repository: 0, then eight"
    " bins a decade. For plots: shares of at least, Lorenz points and differences at the edges are"
    " exact.",
    (
        *CELL,
        *_WHAT,
        ("bin_low", "DOUBLE NOT NULL", "Least value of the bin."),
        ("bin_high", "DOUBLE NOT NULL", "Values of the bin are below this; 0 for the bin of zero."),
        ("repository_count", "BIGINT NOT NULL", "Repositories in the bin."),
        ("estimated_count", "DOUBLE NOT NULL", "Their summed weights."),
        ("value_sum", "DOUBLE NOT NULL", "Weighted sum of their values."),
        ("share", "DOUBLE NOT NULL", "Of the weights (0-1)."),
        ("share_at_least", "DOUBLE NOT NULL", "Share (0-1) with at least bin_low."),
        ("input_hash", "VARCHAR NOT NULL", "Of the values that the row was computed of."),
    ),
)
SURVIVAL = StudyTable(
    "marts.mart_activity_survival",
    "One row per study, day, bot policy, design, platform and age: age 0, and every month of age in"
    " which a repository fell silent or was seen no longer. Kaplan-Meier estimate of the share"
    " still active beyond that age.",
    (
        *STUDY_AND_DAY,
        ("bot_policy", "VARCHAR NOT NULL", "Whose acts are left out; none leaves out nobody's."),
        (
            "design",
            "VARCHAR NOT NULL",
            "census (every repository that can be told) or the allocation of the sample.",
        ),
        (
            "weighting",
            "VARCHAR NOT NULL",
            "unweighted for the census; weighted: shares are of the frame, counts of the sample.",
        ),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("age_months", "DOUBLE NOT NULL", "Age of the repository; the first row is age 0."),
        ("at_risk_count", "BIGINT NOT NULL", "Repositories watched and active until that age."),
        ("ended_count", "BIGINT NOT NULL", "Of these, fallen silent at this age."),
        (
            "censored_count",
            "BIGINT NOT NULL",
            "Of these, not seen any older: an end later than the silence that tells it from a pause"
            " cannot be known yet.",
        ),
        *_interval("survival", "Share (0-1) still active beyond this age; null: nothing known."),
        ("reason", "VARCHAR", "What limits the reading."),
    ),
)
RERUN = StudyTable(
    "marts.mart_study_rerun",
    "One row per study, day and published claim: the paper's value beside ours, and what to think"
    " of it.",
    (
        *STUDY_AND_DAY,
        ("claim", "VARCHAR NOT NULL", "Short name of the claim, as in the seed published_claims."),
        ("place", "VARCHAR NOT NULL", "Where the paper says it: table, figure or section."),
        ("statement", "VARCHAR NOT NULL", "The claim in one sentence."),
        ("kind", "VARCHAR NOT NULL", "level (a number) or direction (which is larger)."),
        ("unit", "VARCHAR", "What the numbers count; share is 0-1."),
        ("paper_value", "DOUBLE", "As published; null for a direction without a number."),
        *_interval("our_value", "The same on the data of this installation."),
        ("planted_value", "DOUBLE", "What was planted, where the data are synthetic."),
        ("design", "VARCHAR", "The cell that our value is of."),
        ("known_share", "DOUBLE", "Share (0-1) of the repositories whose value is known."),
        (
            "sensitivity_low",
            "DOUBLE",
            "Smallest value in any cell of the grid; levels without per_month.",
        ),
        ("sensitivity_high", "DOUBLE", "Largest value in any cell of the grid."),
        ("sensitivity_cells", "BIGINT", "Cells of the grid in which it is measured."),
        ("verdict", "VARCHAR NOT NULL", "reproduced, differs or not_measurable."),
        ("reason", "VARCHAR NOT NULL", "Why this verdict."),
    ),
)
ALL_MARTS = (SUMMARY, CORRELATION, COMPARISON, DISTRIBUTION, SURVIVAL, RERUN)
