{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='thread_key',
        tags=['snapshot', 'incremental'],
        meta={'dagster': {'group': 'core'}}
    )
}}

{%- set identity = [
    'thread_key', 'platform', 'repository_id', 'repository_type', 'repository_name',
    'thread_number'
] %}
{%- set thread_facts = [
    'kind', 'author_id', 'author_login', 'author_type', 'created_at', 'title_character_count',
    'title_hash', 'thread_observed_on'
] %}
{%- set body_facts = ['body_character_count', 'text_hash'] %}

with
{% for table, kind, number in [
    ('issues', 'issue', 'issue_number'), ('pull_requests', 'pull_request', 'pull_request_number')
] %}
github_{{ table }} as (

    select
        'github:' || cast(repository_id as varchar) || ':' || cast({{ number }} as varchar)
            as thread_key,
        'github' as platform,
        repository_id,
        'repository' as repository_type,
        cast(null as varchar) as repository_name,
        {{ number }} as thread_number,
        '{{ kind }}' as kind,
        author_id,
        author_login,
        author_type,
        created_at,
        coalesce(length(title), 0) as title_character_count,
        {{ text_hash('title') }} as title_hash,
        observed_on as thread_observed_on,
        coalesce(length(body), 0) as body_character_count,
        {{ text_hash('body') }} as text_hash,
        observed_on as body_observed_on
    from {{ ref('stg_github__' ~ table) }}
    where {{ in_window('observed_on') }}

),

{% endfor %}
huggingface_threads as (

    select
        'huggingface:' || repository_type || ':' || repository_name
        || ':' || cast(discussion_number as varchar) as thread_key,
        'huggingface' as platform,
        cast(null as bigint) as repository_id,
        repository_type,
        repository_name,
        discussion_number as thread_number,
        case when is_pull_request then 'pull_request' else 'discussion' end as kind,
        cast(null as bigint) as author_id,
        author_login,
        cast(null as varchar) as author_type,
        created_at,
        coalesce(length(discussion_title), 0) as title_character_count,
        {{ text_hash('discussion_title') }} as title_hash,
        observed_on as thread_observed_on,
        cast(null as bigint) as body_character_count,
        cast(null as varchar) as text_hash,
        cast(null as date) as body_observed_on
    from {{ ref('stg_huggingface__discussions') }}
    where {{ in_window('observed_on') }}

),

-- A discussion is read whole: its first comment is what it was opened with.
comments as (

    select
        *,
        row_number() over (
            partition by observed_on, repository_type, repository_name, discussion_number
            order by created_at, event_id
        ) as place
    from {{ ref('stg_huggingface__discussion_events') }}
    where {{ in_window('observed_on') }} and event_type = 'comment'

),

huggingface_bodies as (

    select
        'huggingface:' || repository_type || ':' || repository_name
        || ':' || cast(discussion_number as varchar) as thread_key,
        'huggingface' as platform,
        cast(null as bigint) as repository_id,
        repository_type,
        repository_name,
        discussion_number as thread_number,
        cast(null as varchar) as kind,
        cast(null as bigint) as author_id,
        cast(null as varchar) as author_login,
        cast(null as varchar) as author_type,
        cast(null as timestamp) as created_at,
        cast(null as bigint) as title_character_count,
        cast(null as varchar) as title_hash,
        cast(null as date) as thread_observed_on,
        case when not coalesce(is_hidden, false) then coalesce(length(body), 0) end
            as body_character_count,
        case when not coalesce(is_hidden, false) then {{ text_hash('body') }} end as text_hash,
        observed_on as body_observed_on
    from comments
    where place = 1

),

new_rows as (

    select * from github_issues
    union all
    select * from github_pull_requests
    union all
    select * from huggingface_threads
    union all
    select * from huggingface_bodies

),

pool as (

    select
        {% for fact in identity + thread_facts + body_facts %}
        {{ fact }},
        {% endfor %}
        body_observed_on
    from new_rows

    {% if is_incremental() %}
    union all

    -- What is already known takes part as one more observation: days may then come in any order.
    select
        {% for fact in identity + thread_facts + body_facts %}
        known.{{ fact }},
        {% endfor %}
        known.body_observed_on
    from {{ this }} as known
    where
        exists (
            select 1 from new_rows
            where new_rows.thread_key = known.thread_key
        )
    {% endif %}

),

ranked as (

    select
        *,
        row_number() over (
            partition by thread_key
            order by
                thread_observed_on desc nulls last,
                title_hash asc nulls last,
                author_login asc nulls last
        ) as thread_place,
        row_number() over (
            partition by thread_key
            order by body_observed_on desc nulls last, text_hash asc nulls last
        ) as body_place
    from pool

)

select
    {% for fact in identity + thread_facts %}
    threads.{{ fact }},
    {% endfor %}
    {% for fact in body_facts %}
    bodies.{{ fact }},
    {% endfor %}
    bodies.body_observed_on
from ranked as threads
inner join ranked as bodies
    on
        threads.thread_key = bodies.thread_key
        and bodies.body_place = 1
where threads.thread_place = 1
