{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='occurred_on',
        tags=['by_day', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'first_file_on', 'last': 'last_file_on', 'ahead': 1}
        }
    )
}}

with affected as (

    {{ affected_days(ref('int_github_events__deduplicated')) }}

),

-- The acts that the study counts as commits and discussions; pull requests are neither.
acts as (

    select
        repository_key,
        actor_key,
        case when kind = 'push' then 'commit' else 'discussion' end as interaction_type,
        occurred_on,
        occurred_at,
        file_on
    from {{ ref('int_github_events__deduplicated') }}
    where
        repository_key is not null
        and actor_key is not null
        and occurred_on in (select affected.occurred_on from affected)
        and (
            kind = 'push'
            or kind = 'issue' and action = 'opened'
            or (
                kind = 'issue_comment'
                and action = 'created'
                and thread_kind is distinct from 'pull_request'
            )
        )

)

select
    repository_key,
    actor_key,
    interaction_type,
    occurred_on,
    min(file_on) as first_file_on,
    max(file_on) as last_file_on,
    min(occurred_at) as first_at,
    max(occurred_at) as last_at,
    count(*) as act_count
from acts
group by repository_key, actor_key, interaction_type, occurred_on
