{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

-- Of accounts that had the same login one after another, the last one is meant by it.
with described as (

    select
        *,
        row_number() over (
            partition by platform, lower(login)
            order by last_seen_at desc, native_id asc
        ) as login_place
    from {{ ref('int_actors__described') }}

),

decisions as (

    select
        *,
        row_number() over (
            partition by platform, coalesce(native_id, ''), coalesce(lower(login), '')
            order by decided_on desc, actor_class asc
        ) as place
    from {{ ref('reviewed_actors') }}
    where decided_on <= current_date

),

-- A decision names an account by its number, or by its login as it is now.
matched as (

    select
        described.actor_key,
        decisions.actor_class,
        decisions.reviewer,
        decisions.reason,
        decisions.decided_on
    from described
    inner join decisions
        on
            described.platform = decisions.platform
            and described.native_id = decisions.native_id
    where decisions.place = 1

    union all

    select
        described.actor_key,
        decisions.actor_class,
        decisions.reviewer,
        decisions.reason,
        decisions.decided_on
    from described
    inner join decisions
        on
            described.platform = decisions.platform
            and lower(described.login) = lower(decisions.login)
    where
        decisions.place = 1
        and decisions.native_id is null
        and described.login_place = 1

),

reviewed as (

    select
        *,
        actor_class in ('bot', 'ai_agent', 'platform_automation') as is_automation,
        row_number() over (
            partition by actor_key
            order by decided_on desc, actor_class asc
        ) as place
    from matched

)

select
    described.actor_key,
    described.platform,
    described.native_id,
    described.login,
    described.platform_type,
    coalesce(reviewed.actor_class, classified.actor_class) as actor_class,
    case
        when reviewed.is_automation then 1.0
        when reviewed.actor_class is not null then 0.0
        else classified.score
    end as automation_score,
    coalesce(
        'reviewer ' || reviewed.reviewer || ': ' || reviewed.reason,
        {{ list_text('classified.reasons', '; ') }}
    ) as reasons,
    case when reviewed.actor_class is not null then 'reviewer' else classified.decided_by end
        as decided_by,
    -- The published rule stays what it was, whoever looked at the account.
    classified.is_removed_by_paper,
    coalesce(reviewed.is_automation, classified.is_removed_by_conservative)
        as is_removed_by_conservative,
    coalesce(reviewed.is_automation, classified.is_removed_by_aggressive)
        as is_removed_by_aggressive,
    classified.is_uncertain and reviewed.actor_class is null as is_uncertain,
    described.is_acting,
    described.first_seen_at,
    described.last_seen_at,
    coalesce(cast(reviewed.decided_on as timestamp), described.first_seen_at) as valid_from
from described
inner join {{ ref('int_actors__classified') }} as classified
    on described.actor_key = classified.actor_key
left join reviewed
    on
        described.actor_key = reviewed.actor_key
        and reviewed.place = 1
