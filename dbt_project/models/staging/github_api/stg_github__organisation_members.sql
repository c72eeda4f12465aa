with files as (

    {{ current_files(source('github_manifests', 'organisation_members')) }}

),

listed as (

    select * from {{ source('github', 'organisation_members') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.organisation_id,
        listed.organisation_login,
        listed.member_id,
        listed.member_login,
        listed.member_type,
        listed.is_public,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
