with files as (

    {{ current_files(source('github_manifests', 'issues')) }}

),

listed as (

    select * from {{ source('github', 'issues') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_id,
        listed.issue_number,
        listed.issue_id,
        listed.title,
        listed.body,
        listed.author_id,
        listed.author_login,
        listed.author_type,
        listed.author_association,
        listed.state,
        listed.state_reason,
        listed.labels,
        listed.comment_count,
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
