with files as (

    {{ current_files(source('github_manifests', 'commits')) }}

),

listed as (

    select * from {{ source('github', 'commits') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_id,
        listed.commit_sha,
        listed.author_id,
        listed.author_login,
        listed.author_name,
        listed.author_address_hash,
        listed.authored_at,
        listed.committer_id,
        listed.committer_login,
        listed.committer_address_hash,
        listed.committed_at,
        listed.message,
        listed.parent_count,
        listed.co_authors,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
