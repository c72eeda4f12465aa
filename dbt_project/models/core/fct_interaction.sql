{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with github as (

    select
        'github' as platform,
        event_key,
        file_on,
        repository_key,
        actor_key,
        kind,
        action,
        occurred_at,
        occurred_on,
        thread_kind,
        thread_number,
        push_size,
        event_id,
        'gharchive' as source,
        era,
        schema_version
    from {{ ref('int_github_events__deduplicated') }}

),

huggingface as (

    select
        'huggingface' as platform,
        acts.event_key,
        acts.file_on,
        coalesce(
            names.repository_key,
            'huggingface:' || acts.repository_type || ':name:' || acts.repository_name
        ) as repository_key,
        'huggingface:actor:' || acts.actor_login as actor_key,
        acts.kind,
        acts.action,
        acts.occurred_at,
        acts.occurred_on,
        case acts.kind
            when 'pull_request' then 'pull_request'
            when 'discussion' then 'discussion'
        end as thread_kind,
        acts.thread_number,
        cast(null as bigint) as push_size,
        acts.event_id,
        'huggingface' as source,
        cast(null as varchar) as era,
        cast(null as integer) as schema_version
    from {{ ref('int_huggingface_interactions__deduplicated') }} as acts
    left join {{ ref('int_huggingface_names__identified') }} as names
        on
            acts.repository_type = names.repository_type
            and acts.repository_name = names.repository_name

)

select * from github

union all

select * from huggingface
