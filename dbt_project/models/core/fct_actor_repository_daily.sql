{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with acts as (

    select
        platform,
        source,
        repository_key,
        actor_key,
        case when kind = 'commit' then 'commit' else 'discussion' end as interaction_type,
        occurred_on,
        occurred_at
    from {{ ref('fct_interaction') }}
    where
        source in ('github_api', 'huggingface')
        and (
            kind in ('commit', 'discussion')
            or kind = 'discussion_comment' and thread_kind = 'discussion'
        )

    union all

    select
        'github' as platform,
        'github_api' as source,
        repository_key,
        actor_key,
        'discussion' as interaction_type,
        created_on as occurred_on,
        created_at as occurred_at
    from {{ ref('fct_message') }}
    -- What the archive told is among its events.
    where platform = 'github' and kind = 'issue' and text_source <> 'events'

    union all

    -- Comments are listed again with every answer that holds them.
    select
        'github' as platform,
        'github_api' as source,
        'github:repository:' || cast(repository_id as varchar) as repository_key,
        'github:actor:' || cast(max(author_id) as varchar) as actor_key,
        'discussion' as interaction_type,
        cast(min(created_at) as date) as occurred_on,
        min(created_at) as occurred_at
    from {{ ref('stg_github__issue_comments') }}
    where not coalesce(is_pull_request, false)
    group by repository_id, comment_id

),

asked as (

    select
        platform,
        source,
        repository_key,
        actor_key,
        interaction_type,
        occurred_on,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at,
        count(*) as act_count
    from acts
    where repository_key is not null and actor_key is not null and occurred_at is not null
    group by platform, source, repository_key, actor_key, interaction_type, occurred_on

)

select
    'github' as platform,
    'gharchive' as source,
    repository_key,
    actor_key,
    interaction_type,
    occurred_on,
    first_at,
    last_at,
    act_count
from {{ ref('int_github_acts__summed') }}

union all

select * from asked
