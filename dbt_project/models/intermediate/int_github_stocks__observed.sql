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

with described as (

    select
        *,
        row_number() over (
            partition by observed_on, repository_id
            order by updated_at desc nulls last, star_count desc nulls last, repository_name asc
        ) as place
    from {{ ref('stg_github__repositories') }}
    where {{ in_window('observed_on') }}

)

select
    observed_on,
    repository_id,
    'github:repository:' || cast(repository_id as varchar) as repository_key,
    repository_name,
    owner_id,
    owner_login,
    case owner_type
        when 'User' then 'user'
        when 'Organization' then 'organisation'
        else lower(owner_type)
    end as owner_type,
    created_at,
    pushed_at,
    is_fork,
    parent_repository_id,
    is_archived,
    is_disabled,
    is_private,
    is_empty,
    has_issues,
    licence,
    language,
    star_count,
    fork_count,
    commit_count,
    -- The count of a tab that is switched off says nothing about issues.
    case when coalesce(has_issues, true) then issue_count end as issue_count,
    case when coalesce(has_issues, true) then issue_open_count end as issue_open_count,
    pull_request_count,
    pull_request_open_count,
    pull_request_merged_count,
    observed_at
from described
where place = 1
