with files as (

    {{ current_files(source('github_manifests', 'repositories')) }}

),

listed as (

    select * from {{ source('github', 'repositories') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_id,
        listed.node_id,
        listed.repository_name,
        listed.owner_id,
        listed.owner_login,
        listed.owner_type,
        listed.created_at,
        listed.pushed_at,
        listed.updated_at,
        listed.is_fork,
        listed.parent_repository_id,
        listed.parent_repository_name,
        listed.is_archived,
        listed.is_disabled,
        listed.is_private,
        listed.is_empty,
        listed.is_template,
        listed.is_mirror,
        listed.has_issues,
        listed.has_discussions,
        listed.licence,
        listed.language,
        listed.default_branch,
        listed.head_sha,
        listed.star_count,
        listed.fork_count,
        listed.commit_count,
        listed.issue_count,
        listed.issue_open_count,
        listed.pull_request_count,
        listed.pull_request_open_count,
        listed.pull_request_merged_count,
        listed.disk_kilobytes as disk_kilobyte_count,
        listed.issues_updated_at,
        listed.pull_requests_updated_at,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
