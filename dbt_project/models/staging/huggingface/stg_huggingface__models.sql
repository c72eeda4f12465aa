with files as (

    {{ current_files(source('huggingface_manifests', 'models')) }}

),

listed as (

    select * from {{ source('huggingface', 'models') }}

),

renamed as (

    select
        listed.day as observed_on,
        listed.repository_id,
        coalesce(listed.repository_type, 'model') as repository_type,
        listed.repository_name,
        listed.owner_name,
        listed.created_at,
        listed.last_modified_at,
        listed.like_count,
        listed.download_30d_count,
        listed.download_all_count,
        listed.gated,
        listed.is_private,
        listed.is_disabled,
        listed.removed_at,
        listed.library_name,
        listed.pipeline_tag,
        listed.licence,
        listed.tags,
        listed.languages,
        listed.base_models,
        listed.parameter_count,
        listed.storage_bytes as storage_byte_count,
        listed.trending_score,
        listed.head_sha,
        listed.observed_at,
        listed.source_form,
        listed.extra as extra_json
    from listed
    inner join files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

)

select * from renamed
