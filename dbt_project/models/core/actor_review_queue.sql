{{
    config(
        materialized='table',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

select
    actors.actor_key,
    row_number() over (
        order by described.known_act_count desc, actors.actor_key asc
    ) as queue_number,
    actors.platform,
    actors.native_id,
    actors.login,
    actors.actor_class,
    actors.automation_score,
    actors.reasons,
    described.known_act_count,
    {% for column in behaviour_columns() %}
    described.{{ column }},
    {% endfor %}
    described.message_count,
    described.repeated_text_share,
    described.template_text_share,
    actors.first_seen_at,
    actors.last_seen_at
from {{ ref('dim_actor') }} as actors
inner join {{ ref('int_actors__described') }} as described
    on actors.actor_key = described.actor_key
where actors.is_uncertain
