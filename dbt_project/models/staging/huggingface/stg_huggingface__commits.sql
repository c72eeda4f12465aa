with files as (

    {{ current_files(source('huggingface_manifests', 'commits')) }}

),

listed as (

    select * from {{ source('huggingface', 'commits') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_name,
        coalesce(listed.repository_type, 'model') as repository_type,
        listed.commit_id,
        listed.authors as author_logins,
        listed.committed_at,
        listed.title,
        listed.message,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
