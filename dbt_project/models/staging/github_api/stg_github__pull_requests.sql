with files as (

    {{ current_files(source('github_manifests', 'pull_requests')) }}

),

listed as (

    select * from {{ source('github', 'pull_requests') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_id,
        listed.pull_request_number,
        listed.pull_request_id,
        listed.title,
        listed.body,
        listed.author_id,
        listed.author_login,
        listed.author_type,
        listed.author_association,
        listed.state,
        listed.is_draft,
        listed.is_merged,
        listed.merged_at,
        listed.merged_by_login,
        listed.is_cross_repository,
        listed.base_ref,
        listed.head_ref,
        listed.comment_count,
        listed.labels,
        listed.created_at,
        listed.updated_at,
        listed.closed_at,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
