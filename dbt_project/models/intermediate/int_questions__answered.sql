{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='observed_on',
        tags=['snapshot', 'incremental'],
        meta={
            'dagster': {'group': 'core'},
            'replaces': {'first': 'observed_on', 'last': 'observed_on', 'ahead': 0}
        }
    )
}}

{%- set facts = [
    'observed_on', 'kind', 'subject', 'tier', 'outcome', 'reason', 'repository_id',
    'repository_type', 'repository_name', 'name_now', 'item_count', 'new_item_count',
    'is_changed', 'recheck_on', 'observed_at'
] %}

with github as (

    select
        'github' as platform,
        {% for fact in facts %}
        {{ fact }},
        {% endfor %}
        'github:repository:' || repository_id as repository_key
    from {{ ref('stg_github__answers') }}
    where {{ in_window('observed_on') }}

),

-- A name on the Hub gets its key later: a listing may tell its id only after the answer.
huggingface as (

    select
        'huggingface' as platform,
        {% for fact in facts %}
        {{ fact }},
        {% endfor %}
        cast(null as varchar) as repository_key
    from {{ ref('stg_huggingface__answers') }}
    where {{ in_window('observed_on') }}

),

answers as (

    select * from github
    union all
    select * from huggingface

)

select
    *,
    case
        when outcome in ('ok', 'truncated', 'renamed', 'gone') then true
        when outcome in ('absent', 'dmca', 'disabled') then false
    end as is_open,
    outcome in (
        'absent', 'dmca', 'disabled', 'gone', 'refused', 'hidden', 'taken_over'
    ) as is_terminal
from answers
