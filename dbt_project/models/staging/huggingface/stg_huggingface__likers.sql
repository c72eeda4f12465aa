with files as (

    {{ current_files(source('huggingface_manifests', 'likers')) }}

),

listed as (

    select * from {{ source('huggingface', 'likers') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_type,
        listed.repository_name,
        listed.actor_login,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
