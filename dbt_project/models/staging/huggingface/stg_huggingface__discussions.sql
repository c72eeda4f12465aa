with files as (

    {{ current_files(source('huggingface_manifests', 'discussions')) }}

),

listed as (

    select * from {{ source('huggingface', 'discussions') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_name,
        coalesce(listed.repository_type, 'model') as repository_type,
        listed.discussion_number,
        listed.discussion_title,
        listed.status,
        listed.is_pull_request,
        listed.author_login,
        listed.created_at,
        listed.comment_count,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
