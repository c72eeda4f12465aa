{#
    Digest of a person's name, by which it is found again: the same for other cases and spaces, null
    for what is no name of two words. One word is shared by too many to tell anybody.
#}
{% macro name_hash(name) -%}
    case
        when trim({{ name }}) like '%_ _%' then {{ text_hash('lower(trim(' ~ name ~ '))') }}
    end
{%- endmacro %}

{# A login without what people vary: case and separators. #}
{% macro login_letters(login) -%}
    replace(replace(replace(lower({{ login }}), '-', ''), '_', ''), '.', '')
{%- endmacro %}
