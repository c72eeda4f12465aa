select
    platform,
    day,
    expected_count,
    seen_count,
    completeness_share,
    completeness_basis,
    state_counts,
    event_count,
    malformed_count,
    duplicate_count,
    newest_event_at
from {{ ref('source_coverage_daily') }}
