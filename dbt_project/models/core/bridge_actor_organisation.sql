{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with members as (

    select distinct
        'github:organisation:' || cast(organisation_id as varchar) as organisation_key,
        'github:actor:' || cast(member_id as varchar) as actor_key,
        'public_members' as source,
        observed_on
    from {{ ref('stg_github__organisation_members') }}

    union all

    select distinct
        'huggingface:organisation:' || organisation_login as organisation_key,
        'huggingface:actor:' || member_login as actor_key,
        'hub_members' as source,
        observed_on
    from {{ ref('stg_huggingface__organisation_members') }}

),

organisations as (

    select * from {{ ref('dim_organisation') }}

),

-- Only a list that was read whole can show that somebody is no member any more.
days as (

    select
        organisations.organisation_key,
        questions.observed_on,
        questions.outcome = 'ok' as is_whole
    from organisations
    inner join {{ ref('int_questions__answered') }} as questions
        on
            questions.kind = 'organisation_members'
            and organisations.platform = questions.platform
            and organisations.native_id = questions.subject

    union all

    select
        organisation_key,
        observed_on,
        false as is_whole
    from members

),

listed as (

    select
        organisation_key,
        observed_on,
        case when bool_or(is_whole) then 1 else 0 end as whole_count
    from days
    group by organisation_key, observed_on

),

placed as (

    select
        *,
        sum(whole_count) over (
            partition by organisation_key
            order by observed_on
            rows between unbounded preceding and current row
        ) as whole_so_far,
        min(case when whole_count = 1 then observed_on end) over (
            partition by organisation_key
            order by observed_on
            rows between 1 following and unbounded following
        ) as next_whole_on
    from listed

),

sightings as (

    select
        members.*,
        placed.next_whole_on,
        placed.whole_so_far - placed.whole_count - lag(placed.whole_so_far) over (
            partition by members.organisation_key, members.actor_key
            order by members.observed_on
        ) as lists_without
    from members
    inner join placed
        on
            members.organisation_key = placed.organisation_key
            and members.observed_on = placed.observed_on

),

spells as (

    select
        *,
        sum(case when lists_without = 0 then 0 else 1 end) over (
            partition by organisation_key, actor_key
            order by observed_on
            rows between unbounded preceding and current row
        ) as spell
    from sightings

),

intervals as (

    select
        actor_key,
        organisation_key,
        source,
        min(observed_on) as first_seen_on,
        max(observed_on) as last_seen_on,
        max(next_whole_on) as next_whole_on
    from spells
    group by actor_key, organisation_key, source, spell

)

select
    intervals.actor_key,
    intervals.organisation_key,
    organisations.platform,
    intervals.source,
    intervals.first_seen_on,
    intervals.last_seen_on,
    case
        when intervals.next_whole_on > intervals.last_seen_on then intervals.next_whole_on
    end as ended_on,
    organisations.member_list_visibility as list_visibility
from intervals
inner join organisations on intervals.organisation_key = organisations.organisation_key
