{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'huggingface'}}
    )
}}

-- A repository that was renamed is listed under both names: an act is told by what it is and when.
with told as (

    select
        actor_login,
        kind,
        event_id,
        occurred_at,
        min(repository_type || ':' || repository_name) as repository,
        min(thread_number) as thread_number
    from {{ ref('int_huggingface_interactions__deduplicated') }}
    where occurred_at is not null
    group by actor_login, kind, event_id, occurred_at

),

dated as (

    select
        *,
        date_trunc('second', occurred_at) as acted_at,
        max(occurred_at) over (partition by actor_login) as last_acted_at,
        row_number() over (
            partition by actor_login
            order by occurred_at desc, kind desc, event_id desc
        ) as recency
    from told
    where actor_login is not null

),

recent as (

    select
        *,
        count(*) over (partition by actor_login) as event_count
    from dated
    where
        recency <= {{ behaviour_acts() }}
        and occurred_at >= last_acted_at - interval {{ behaviour_days() }} day

),

acts as (

    select
        actor_login as account,
        kind || ' ' || event_id as act_key,
        acted_at,
        repository,
        lower(split_part(split_part(repository, ':', 2), '/', 1)) as owner,
        kind,
        repository || ' ' || cast(thread_number as varchar) as thread
    from recent
    where event_count >= {{ behaviour_least() }}

),

answers as (

    select
        recent.actor_login as account,
        {{ seconds_between(
            "min(date_trunc('second', opened.occurred_at))", "min(recent.acted_at)"
        ) }} as answer_seconds
    from recent
    inner join told as opened
        on
            recent.repository = opened.repository
            and recent.thread_number = opened.thread_number
            and recent.occurred_at >= opened.occurred_at
    where
        recent.event_count >= {{ behaviour_least() }}
        and recent.kind = 'discussion_comment'
        and opened.kind in ('discussion', 'pull_request')
        and recent.actor_login is distinct from opened.actor_login
    group by recent.actor_login, recent.repository, recent.thread_number

),

{{ behaviour('acts', 'answers') }},

accounts as (

    select
        actor_login,
        max(last_acted_at) as last_acted_at,
        max(event_count) as event_count
    from recent
    group by actor_login

)

select
    accounts.actor_login,
    accounts.last_acted_at,
    {% for column in behaviour_columns() %}
    behaviour.{{ column }},
    {% endfor %}
    accounts.event_count
from accounts
left join behaviour on accounts.actor_login = behaviour.account
