{{
    config(
        materialized='view',
        tags=['snapshot'],
        meta={'dagster': {'group': 'core'}}
    )
}}

with activity as (

    select * from {{ ref('mart_repository_activity') }}
    where repository_type in ('repository', 'model')

)

{% for policy in bot_policies() %}
select
    activity.repository_key,
    activity.platform,
    '{{ policy }}' as bot_policy,
    {% for flow in ['commit_flow_count', 'issue_flow_count', 'star_flow_count'] %}
    {% if policy == 'none' %}
    activity.{{ flow }},
    {% else %}
    case
        when activity.platform = 'github' and cleaned.repository_key is not null
            then cleaned.{{ flow }}
        else activity.{{ flow }}
    end as {{ flow }},
    {% endif %}
    {% endfor %}
    {% for stock in ['commit_stock_count', 'discussion_stock_count'] %}
    {% if policy == 'none' %}
    activity.{{ stock }},
    {% else %}
    case
        when activity.{{ stock }} is not null
            then greatest(activity.{{ stock }} - coalesce(cleaned.machine_{{ stock }}, 0), 0)
    end as {{ stock }},
    {% endif %}
    {% endfor %}
    activity.star_stock_count
from activity
{% if policy != 'none' %}
left join {{ ref('int_repository_flows__cleaned') }} as cleaned
    on
        activity.repository_key = cleaned.repository_key
        and cleaned.bot_policy = '{{ policy }}'
{% endif %}
{% if not loop.last %}
union all
{% endif %}
{% endfor %}
