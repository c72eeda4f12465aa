{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with sightings as (

    select
        'github' as platform,
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        repository_name,
        first_seen_at,
        last_seen_at,
        0 as place
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'event' and repository_name is not null

    union all

    select
        'github' as platform,
        repository_key,
        repository_name,
        observed_at as first_seen_at,
        observed_at as last_seen_at,
        2 as place
    from {{ ref('int_github_stocks__observed') }}
    where repository_name is not null

    union all

    -- Who asks under an old name is told the present one.
    select
        platform,
        repository_key,
        name_now as repository_name,
        observed_at as first_seen_at,
        observed_at as last_seen_at,
        1 as place
    from {{ ref('int_repositories__answered') }}
    where name_now is not null

    union all

    select
        'huggingface' as platform,
        names.repository_key,
        observed.repository_name,
        observed.observed_at as first_seen_at,
        observed.observed_at as last_seen_at,
        0 as place
    from {{ ref('int_huggingface_repositories__observed') }} as observed
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            observed.repository_type = names.repository_type
            and observed.repository_name = names.repository_name
    where observed.is_seen

),

compared as (

    select
        *,
        lag(repository_name) over (
            partition by repository_key
            order by first_seen_at, last_seen_at, place, repository_name
        ) as name_before
    from sightings

),

numbered as (

    select
        *,
        sum(case when repository_name is distinct from name_before then 1 else 0 end) over (
            partition by repository_key
            order by first_seen_at, last_seen_at, place, repository_name
            rows between unbounded preceding and current row
        ) as spell
    from compared

),

spells as (

    select
        platform,
        repository_key,
        spell,
        repository_name,
        min(first_seen_at) as valid_from,
        max(last_seen_at) as last_seen_at
    from numbered
    group by platform, repository_key, spell, repository_name

)

select
    platform,
    repository_key,
    cast(spell as bigint) as spell_number,
    repository_name,
    valid_from,
    lead(valid_from) over (partition by repository_key order by spell) as valid_to,
    last_seen_at
from spells
