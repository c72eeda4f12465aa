{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['repository_type', 'repository_name'],
        on_schema_change='append_new_columns',
        tags=['snapshot', 'incremental'],
        meta={'dagster': {'group': 'huggingface'}}
    )
}}

{%- set facts = [
    'owner_name', 'created_at', 'last_modified_at', 'like_count', 'download_30d_count',
    'download_all_count', 'gated', 'is_private', 'is_disabled', 'removed_at', 'library_name',
    'pipeline_tag', 'licence', 'parameter_count', 'storage_byte_count', 'source_form',
    'base_models'
] %}

with new_rows as (

    select
        *,
        case when is_seen then observed_at end as seen_at,
        case when repository_id is not null then observed_at end as identified_at,
        case when is_listed then observed_at end as listed_at,
        case when commits_outcome is not null then observed_on end as commits_observed_on,
        case when discussions_outcome is not null then observed_on end
            as discussions_observed_on
    from {{ ref('int_huggingface_repositories__observed') }}
    where {{ in_window('observed_on') }}

),

pool as (

    select
        repository_type,
        repository_name,
        {% for fact in facts %}
        {{ fact }},
        {% endfor %}
        repository_id,
        commit_stock_count,
        discussion_stock_count,
        seen_at as first_seen_at,
        seen_at as last_seen_at,
        identified_at,
        listed_at,
        commits_observed_on,
        discussions_observed_on
    from new_rows

    {% if is_incremental() %}
    union all

    -- What is already known takes part as one more observation: days may then come in any order.
    select
        known.repository_type,
        known.repository_name,
        {% for fact in facts %}
        known.{{ fact }},
        {% endfor %}
        known.repository_id,
        known.commit_stock_count,
        known.discussion_stock_count,
        known.first_seen_at,
        known.last_seen_at,
        known.identified_at,
        known.listed_at,
        known.commits_observed_on,
        known.discussions_observed_on
    from {{ this }} as known
    where
        exists (
            select 1
            from new_rows
            where
                new_rows.repository_type = known.repository_type
                and new_rows.repository_name = known.repository_name
        )
    {% endif %}

),

summed as (

    select
        repository_type,
        repository_name,
        {{ newest('repository_id', 'identified_at') }} as repository_id,
        {% for stock, day in [
            ('commit_stock_count', 'commits_observed_on'),
            ('discussion_stock_count', 'discussions_observed_on'),
        ] %}
        nullif({{ newest(answered(stock, day), day) }}, -1) as {{ stock }},
        {% endfor %}
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        max(identified_at) as identified_at,
        max(listed_at) as listed_at,
        max(commits_observed_on) as commits_observed_on,
        max(discussions_observed_on) as discussions_observed_on
    from pool
    group by repository_type, repository_name

),

ranked as (

    select
        *,
        row_number() over (
            partition by repository_type, repository_name
            order by
                listed_at desc nulls last,
                like_count desc nulls last,
                download_30d_count desc nulls last
        ) as place
    from pool

)

select
    {% for fact in facts %}
    ranked.{{ fact }},
    {% endfor %}
    summed.*
from summed
inner join ranked
    on
        summed.repository_type = ranked.repository_type
        and summed.repository_name = ranked.repository_name
where ranked.place = 1
