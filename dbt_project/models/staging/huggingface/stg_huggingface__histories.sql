with files as (

    {{ current_files(source('huggingface_manifests', 'histories')) }}

),

listed as (

    select * from {{ source('huggingface', 'histories') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_name,
        listed.repository_type,
        listed.last_modified_at,
        listed.commits_outcome,
        listed.discussions_outcome,
        listed.commit_count,
        listed.discussion_count,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
