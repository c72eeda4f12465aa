with files as (

    {{ current_files(source('huggingface_manifests', 'access_requests')) }}

),

listed as (

    select * from {{ source('huggingface', 'access_requests') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_type,
        listed.repository_name,
        listed.gated,
        listed.requested_at,
        listed.outcome,
        listed.reason,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
