with files as (

    {{ current_files(source('huggingface_manifests', 'answers')) }}

),

listed as (

    select * from {{ source('huggingface', 'answers') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.kind,
        listed.subject,
        listed.tier,
        listed.outcome,
        listed.reason,
        listed.repository_id,
        listed.repository_type,
        listed.repository_name,
        listed.name_now,
        listed.item_count,
        listed.new_item_count,
        listed.is_changed,
        listed.seen as seen_json,
        listed.recheck_on,
        listed.observed_at
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
