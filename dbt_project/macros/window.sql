{#
    The window of lake partition days a run is about, from the vars min_day and max_day.
    Both empty: everything. One empty: open on that side.
    Values are parsed as dates before they reach SQL, so a var cannot carry SQL.
#}
{% macro iso_day(value) -%}
    {{ modules.datetime.datetime.strptime(value | string, '%Y-%m-%d').strftime('%Y-%m-%d') }}
{%- endmacro %}

{# A condition on a date column; back and ahead widen the window by whole days. #}
{% macro in_window(column, back=0, ahead=0) -%}
    {%- set low = var('min_day', '') | string -%}
    {%- set high = var('max_day', '') | string -%}
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
    {%- set low = var('min_day', '') | string -%}
    {%- set high = var('max_day', '') | string -%}
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
