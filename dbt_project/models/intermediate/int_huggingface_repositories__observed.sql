{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='observed_on',
        on_schema_change='append_new_columns',
        tags=['snapshot', 'incremental'],
        meta={
            'dagster': {'group': 'huggingface'},
            'replaces': {'first': 'observed_on', 'last': 'observed_on', 'ahead': 0}
        }
    )
}}

with listed as (

    select
        *,
        row_number() over (
            partition by observed_on, repository_type, repository_name
            order by observed_at desc, repository_id asc nulls last, like_count desc nulls last
        ) as place
    from {{ ref('stg_huggingface__models') }}
    where {{ in_window('observed_on') }} and repository_name is not null

),

models as (

    select * from listed
    where place = 1

),

-- A mined repository always shows the commit that made it, by the platform's `system` author:
-- in a dump, presence here is what tells "mined and none" from "not mined".
commits as (

    select
        observed_on,
        repository_type,
        repository_name,
        count(distinct commit_id) as listed_count,
        count(
            distinct case
                when author_logins is not distinct from {{ list_of("'system'") }} then commit_id
            end
        ) as platform_count,
        max(observed_at) as observed_at
    from {{ ref('stg_huggingface__commits') }}
    where {{ in_window('observed_on') }} and repository_name is not null
    group by observed_on, repository_type, repository_name

),

discussions as (

    select
        observed_on,
        repository_type,
        repository_name,
        count(
            distinct case when not coalesce(is_pull_request, false) then discussion_number end
        ) as discussion_stock_count,
        count(
            distinct case when is_pull_request then discussion_number end
        ) as pull_request_stock_count,
        max(observed_at) as observed_at
    from {{ ref('stg_huggingface__discussions') }}
    where {{ in_window('observed_on') }} and repository_name is not null
    group by observed_on, repository_type, repository_name

),

-- The live API leaves a row for every question; dumps do not.
answers as (

    select
        observed_on,
        repository_type,
        repository_name,
        max(case when kind = 'commits' then outcome end) as commits_outcome,
        max(case when kind = 'commits' then item_count end) as commit_item_count,
        max(case when kind = 'discussions' then outcome end) as discussions_outcome,
        bool_or(coalesce(is_open, false) and outcome <> 'renamed') as is_open,
        max(observed_at) as observed_at
    from {{ ref('int_questions__answered') }}
    where
        {{ in_window('observed_on') }}
        and platform = 'huggingface'
        and repository_name is not null
    group by observed_on, repository_type, repository_name

),

discussion_days as (

    select distinct observed_on
    from {{ ref('stg_huggingface__listings') }}
    where
        {{ in_window('observed_on') }}
        and listing = 'discussions'
        and state in ('ok', 'malformed_lines')

),

names as (
    {% for table in ['models', 'commits', 'discussions', 'answers'] %}

    select
        observed_on,
        repository_type,
        repository_name
    from {{ table }}
    {% if not loop.last %}
    union
    {% endif %}
    {% endfor %}

)

select
    names.observed_on,
    names.repository_type,
    names.repository_name,
    models.repository_id,
    models.owner_name,
    models.created_at,
    models.last_modified_at,
    models.like_count,
    models.download_30d_count,
    models.download_all_count,
    models.gated,
    models.is_private,
    models.is_disabled,
    models.removed_at,
    models.library_name,
    models.pipeline_tag,
    models.licence,
    models.parameter_count,
    models.storage_byte_count,
    models.base_models,
    models.source_form,
    case
        when answers.commits_outcome = 'ok'
            then greatest(
                coalesce(answers.commit_item_count, commits.listed_count, 0)
                - coalesce(commits.platform_count, 0),
                0
            )
        when answers.commits_outcome is null then commits.listed_count - commits.platform_count
    end as commit_stock_count,
    {% for stock in ['discussion_stock_count', 'pull_request_stock_count'] %}
    case
        when answers.discussions_outcome = 'ok' then coalesce(discussions.{{ stock }}, 0)
        when answers.observed_on is null
            then coalesce(
                discussions.{{ stock }},
                case
                    when
                        commits.observed_on is not null and discussion_days.observed_on is not null
                        then 0
                end
            )
    end as {{ stock }},
    {% endfor %}
    coalesce(
        answers.commits_outcome, case when commits.observed_on is not null then 'ok' end
    ) as commits_outcome,
    coalesce(
        answers.discussions_outcome,
        case
            when answers.observed_on is not null then null
            when
                discussions.observed_on is not null
                or (commits.observed_on is not null and discussion_days.observed_on is not null)
                then 'ok'
        end
    ) as discussions_outcome,
    coalesce(
        models.observed_at, commits.observed_at, discussions.observed_at, answers.observed_at
    ) as observed_at,
    models.repository_name is not null as is_listed,
    (
        models.repository_name is not null
        or commits.repository_name is not null
        or discussions.repository_name is not null
        or coalesce(answers.is_open, false)
    ) as is_seen
from names
{% for table in ['models', 'commits', 'discussions', 'answers'] %}
left join {{ table }}
    on
        names.observed_on = {{ table }}.observed_on
        and names.repository_type = {{ table }}.repository_type
        and names.repository_name = {{ table }}.repository_name
{% endfor %}
left join discussion_days
    on names.observed_on = discussion_days.observed_on
