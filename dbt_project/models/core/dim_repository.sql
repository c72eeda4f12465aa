{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with current_names as (

    select
        repository_key,
        repository_name
    from {{ ref('repository_name_history') }}
    where valid_to is null

),

github_seen as (

    select
        repository_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(created_at) as api_created_at,
        min(create_event_at) as create_event_at,
        bool_or(is_fork) as is_fork,
        {{ newest('licence', 'stock_observed_at') }} as licence,
        {{ newest('language', 'stock_observed_at') }} as language
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'event'
    group by repository_id

),

github_forks as (

    select
        repository_id,
        min(created_at) as forkee_created_at,
        {{ oldest('parent_repository_id', 'first_seen_at') }} as parent_repository_id,
        min(first_seen_at) as forked_at
    from {{ ref('int_github_repositories__observed') }}
    where basis = 'forkee'
    group by repository_id

),

github as (

    select
        'github:repository:' || cast(seen.repository_id as varchar) as repository_key,
        'github' as platform,
        'repository' as repository_type,
        cast(seen.repository_id as varchar) as native_id,
        names.repository_name,
        nullif(split_part(names.repository_name, '/', 1), '') as owner_name,
        coalesce(
            seen.api_created_at, forks.forkee_created_at, forks.forked_at, seen.create_event_at,
            seen.first_seen_at
        ) as created_at,
        case
            when seen.api_created_at is not null then 'api'
            when
                coalesce(forks.forkee_created_at, forks.forked_at, seen.create_event_at)
                is not null then 'event'
            else 'first_seen'
        end as created_at_basis,
        seen.first_seen_at,
        seen.last_seen_at,
        case when forks.repository_id is not null then true else seen.is_fork end as is_fork,
        'github:repository:' || cast(forks.parent_repository_id as varchar)
            as forked_from_repository_key,
        seen.licence,
        seen.language,
        cast(null as varchar) as gated,
        cast(null as boolean) as is_private,
        cast(null as boolean) as is_disabled,
        cast(null as varchar) as tombstone_reason,
        cast(null as timestamp) as removed_at,
        cast(null as varchar) as library_name,
        cast(null as varchar) as pipeline_tag,
        cast(null as bigint) as parameter_count
    from github_seen as seen
    left join github_forks as forks on seen.repository_id = forks.repository_id
    left join current_names as names
        on names.repository_key = 'github:repository:' || cast(seen.repository_id as varchar)

),

-- One Hub repository may have been listed under several names: the newest listing speaks for it.
huggingface_ranked as (

    select
        latest.*,
        names.repository_key,
        names.native_id,
        min(latest.first_seen_at) over (partition by names.repository_key) as key_first_seen_at,
        max(latest.last_seen_at) over (partition by names.repository_key) as key_last_seen_at,
        row_number() over (
            partition by names.repository_key
            order by
                latest.listed_at desc nulls last,
                latest.last_seen_at desc,
                latest.repository_name asc
        ) as place
    from {{ ref('int_huggingface_models__latest') }} as latest
    inner join {{ ref('int_huggingface_names__identified') }} as names
        on
            latest.repository_type = names.repository_type
            and latest.repository_name = names.repository_name

),

-- The Hub gives this second to everything that is older.
floored as (

    select
        *,
        created_at <= timestamp '2022-03-02 23:29:04.999999' as is_floored
    from huggingface_ranked
    where place = 1

),

huggingface as (

    select
        hub.repository_key,
        'huggingface' as platform,
        hub.repository_type,
        hub.native_id,
        names.repository_name,
        coalesce(
            hub.owner_name,
            case
                when position('/' in names.repository_name) > 0
                    then split_part(names.repository_name, '/', 1)
            end
        ) as owner_name,
        coalesce(hub.created_at, hub.key_first_seen_at) as created_at,
        case
            when hub.created_at is null then 'first_seen'
            when hub.is_floored then 'floor'
            else 'api'
        end as created_at_basis,
        hub.key_first_seen_at as first_seen_at,
        hub.key_last_seen_at as last_seen_at,
        cast(null as boolean) as is_fork,
        cast(null as varchar) as forked_from_repository_key,
        hub.licence,
        cast(null as varchar) as language,
        hub.gated,
        hub.is_private,
        hub.is_disabled,
        case
            when hub.removed_at is not null then 'deleted'
            when hub.is_disabled then 'disabled'
            when hub.is_private then 'private'
        end as tombstone_reason,
        hub.removed_at,
        hub.library_name,
        hub.pipeline_tag,
        hub.parameter_count
    from floored as hub
    left join current_names as names on hub.repository_key = names.repository_key

)

select * from github

union all

select * from huggingface
