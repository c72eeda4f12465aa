{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='observed_on',
        tags=['snapshot', 'incremental'],
        meta={
            'dagster': {'group': 'github'},
            'replaces': {'first': 'observed_on', 'last': 'observed_on', 'ahead': 0}
        }
    )
}}

with written as (
    {% for table in ['issues', 'pull_requests', 'issue_comments'] %}

    select
        observed_on,
        repository_id,
        author_id,
        author_login,
        author_type,
        author_association,
        created_at
    from {{ ref('stg_github__' ~ table) }}
    where {{ in_window('observed_on') }} and author_id is not null
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

)

select
    observed_on,
    repository_id,
    author_id as actor_id,
    upper(author_association) as association,
    {{ newest('author_login', 'created_at') }} as actor_login,
    {{ newest('author_type', 'created_at') }} as platform_type,
    min(created_at) as first_written_at,
    max(created_at) as last_written_at
from written
group by observed_on, repository_id, author_id, upper(author_association)
