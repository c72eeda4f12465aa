with files as (

    {{ current_files(source('huggingface_manifests', 'discussion_events')) }}

),

listed as (

    select * from {{ source('huggingface', 'discussion_events') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_type,
        listed.repository_name,
        listed.discussion_number,
        listed.event_id,
        listed.event_type,
        listed.author_login,
        listed.is_author_staff,
        listed.is_author_admin,
        listed.is_author_moderator,
        listed.created_at,
        listed.body,
        listed.is_hidden,
        listed.is_edited,
        listed.new_status,
        listed.commit_id,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
