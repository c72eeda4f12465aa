{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with recursive accepted as (

    select
        first_actor_key as actor_key,
        second_actor_key as other_key,
        decided_on
    from {{ ref('int_identities__decided') }}
    where decision = 'accepted'

    union all

    select
        second_actor_key as actor_key,
        first_actor_key as other_key,
        decided_on
    from {{ ref('int_identities__decided') }}
    where decision = 'accepted'

),

reached as (

    select
        actor_key,
        actor_key as member_key
    from accepted

    union

    select
        reached.actor_key,
        accepted.other_key as member_key
    from reached
    inner join accepted on reached.member_key = accepted.actor_key

),

components as (

    select
        actor_key,
        min(member_key) as component_key
    from reached
    group by actor_key

),

dated as (

    select
        actor_key,
        max(decided_on) as decided_on
    from accepted
    group by actor_key

),

contradicted as (

    select distinct one.component_key
    from {{ ref('int_identities__decided') }} as decisions
    inner join components as one on decisions.first_actor_key = one.actor_key
    inner join components as other on decisions.second_actor_key = other.actor_key
    where decisions.decision = 'rejected' and one.component_key = other.component_key

)

select
    components.actor_key,
    components.component_key,
    contradicted.component_key is not null as is_contradicted,
    dated.decided_on
from components
inner join dated on components.actor_key = dated.actor_key
left join contradicted on components.component_key = contradicted.component_key
