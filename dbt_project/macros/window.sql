{#
    The window of lake partition days a run is about (ISO, inclusive), from the environment:
    OSMOSCOPE_MIN_DAY and OSMOSCOPE_MAX_DAY. Both empty: everything. One empty: open on that side.
    Read when a statement is rendered and not when the project is parsed: with other vars, or with
    other variables seen while parsing, dbt would parse nearly all models anew each night.
    Values are parsed as dates before they reach SQL, so a value cannot carry SQL.
#}
{% macro iso_day(value) -%}
    {{ modules.datetime.datetime.strptime(value | string, '%Y-%m-%d').strftime('%Y-%m-%d') }}
{%- endmacro %}

{# A condition on a date column; back and ahead widen the window by whole days. #}
{% macro in_window(column, back=0, ahead=0) -%}
    {%- set low = env_var('OSMOSCOPE_MIN_DAY', '') if execute else '' -%}
    {%- set high = env_var('OSMOSCOPE_MAX_DAY', '') if execute else '' -%}
    {%- set step = modules.datetime.timedelta -%}
    {%- set parse = modules.datetime.datetime.strptime -%}
    {%- set parts = [] -%}
    {%- if low != '' -%}
        {%- set day = (parse(iso_day(low), '%Y-%m-%d') - step(days=back)).strftime('%Y-%m-%d') -%}
        {%- do parts.append(column ~ " >= date '" ~ day ~ "'") -%}
    {%- endif -%}
    {%- if high != '' -%}
        {%- set day = (parse(iso_day(high), '%Y-%m-%d') + step(days=ahead)).strftime('%Y-%m-%d') -%}
        {%- do parts.append(column ~ " <= date '" ~ day ~ "'") -%}
    {%- endif -%}
    ({{ parts | join(' and ') if parts else 'true' }})
{%- endmacro %}

{# Rows whose interval [first_column, last_column] of file days touches the window. #}
{% macro touches_window(first_column, last_column, ahead=0) -%}
    {%- set low = env_var('OSMOSCOPE_MIN_DAY', '') if execute else '' -%}
    {%- set high = env_var('OSMOSCOPE_MAX_DAY', '') if execute else '' -%}
    {%- set step = modules.datetime.timedelta -%}
    {%- set parse = modules.datetime.datetime.strptime -%}
    {%- set parts = [] -%}
    {%- if low != '' -%}
        {%- do parts.append(last_column ~ " >= date '" ~ iso_day(low) ~ "'") -%}
    {%- endif -%}
    {%- if high != '' -%}
        {%- set day = (parse(iso_day(high), '%Y-%m-%d') + step(days=ahead)).strftime('%Y-%m-%d') -%}
        {%- do parts.append(first_column ~ " <= date '" ~ day ~ "'") -%}
    {%- endif -%}
    ({{ parts | join(' and ') if parts else 'true' }})
{%- endmacro %}
