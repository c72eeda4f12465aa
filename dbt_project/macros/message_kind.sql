{#
    What a commit message is worth, by a published rule: `blank`, `template` (a platform, a tool or
    a habit wrote it), `trivial` (it says what was done at most), `substantive` (it says why or
    how).

    All of the rule is in `message_rules`, a literal that assets/study/themes/messages.py reads from
    this file, so that Python and SQL cannot differ. Its patterns keep to what RE2 and Python's `re`
    (with ASCII) understand alike: explicit classes, no look-around, no (?i), no `.`. Texts are put
    into ASCII lower case before. Raise `version` with every change, and refresh
    int_commits__worded fully.

    The steps:
    1. `most_characters` of title and message are read; control characters, invisible ones and
       unusual spaces become spaces; a merge's list of conflicts goes.
    2. The first line that is not blank is the subject, what follows the body. Where the subject is
       a merge's (`merge`), what follows it is judged the same way in its place. Patterns see the
       first `most_subject` characters of a subject.
    3. The body loses `body_without`, and the platform's list of squashed commits; the subject loses
       `subject_without`. What is left is counted in words; two characters of Chinese or Japanese
       writing are a word.
    4. The first condition that holds names the message. `when`: `blank` no subject is left;
       `subject` the subject matches; `merge` it was a merge's; `body_words` and `subject_words` at
       least as many words are left; `always`. A `pattern` may be the name of one above.
#}
{% macro message_rules() -%}
{{ return({
    'version': 1,
    'most_characters': 20000,
    'most_subject': 300,
    'spaces': '[\\x00-\\x09\\x0b-\\x1f\\x7f\u0080-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f'
        '\u205f-\u206f\u3000\ufeff]',
    'conflicts': '(?m)^ *#? *conflicts:[^\\n]*(\\n#? +[^\\n]*)*',
    'words': '[a-z\u00c0-\u1fff\u2c00-\u2dff\ua000-\ud7ff][a-z0-9_\u00c0-\u1fff\u2c00-\u2dff'
        '\ua000-\ud7ff-]*|[\u3005-\u9fff\uf900-\ufaff]{1,2}',
    'merge': '^(merge(d)? (branch|remote|remote-tracking|tag|commit|pull request|pr|upstream|in|'
        'from|origin)\\b|merge [^ ]+ (into|to) |merge [^ ]+/[^ ]+ *$|automatic merge|auto-?merge)',
    'squash': '\\(#[0-9]+\\) *$',
    'squashed': '(?m)^ *[*-] [^\\n]*',
    'body_without': '(?m)^ *([a-z]+-)*[a-z]+-(by|to|id|on|with|from): [^\\n]*'
        '|^ *(cc|bug|issue|link|closes|fixes|refs|pr-url|jira|test|bc): *[^ \\n]*$'
        '|^ *(fix(es|ed)?|close[sd]?|resolve[sd]?|refs?|references|see|related|part of|issue|pr)'
        '( to| merge request| pull request)?[ :]+[^ \\n]{0,99}[0-9][^ \\n]{0,99}$'
        '|^ *this reverts commit [^\\n]*|^ *\\(?cherry.picked from [^\\n]*'
        '|^ *git-svn-id[^\\n]*|^ *see merge request [^\\n]*|^ *approved by[^\\n]*'
        '|^ *[#>][^\\n]*|https?://[^ \\n]*|[^ \\n/]{0,99}/[^ \\n]*',
    'subject_without': '^ *\\[[^\\]]*\\] *|^[a-z]+(\\([^)]*\\))?!?: *|:[a-z0-9_+-]+:|https?://[^ ]*'
        '|\\(?#[0-9]+\\)?|\\b[a-z]+-[0-9]+\\b:?|[^ ]*/[^ ]*|[^ ]+\\.[a-z0-9_]+\\b'
        '|\\bv?[0-9]+(\\.[0-9]+)+[^ ]*',
    'reason': '\\b(because|so that|in order to|instead of|rather than|due to|otherwise|caused by|'
        'to (avoid|prevent|allow|ensure|make|keep|reduce|enable|let|save|work around)|since|thus|'
        'therefore|as it|as they|by [a-z]+ing|porque|debido a|para (evitar|que)|en lugar de|'
        'parce que|afin (de|que)|au lieu de|weil|damit|statt|wegen|em vez de)\\b'
        '|чтобы|потому что|из-за|вместо|因为|由于|为了|以便|避免|防止|导致|従って|ために|ので|ように',
    'conditions': [
        {
            'name': 'blank', 'kind': 'blank', 'when': 'blank',
            'reason': 'No text, or white space only.'
        },
        {
            'name': 'dependency', 'kind': 'template', 'when': 'subject',
            'pattern': '^(bump |[a-z]+\\(deps[^)]*\\)|update dependency |pin dependenc|lock file '
                'maintenance|update [^ ]+ (requirement|digest|action|docker tag)|upgrade [^ ]+ '
                'from [^ ]+ to |\\[?snyk|\\[?security\\]? bump |deps: |[a-z]+: bump )',
            'reason': 'Version bumps of dependencies; also their bodies are made by a program.'
        },
        {
            'name': 'release', 'kind': 'template', 'when': 'subject',
            'pattern': '^((chore|build|ci)(\\(release\\))?: *)?(release|version|publish|prepare'
                '|preparing|tag|\\[maven-release-plugin\\]|cut)?[ :/-]{0,3}(for )?(the )?(next )?'
                '(release|version|development( iteration| version)?|maven-release-plugin)?'
                '[ :/-]{0,3}(v|version|release)?[ .-]{0,3}([0-9]+(\\.[0-9a-z*-]+)+|[0-9]{4,20})[^ ]*[ .!]*'
                '(\\(#[0-9]+\\))?$|^(prepare|preparing) (for )?(the )?(next )?(release|development)'
                '|^\\[maven-release-plugin\\]|^(chore|build)\\(release\\)'
                '|^(bump|increment|set|update) (the )?version',
            'reason': 'A number alone (a version, a date, a time) and what release tools write.'
        },
        {
            'name': 'generated', 'kind': 'template', 'when': 'subject',
            'pattern': '^(\\[?pre-commit\\.ci|auto(mated|matic|matically)?[ :-]*(commit|committed|'
                'update|updated|upload|backup|build|sync|push|generated|save|deploy|publish)'
                '|auto *$|(daily|weekly|nightly|hourly|scheduled|periodic) (update|commit|build'
                '|backup|sync|snapshot|run|data)|generated (by|from|at|on) |regenerated? [^ ]+ *$'
                '|apply (automatic|automated) |deploy(ed|ing)? ([^ ]+ )?(to|from|site|website|docs)'
                '\\b|publish(ed|ing)? (by|to|from|site|website|docs)\\b|update (stats|statistics'
                '|data|snapshot|index|feed|badges?|sitemap)[ .]*$|translat(ed|ions?) (using|update)'
                '|imported from |backup *$)|\\b(auto-?generated)\\b|\\[(skip ci|ci skip|bot)\\]',
            'reason': 'What workflows and services write of themselves.'
        },
        {
            'name': 'upload', 'kind': 'template', 'when': 'subject',
            'pattern': '^(upload|push|add|commit|save|sav|delet|updat|creat)[^\\n]*\\b(with|using'
                '|via|by) (the )?(huggingface|hugging face|hf|web|upload|transformers|sentence'
                '|git-?lfs|github|autotrain|trainer|mergekit|gradio|picgo)([ _-](hub|interface|ui'
                '|upload|transformers))?[ .!]*$|^(upload|uploaded|uploading|push|pushed|pushing'
                '|save|saving)( (the|new|all|my|final|trained|best|initial))?( [^ ]+){1,2}[ .!]*$'
                '|^training in progress|^end of training|^(model|checkpoint)s? (save|upload)',
            'reason': 'What hub libraries, training loops and upload forms propose.'
        },
        {
            'name': 'says_why_in_body', 'kind': 'substantive', 'when': 'body_words', 'words': 8,
            'reason': 'Somebody wrote more than the subject: at least a sentence of eight words.'
        },
        {
            'name': 'says_why_in_subject', 'kind': 'substantive', 'when': 'subject_words',
            'words': 6, 'pattern': 'reason',
            'reason': 'Six words or more with one of reason, purpose or means (in eight languages).'
        },
        {
            'name': 'merge', 'kind': 'template', 'when': 'merge',
            'reason': 'The proposed text of a merge, with at most the title of what was merged.'
        },
        {
            'name': 'squash', 'kind': 'template', 'when': 'subject', 'pattern': 'squash',
            'reason': 'The proposed text of a squashed pull request: its title and number.'
        },
        {
            'name': 'revert', 'kind': 'template', 'when': 'subject',
            'pattern': '^(revert|reapply)s?[: ]+["\u201c\\x27]|^revert: ',
            'reason': 'The proposed text of a revert, without a word on why.'
        },
        {
            'name': 'first', 'kind': 'template', 'when': 'subject',
            'pattern': '^(initial|first|init|1st|start|begin)( (commit|import|release|version'
                '|upload|push|check-?in|code|project|setup|files|public|draft|repo|repository'
                '|revision|structure|from|create-react-app|create|react|app))*[ .!]*$',
            'reason': 'What a repository begins with, whatever is in it.'
        },
        {
            'name': 'file', 'kind': 'template', 'when': 'subject',
            'pattern': '^(create|creat|update|delete|rename|add|edit|remove|upload|change|modify'
                '|move)(s|d|ed|ing)? (the )?([^ ]*[./][^ ]+|readme|licen[sc]e|changelog|gitignore'
                '|dockerfile|makefile|cname|[^ ]+ directory)( ?(to|and|as|,|&|in|from|=>|->) '
                '([^ ]*[./][^ ]+|readme))?( file)?( via upload)?[ .!]*$',
            'reason': 'The form of the web editor: a verb and the name of a file.'
        },
        {
            'name': 'says_what', 'kind': 'trivial', 'when': 'subject_words', 'words': 5,
            'reason': 'Says what was done, neither why nor how: the upper bound of substantive.'
        },
        {
            'name': 'few_words', 'kind': 'trivial', 'when': 'always',
            'reason': 'Fewer than five words once prefix, numbers, paths and versions are gone.'
        }
    ]
}) }}
{%- endmacro %}

{#
    A relation's rows with message_kind, message_condition, is_merge_message, word_count and
    rule_version, without its texts: statements of a `with` clause, of which the last is called
    `worded`. `title` and `body` are columns of `relation` (or null); `kept` lists those to keep.
#}
{% macro message_worded(relation, title, body, kept) -%}
{%- set rules = message_rules() -%}
message_texts as (

    select
        {{ kept | join(', ') }},
        {{ replaced(
            without(visible_text(title, body, rules), rules['conflicts']), '^[ \\n]+', ''
        ) }} as message_text
    from {{ relation }}

),

message_heads as (

    select
        *,
        {{ first_match('message_text', '^[^\\n]*') }} as first_line
    from message_texts

),

message_judged_texts as (

    select
        {{ kept | join(', ') }},
        {{ matches(subject_of('first_line', rules), rules['merge']) }} as is_merge_message,
        case
            when {{ matches(subject_of('first_line', rules), rules['merge']) }}
                then
                    {{ replaced(body_of('message_text', 'first_line'), '^[ \\n]+', '') }}
            else message_text
        end as judged_text,
        message_text
    from message_heads

),

message_subjects as (

    select
        *,
        {{ first_match('judged_text', '^[^\\n]*') }} as subject_line
    from message_judged_texts

),

message_bodies as (

    select
        *,
        {{ subject_of('subject_line', rules) }} as subject,
        case
            when {{ matches(subject_of('subject_line', rules), rules['squash']) }}
                then {{ without(body_of('judged_text', 'subject_line'), rules['squashed']) }}
            else {{ body_of('judged_text', 'subject_line') }}
        end as body_text
    from message_subjects

),

message_counts as (

    select
        *,
        {{ count_matches(without('subject', rules['subject_without']), rules['words']) }}
            as subject_words,
        {{ count_matches(without('body_text', rules['body_without']), rules['words']) }}
            as body_words
    from message_bodies

),

worded as (

    select
        {{ kept | join(', ') }},
        case
            {% for one in rules['conditions'] -%}
            when {{ message_condition(one, rules) }} then '{{ one['kind'] }}'
            {% endfor -%}
        end as message_kind,
        case
            {% for one in rules['conditions'] -%}
            when {{ message_condition(one, rules) }} then '{{ one['name'] }}'
            {% endfor -%}
        end as message_condition,
        is_merge_message,
        subject_words + body_words as word_count,
        {{ rules['version'] }} as rule_version
    from message_counts

)
{%- endmacro %}

{# Whether a condition of the rule holds. #}
{% macro message_condition(one, rules) -%}
    {%- if one['when'] == 'blank' -%}
        message_text = ''
    {%- elif one['when'] == 'subject' -%}
        {{ matches('subject', rules.get(one['pattern'], one['pattern'])) }}
    {%- elif one['when'] == 'merge' -%}
        is_merge_message
    {%- elif one['when'] == 'body_words' -%}
        body_words >= {{ one['words'] }}
    {%- elif one['when'] == 'subject_words' -%}
        subject_words >= {{ one['words'] }}
        {%- if 'pattern' in one %} and {{ matches('subject', rules[one['pattern']]) }}{% endif -%}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{# What patterns see of a first line. #}
{% macro subject_of(line, rules) -%}
    substr({{ line }}, 1, {{ rules['most_subject'] }})
{%- endmacro %}

{# What follows a text's first line. #}
{% macro body_of(text, line) -%}substr({{ text }}, length({{ line }}) + 1){%- endmacro %}

{# Title and body as one text, bounded, in ASCII lower case, without what is not seen. #}
{% macro visible_text(title, body, rules) -%}
    {{ replaced(
        "translate(replace(substr(coalesce(" ~ title ~ ", '') || chr(10) || coalesce(" ~ body
        ~ ", ''), 1, " ~ rules['most_characters'] ~ "), chr(13), chr(10)), "
        ~ "'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')", rules['spaces'], ' '
    ) }}
{%- endmacro %}

{# The text with a blank in the place of each match, so that what was apart stays apart. #}
{% macro without(text, pattern) -%}{{ replaced(text, pattern, ' ') }}{%- endmacro %}

{# Each match replaced. #}
{% macro replaced(text, pattern, by) -%}
    {{ adapter.dispatch('replaced', 'osmoscope')(text, pattern, by) }}
{%- endmacro %}
{% macro default__replaced(text, pattern, by) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ by }}', 'g')
{%- endmacro %}
{% macro spark__replaced(text, pattern, by) -%}
    regexp_replace({{ text }}, r'{{ pattern }}', '{{ by }}')
{%- endmacro %}

{# The first match; empty where there is none. #}
{% macro first_match(text, pattern) -%}
    {{ adapter.dispatch('first_match', 'osmoscope')(text, pattern) }}
{%- endmacro %}
{% macro default__first_match(text, pattern) -%}
    regexp_extract({{ text }}, '{{ pattern }}')
{%- endmacro %}
{% macro spark__first_match(text, pattern) -%}
    regexp_extract({{ text }}, r'{{ pattern }}', 0)
{%- endmacro %}

{# Matches that do not overlap. #}
{% macro count_matches(text, pattern) -%}
    {{ adapter.dispatch('count_matches', 'osmoscope')(text, pattern) }}
{%- endmacro %}
{% macro default__count_matches(text, pattern) -%}
    len(regexp_extract_all({{ text }}, '{{ pattern }}'))
{%- endmacro %}
{% macro spark__count_matches(text, pattern) -%}
    size(regexp_extract_all({{ text }}, r'{{ pattern }}', 0))
{%- endmacro %}
