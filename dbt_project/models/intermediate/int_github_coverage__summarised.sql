{{
    config(
        materialized='view',
        tags=['by_day'],
        meta={'dagster': {'group': 'github'}}
    )
}}

with hours as (

    select
        *,
        coalesce(
            file_name is not null and state in ('ok', 'mirrored', 'malformed_lines'), false
        ) as is_whole,
        coalesce(
            file_name is not null and state in ('thin', 'truncated'), false
        ) as is_partial
    from {{ ref('source_hour') }}

),

usual as (

    select
        file_on,
        {{ quantile('event_count', 0.5) }} as usual_event_count
    from hours
    where is_whole and file_hour is not null
    group by file_on

),

-- Two files may cover one hour (an archive and its mirror): the fuller one speaks for it.
per_hour as (

    select
        hours.file_on,
        hours.file_hour,
        bool_or(hours.is_whole or hours.is_partial) as is_seen,
        bool_or(hours.is_partial) and not bool_or(hours.is_whole) as is_weighted,
        max(
            case
                when hours.is_whole then 1.0
                when hours.is_partial and usual.usual_event_count > 0
                    then least(1.0, hours.event_count / usual.usual_event_count)
                else 0.0
            end
        ) as weight
    from hours
    left join usual on hours.file_on = usual.file_on
    where hours.file_hour is not null
    group by hours.file_on, hours.file_hour

),

completeness as (

    select
        file_on,
        24 as expected_count,
        count(case when is_seen then 1 end) as seen_count,
        least(1.0, sum(weight) / 24) as completeness_share,
        case
            when bool_or(is_weighted) then 'hours_weighted_by_rows' else 'hours_present'
        end as completeness_basis
    from per_hour
    group by file_on

),

states as (

    select
        file_on,
        state,
        count(*) as file_count
    from hours
    group by file_on, state

),

state_texts as (

    select
        file_on,
        {{ joined("state || ' ' || cast(file_count as varchar)", ', ', 'file_count desc, state') }}
            as state_counts
    from states
    group by file_on

),

volumes as (

    select
        file_on,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(malformed_count) as bigint) as malformed_count,
        cast(sum(duplicate_count) as bigint) as duplicate_count,
        max(last_event_at) as newest_event_at
    from hours
    group by file_on

)

select
    volumes.file_on,
    cast(completeness.expected_count as bigint) as expected_count,
    cast(completeness.seen_count as bigint) as seen_count,
    cast(completeness.completeness_share as double) as completeness_share,
    coalesce(completeness.completeness_basis, 'no_hour_files') as completeness_basis,
    state_texts.state_counts,
    volumes.event_count,
    volumes.malformed_count,
    volumes.duplicate_count,
    volumes.newest_event_at
from volumes
left join completeness on volumes.file_on = completeness.file_on
left join state_texts on volumes.file_on = state_texts.file_on
