{{
    config(
        materialized='incremental',
        incremental_strategy='replace_days',
        unique_key='observed_on',
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
-- presence here is what tells "mined and none" from "not mined".
commits as (

    select
        observed_on,
        repository_type,
        repository_name,
        count(
            distinct case
                when author_logins is distinct from {{ list_of("'system'") }} then commit_id
            end
        ) as commit_stock_count,
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

-- The live API leaves a ledger of what was asked; dumps do not.
histories as (

    select
        observed_on,
        repository_type,
        repository_name,
        commits_outcome,
        discussions_outcome
    from {{ ref('stg_huggingface__histories') }}
    where {{ in_window('observed_on') }}

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

    select
        observed_on,
        repository_type,
        repository_name
    from models
    union
    select
        observed_on,
        repository_type,
        repository_name
    from commits
    union
    select
        observed_on,
        repository_type,
        repository_name
    from discussions

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
    models.source_form,
    commits.commit_stock_count,
    case
        when histories.discussions_outcome is not null
            then case
                when histories.discussions_outcome = 'ok'
                    then coalesce(discussions.discussion_stock_count, 0)
            end
        when discussions.discussion_stock_count is not null
            then discussions.discussion_stock_count
        when commits.observed_on is not null and discussion_days.observed_on is not null then 0
    end as discussion_stock_count,
    case
        when histories.discussions_outcome is not null
            then case
                when histories.discussions_outcome = 'ok'
                    then coalesce(discussions.pull_request_stock_count, 0)
            end
        when discussions.pull_request_stock_count is not null
            then discussions.pull_request_stock_count
        when commits.observed_on is not null and discussion_days.observed_on is not null then 0
    end as pull_request_stock_count,
    coalesce(
        models.observed_at, commits.observed_at, discussions.observed_at,
        cast(names.observed_on as timestamp)
    ) as observed_at,
    models.repository_name is not null as is_listed
from names
left join models
    on
        names.observed_on = models.observed_on
        and names.repository_type = models.repository_type
        and names.repository_name = models.repository_name
left join commits
    on
        names.observed_on = commits.observed_on
        and names.repository_type = commits.repository_type
        and names.repository_name = commits.repository_name
left join discussions
    on
        names.observed_on = discussions.observed_on
        and names.repository_type = discussions.repository_type
        and names.repository_name = discussions.repository_name
left join histories
    on
        names.observed_on = histories.observed_on
        and names.repository_type = histories.repository_type
        and names.repository_name = histories.repository_name
left join discussion_days
    on names.observed_on = discussion_days.observed_on
