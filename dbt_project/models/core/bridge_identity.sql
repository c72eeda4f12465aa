{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

select
    connected.actor_key,
    'person:' || connected.component_key as person_key,
    actors.platform,
    connected.decided_on as valid_from
from {{ ref('int_identities__connected') }} as connected
inner join {{ ref('dim_actor') }} as actors on connected.actor_key = actors.actor_key
where not connected.is_contradicted
