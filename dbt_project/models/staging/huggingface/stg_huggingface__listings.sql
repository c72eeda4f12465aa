with listed as (

    {% for table in ['models', 'datasets', 'spaces', 'commits', 'discussions'] %}
    select
        day as observed_on,
        '{{ table }}' as listing,
        {{ each('entries') }} as entry
    from {{ source('huggingface_manifests', table) }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

renamed as (

    select
        observed_on,
        listing,
        entry.name as entry_name,
        entry.state as state,
        entry.reason as reason,
        entry.source as source_location,
        entry.file as file_name,
        entry.row_count as row_count,
        entry.malformed_count as malformed_count,
        entry.duplicate_count as duplicate_count,
        entry.source_bytes as source_byte_count,
        entry.source_sha256 as source_sha256,
        entry.lake_bytes as lake_byte_count,
        entry.content_hash as content_hash,
        {{ utc('entry.observed_at') }} as observed_at,
        entry.source_form as source_form,
        entry.schema_version as schema_version,
        {{ utc('entry.fetched_at') }} as fetched_at,
        entry.client_version as client_version
    from listed

)

select * from renamed
