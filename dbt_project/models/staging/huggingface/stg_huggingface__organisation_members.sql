with files as (

    {{ current_files(source('huggingface_manifests', 'organisation_members')) }}

),

listed as (

    select * from {{ source('huggingface', 'organisation_members') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.organisation_login,
        listed.member_login,
        listed.member_id,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
