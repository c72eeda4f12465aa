{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='commit_key',
        tags=['snapshot', 'incremental'],
        meta={'dagster': {'group': 'core'}}
    )
}}

{%- set facts = [
    'commit_key', 'platform', 'repository_id', 'repository_type', 'repository_name', 'commit_id',
    'observed_on', 'committed_at', 'is_by_platform'
] %}
{%- set said = ['message_kind', 'message_condition', 'is_merge', 'word_count'] %}

with github as (

    select
        'github:' || cast(repository_id as varchar) || ':' || commit_sha as commit_key,
        'github' as platform,
        repository_id,
        'repository' as repository_type,
        cast(null as varchar) as repository_name,
        commit_sha as commit_id,
        observed_on,
        coalesce(committed_at, authored_at) as committed_at,
        false as is_by_platform,
        coalesce(parent_count > 1, false) as has_more_parents,
        cast(null as varchar) as title,
        message as body
    from {{ ref('stg_github__commits') }}
    where {{ in_window('observed_on') }}

),

-- The first commit of a repository on the Hub is the platform's own.
huggingface as (

    select
        'huggingface:' || repository_type || ':' || repository_name || ':' || commit_id
            as commit_key,
        'huggingface' as platform,
        cast(null as bigint) as repository_id,
        repository_type,
        repository_name,
        commit_id,
        observed_on,
        committed_at,
        coalesce(author_logins = {{ list_of("'system'") }}, false) as is_by_platform,
        false as has_more_parents,
        title,
        message as body
    from {{ ref('stg_huggingface__commits') }}
    where {{ in_window('observed_on') }}

),

both_platforms as (

    select * from github
    union all
    select * from huggingface

),

-- A commit's message never changes: one of its rows is as good as another.
ranked as (

    select
        *,
        row_number() over (
            partition by commit_key
            order by observed_on, committed_at nulls last, title nulls last, body nulls last
        ) as place
    from both_platforms

),

listed as (

    select * from ranked
    where place = 1

),

{{ message_worded('listed', 'title', 'body', facts + ['has_more_parents']) }},

-- What is already known takes part as one more observation: days may then come in any order.
pool as (

    select
        {% for fact in facts %}
        {{ fact }},
        {% endfor %}
        message_kind,
        message_condition,
        is_merge_message or has_more_parents as is_merge,
        word_count,
        rule_version
    from worded

    {% if is_incremental() %}
    union all

    select
        {% for fact in facts + said %}
        known.{{ fact }},
        {% endfor %}
        known.rule_version
    from {{ this }} as known
    where
        exists (
            select 1 from listed
            where listed.commit_key = known.commit_key
        )
    {% endif %}

),

first_seen as (

    select
        *,
        row_number() over (
            partition by commit_key
            order by rule_version desc, observed_on asc, committed_at asc nulls last
        ) as place
    from pool

)

select
    {% for fact in facts + said %}
    {{ fact }},
    {% endfor %}
    rule_version
from first_seen
where place = 1
