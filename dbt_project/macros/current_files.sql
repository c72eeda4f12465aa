{#
    Rows of a lake table that a manifest names as current, with the entry's attributes.
    An inner join on day and base name rather than a semi join: the planner then carries a filter
    on the day into the Parquet list and into the manifests alike, so that history is not opened.
#}
{% macro current_files(manifest_source, attributes=[]) -%}
    select
        day,
        entry.file as file
        {%- for attribute in attributes %},
        min(entry.{{ attribute }}) as {{ attribute }}
        {%- endfor %}
    from (
        select day, {{ each('entries') }} as entry
        from {{ manifest_source }}
    ) as listed
    where entry.file is not null
    group by day, entry.file
{%- endmacro %}

{# Timestamps of manifests arrive as ISO text; UTC whether or not an offset is written. #}
{% macro utc(text) -%}{{ adapter.dispatch('utc', 'osmoscope')(text) }}{%- endmacro %}
{% macro default__utc(text) -%}try_cast({{ text }} as timestamp){%- endmacro %}
