{#
    What every night of mining lands beside the platform's own rows, whatever the platform: a row a
    question (answers) and a row a class of requests, account and hour (requests).
#}

{% macro night_answers(platform) -%}
with files as (

    {{ current_files(source(platform ~ '_manifests', 'answers')) }}

),

listed as (

    select * from {{ source(platform, 'answers') }}

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
{%- endmacro %}

{% macro night_requests(platform) -%}
with files as (

    {{ current_files(source(platform ~ '_manifests', 'requests'), ['name']) }}

),

listed as (

    select * from {{ source(platform, 'requests') }}

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
{%- endmacro %}
