{#
    A stock where its day has an answer: -1 for an answer that gave none, so that among the newest
    values it stands for itself; null without an answer.
#}
{% macro answered(stock, day) -%}
    case when {{ day }} is not null then coalesce({{ stock }}, -1) end
{%- endmacro %}
