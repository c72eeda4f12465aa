{%- set types = [('models', 'model'), ('datasets', 'dataset'), ('spaces', 'space')] %}

with
{% for table, repository_type in types %}
{{ table }}_files as (

    {{ current_files(source('huggingface_manifests', table)) }}

),

{{ table }} as (

    select
        listed.day as observed_on,
        coalesce(listed.repository_type, '{{ repository_type }}') as repository_type,
        listed.repository_id,
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
    from {{ source('huggingface', table) }} as listed
    inner join {{ table }}_files as files
        on
            listed.day = files.day
            and {{ base_name('listed.filename') }} = files.file

),

{% endfor %}
renamed as (

    select * from models
    union all
    select * from datasets
    union all
    select * from spaces

)

select * from renamed
