with files as (

    {{ current_files(source('github_manifests', 'issue_comments')) }}

),

listed as (

    select * from {{ source('github', 'issue_comments') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_id,
        listed.issue_number,
        listed.comment_id,
        listed.author_id,
        listed.author_login,
        listed.author_type,
        listed.author_association,
        listed.body,
        listed.created_at,
        listed.updated_at,
        listed.is_pull_request,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
