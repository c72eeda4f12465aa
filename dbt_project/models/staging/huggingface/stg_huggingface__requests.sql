with files as (

    {{ current_files(source('huggingface_manifests', 'requests'), ['name']) }}

),

listed as (

    select * from {{ source('huggingface', 'requests') }}

),

renamed as (

    select
        listed.day as observed_on,
        files.name as entry_name,
        listed.kind,
        listed.account,
        listed.hour as hour_at,
        listed.call_count,
        listed.not_modified_count,
        listed.retry_count,
        listed.refused_count,
        listed.failed_count,
        listed.waited_seconds,
        listed.received_bytes as received_byte_count,
        listed.limit_count,
        listed.remaining_count,
        listed.statuses as status_counts,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
