{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='file_on',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'file_on', 'last': 'file_on', 'ahead': 0}
        }
    )
}}

with events as (

    select * from {{ ref('stg_github__events') }}
    where {{ in_window('file_on') }}

),

acted_on as (

    select
        file_on,
        repository_id,
        repository_name,
        'event' as basis,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        {{ newest('organisation_id', 'occurred_at') }} as organisation_id,
        {{ newest('organisation_login', 'occurred_at') }} as organisation_login,
        min(
            case
                when event_type = 'CreateEvent' and ref_type = 'repository' then occurred_at
            end
        ) as create_event_at,
        min(repository_created_at) as created_at,
        {{ newest('repository_star_count', 'occurred_at') }} as star_count,
        {{ newest('repository_fork_count', 'occurred_at') }} as fork_count,
        {{ newest('repository_language', 'occurred_at') }} as language,
        {{ newest('repository_licence', 'occurred_at') }} as licence,
        {{ newest('repository_is_fork', 'occurred_at') }} as is_fork,
        max(
            case when repository_star_count is not null then occurred_at end
        ) as stock_observed_at,
        cast(null as bigint) as parent_repository_id
    from events
    where repository_id is not null
    group by file_on, repository_id, repository_name

),

forked as (

    select
        file_on,
        forkee_id as repository_id,
        forkee_name as repository_name,
        'forkee' as basis,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        cast(null as bigint) as organisation_id,
        cast(null as varchar) as organisation_login,
        cast(null as timestamp) as create_event_at,
        min(forkee_created_at) as created_at,
        cast(null as bigint) as star_count,
        cast(null as bigint) as fork_count,
        cast(null as varchar) as language,
        cast(null as varchar) as licence,
        true as is_fork,
        cast(null as timestamp) as stock_observed_at,
        {{ oldest('repository_id', 'occurred_at') }} as parent_repository_id
    from events
    where event_type = 'ForkEvent' and forkee_id is not null
    group by file_on, forkee_id, forkee_name

)

select * from acted_on

union all

select * from forked
