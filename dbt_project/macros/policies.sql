{# Policies under which accounts are taken for automation and left out, from none to most. #}
{% macro bot_policies() -%}
    {{ return(['none', 'paper', 'conservative', 'aggressive']) }}
{%- endmacro %}

{# Those that remove anybody. #}
{% macro removing_policies() -%}
    {{ return(bot_policies() | reject('equalto', 'none') | list) }}
{%- endmacro %}
