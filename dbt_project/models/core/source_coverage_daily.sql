{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with gaps as (

    select
        cast(gap_hour as date) as day,
        count(distinct gap_hour) as known_gap_hour_count,
        min(evidence_url) as known_gap_evidence
    from (
        select
            evidence_url,
            {{ each("generate_series(first_hour_at, last_hour_at, interval 1 hour)") }}
                as gap_hour
        from {{ ref('known_archive_gaps') }}
    ) as hours
    group by cast(gap_hour as date)

),

github as (

    select
        'github' as platform,
        coverage.file_on as day,
        coverage.expected_count,
        coverage.seen_count,
        coverage.completeness_share,
        coverage.completeness_basis,
        coverage.state_counts,
        coverage.event_count,
        coverage.malformed_count,
        coverage.duplicate_count,
        coverage.newest_event_at,
        coalesce(gaps.known_gap_hour_count, 0) as known_gap_hour_count,
        gaps.known_gap_evidence
    from {{ ref('int_github_coverage__summarised') }} as coverage
    left join gaps on coverage.file_on = gaps.day

),

listing_states as (

    select
        observed_on,
        state,
        count(*) as entry_count
    from {{ ref('stg_huggingface__listings') }}
    group by observed_on, state

),

listing_texts as (

    select
        observed_on,
        {{ joined(
            "state || ' ' || cast(entry_count as varchar)", ', ', 'entry_count desc, state'
        ) }} as state_counts
    from listing_states
    group by observed_on

),

listing_days as (

    select
        observed_on,
        count(*) as expected_count,
        count(case when state in ('ok', 'malformed_lines') then 1 end) as seen_count,
        cast(sum(row_count) as bigint) as event_count,
        cast(sum(malformed_count) as bigint) as malformed_count,
        cast(sum(duplicate_count) as bigint) as duplicate_count,
        max(observed_at) as newest_event_at
    from {{ ref('stg_huggingface__listings') }}
    group by observed_on

),

huggingface as (

    select
        'huggingface' as platform,
        listing_days.observed_on as day,
        listing_days.expected_count,
        listing_days.seen_count,
        cast(listing_days.seen_count as double) / listing_days.expected_count
            as completeness_share,
        'listings_whole' as completeness_basis,
        listing_texts.state_counts,
        listing_days.event_count,
        listing_days.malformed_count,
        listing_days.duplicate_count,
        listing_days.newest_event_at,
        cast(0 as bigint) as known_gap_hour_count,
        cast(null as varchar) as known_gap_evidence
    from listing_days
    left join listing_texts on listing_days.observed_on = listing_texts.observed_on

)

select * from github

union all

select * from huggingface
