{#
    Functions whose spelling depends on the engine. The default__ form is DuckDB's; another engine
    adds <adapter>__<name>. Models call only these, standard SQL, and each other.
#}

{# Value that goes with the greatest `by`; ties fall to the greatest value, whatever the order. #}
{% macro newest(value, by) -%}
    {{ adapter.dispatch('newest', 'osmoscope')(value, by) }}
{%- endmacro %}
{% macro default__newest(value, by) -%}
    arg_max({{ value }}, ({{ by }}, {{ value }})) filter (where {{ value }} is not null)
{%- endmacro %}
{% macro spark__newest(value, by) -%}
    max_by({{ value }}, struct({{ by }}, {{ value }})) filter (where {{ value }} is not null)
{%- endmacro %}

{# Value that goes with the smallest `by`; ties fall to the smallest value. #}
{% macro oldest(value, by) -%}
    {{ adapter.dispatch('oldest', 'osmoscope')(value, by) }}
{%- endmacro %}
{% macro default__oldest(value, by) -%}
    arg_min({{ value }}, ({{ by }}, {{ value }})) filter (where {{ value }} is not null)
{%- endmacro %}
{% macro spark__oldest(value, by) -%}
    min_by({{ value }}, struct({{ by }}, {{ value }})) filter (where {{ value }} is not null)
{%- endmacro %}

{# Continuous quantile (linear interpolation between order statistics). #}
{% macro quantile(value, share) -%}
    {{ adapter.dispatch('quantile', 'osmoscope')(value, share) }}
{%- endmacro %}
{% macro default__quantile(value, share) -%}
    quantile_cont(cast({{ value }} as double), {{ share }})
{%- endmacro %}
{% macro spark__quantile(value, share) -%}percentile({{ value }}, {{ share }}){%- endmacro %}

{# Base name of a file path. #}
{% macro base_name(path) -%}{{ adapter.dispatch('base_name', 'osmoscope')(path) }}{%- endmacro %}
{% macro default__base_name(path) -%}parse_filename({{ path }}){%- endmacro %}
{% macro spark__base_name(path) -%}element_at(split({{ path }}, '/'), -1){%- endmacro %}

{# One row per element of a list column; use in a select list. #}
{% macro each(list) -%}{{ adapter.dispatch('each', 'osmoscope')(list) }}{%- endmacro %}
{% macro default__each(list) -%}unnest({{ list }}){%- endmacro %}
{% macro spark__each(list) -%}explode({{ list }}){%- endmacro %}

{# Number of elements; null for a null list. #}
{% macro list_size(list) -%}{{ adapter.dispatch('list_size', 'osmoscope')(list) }}{%- endmacro %}
{% macro default__list_size(list) -%}len({{ list }}){%- endmacro %}
{% macro spark__list_size(list) -%}size({{ list }}){%- endmacro %}

{# A list with one element. #}
{% macro list_of(value) -%}{{ adapter.dispatch('list_of', 'osmoscope')(value) }}{%- endmacro %}
{% macro default__list_of(value) -%}[{{ value }}]{%- endmacro %}
{% macro spark__list_of(value) -%}array({{ value }}){%- endmacro %}

{# Text of the values of a group, in the order given. #}
{% macro joined(value, separator, by) -%}
    {{ adapter.dispatch('joined', 'osmoscope')(value, separator, by) }}
{%- endmacro %}
{% macro default__joined(value, separator, by) -%}
    string_agg({{ value }}, '{{ separator }}' order by {{ by }})
{%- endmacro %}

{# Does the text match the regular expression anywhere? #}
{% macro matches(text, pattern) -%}
    {{ adapter.dispatch('matches', 'osmoscope')(text, pattern) }}
{%- endmacro %}
{% macro default__matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}
{% macro spark__matches(text, pattern) -%}{{ text }} rlike '{{ pattern }}'{%- endmacro %}

{# The day n days after a date. #}
{% macro days_after(day, n) -%}
    {{ adapter.dispatch('days_after', 'osmoscope')(day, n) }}
{%- endmacro %}
{% macro default__days_after(day, n) -%}cast({{ day }} + {{ n }} as date){%- endmacro %}
{% macro spark__days_after(day, n) -%}date_add({{ day }}, {{ n }}){%- endmacro %}

{# Text form of a timestamp at second resolution, fit for a key. #}
{% macro second_text(at) -%}{{ adapter.dispatch('second_text', 'osmoscope')(at) }}{%- endmacro %}
{% macro default__second_text(at) -%}strftime({{ at }}, '%Y-%m-%dT%H:%M:%S'){%- endmacro %}
{% macro spark__second_text(at) -%}
    date_format({{ at }}, 'yyyy-MM-dd''T''HH:mm:ss')
{%- endmacro %}

{# Digest of a text, by which it is found again; null for a null text. #}
{% macro text_hash(text) -%}{{ adapter.dispatch('text_hash', 'osmoscope')(text) }}{%- endmacro %}
{% macro default__text_hash(text) -%}sha256({{ text }}){%- endmacro %}
{% macro spark__text_hash(text) -%}sha2({{ text }}, 256){%- endmacro %}

{# Whole seconds from one timestamp to a later one, both without fractions of a second. #}
{% macro seconds_between(first, last) -%}
    {{ adapter.dispatch('seconds_between', 'osmoscope')(first, last) }}
{%- endmacro %}
{% macro default__seconds_between(first, last) -%}
    date_diff('second', {{ first }}, {{ last }})
{%- endmacro %}
{% macro spark__seconds_between(first, last) -%}
    (unix_timestamp({{ last }}) - unix_timestamp({{ first }}))
{%- endmacro %}

{# Elements of a list of texts as one text; null for a null list. #}
{% macro list_text(list, separator) -%}
    {{ adapter.dispatch('list_text', 'osmoscope')(list, separator) }}
{%- endmacro %}
{% macro default__list_text(list, separator) -%}
    array_to_string({{ list }}, '{{ separator }}')
{%- endmacro %}
{% macro spark__list_text(list, separator) -%}array_join({{ list }}, '{{ separator }}'){%- endmacro %}
