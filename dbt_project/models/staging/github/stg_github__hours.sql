with listed as (

    select
        day as file_on,
        {{ each('entries') }} as entry
    from {{ source('gharchive_manifests', 'events') }}

),

renamed as (

    select
        file_on,
        entry.name as file_stem,
        entry.hour as file_hour,
        entry.state as state,
        entry.reason as reason,
        entry.source as source_location,
        coalesce(entry.is_mirrored, false) as is_mirrored,
        entry.file as file_name,
        entry.line_count as line_count,
        entry.event_count as event_count,
        entry.duplicate_count as duplicate_count,
        entry.malformed_count as malformed_count,
        entry.actor_count as actor_count,
        entry.repository_count as repository_count,
        entry.source_bytes as source_byte_count,
        entry.source_sha256 as source_sha256,
        entry.lake_bytes as lake_byte_count,
        entry.content_hash as content_hash,
        {{ utc('entry.first_created_at') }} as first_event_at,
        {{ utc('entry.last_created_at') }} as last_event_at,
        cast(entry.eras as varchar) as era_counts,
        cast(entry.types as varchar) as type_counts,
        cast(entry.new_keys as varchar) as new_keys,
        entry.schema_version as schema_version,
        {{ utc('entry.fetched_at') }} as fetched_at,
        entry.client_version as client_version
    from listed

)

select * from renamed
