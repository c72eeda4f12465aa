"""Opening posts without what is not their author's words.

Belongs here: markup, issue templates, code, logs and quotations recognised and taken out, with
their shares. Does not belong here: which posts there are (`corpus`), what they are about.

What goes leaves a mark: `[code]`, `[log]`, `[trace]`, `[image]`, `[email]`. Cleaning is
deterministic, and what is clean stays as it is. Everything mined is hostile: of a body the first
`MOST_READ` characters are looked at, of a line its first `MOST_HEAD` decide what it is, and all
expressions are anchored or bounded, so that time grows with the length and with nothing else.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cache

# Changes whenever a cleaned text could: all texts are then read anew.
CLEANING_VERSION = "1"
MOST_READ = 200_000
MOST_KEPT = 20_000
MOST_TITLE = 1_000
MOST_HEAD = 400
MOST_PASSES = 6
CODE, LOG, TRACE, IMAGE, EMAIL = "[code]", "[log]", "[trace]", "[image]", "[email]"
# A line is a repository's template where it stands in so many of its posts: different ones, so
# that a text posted a thousand times is no template, by different authors. Templates have several
# lines: of the posts with one of them, most have another one too. Sentences that many write do not.
LEAST_TEXTS, LEAST_AUTHORS, LEAST_SHARE, LEAST_COMPANY = 10, 3, 0.1, 0.8
# Of more texts of a repository, so many are looked at: those of the least digest.
MOST_TEXTS = 2_000
LEAST_LINE, MOST_LINES = 12, 100

_MARKS = frozenset((CODE, LOG, TRACE, IMAGE, EMAIL))
# Controls, marks of direction, invisible and lone surrogate characters. Joiners stay: they make
# words in several scripts.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e0fff]"
)
_HEAP = re.compile(r"[^\w\s\x00-\x7f]{31}")
_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_FENCE = re.compile(r"(`{3,})[^`]{0,200}$|(~{3,})|<(pre)\b", re.IGNORECASE)
_TRACE = re.compile(
    r"""Traceback\ \(most\ recent|File\ "[^"]{1,300}",\ line\ \d
    |at\ (?:async\ |new\ )?[^\s(]{1,200}\ (?:\[as\ \w{1,99}\]\ )?\([^)]{0,300}:\d+\)
    |at\ [\w$]{1,99}(?:[./][\w$<>`]{1,99}){1,30}(?:\[[^\]]{0,99}\])?\(
    |at\ \S{1,300}:\d+\)?$|at\ .{1,300}?\ in\ \S{1,300}:line\ \d
    |\.\.\.\ \d+\ (?:more|common)
    |goroutine\ \d+\ \[|\S{1,300}\.go:\d+(?:\ \+0x[0-9a-f]+)?$|[\w./*()-]{1,200}\(0x[0-9a-f]
    |stack\ backtrace:$|\d{1,4}:\s{1,20}(?:0x[0-9a-f]+\ -\ )?[\w<>{}$&]{1,99}::
    |\#\d{1,4}\ {1,9}(?:0x[0-9a-f]{4,16}\ in\ |\S{1,200}\ \(|/\S{1,200}\(\d)
    |(?:from\ )?\S{1,200}:\d+:in\ [`']""",
    re.VERBOSE,
)
_LOG = re.compile(
    r"""[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ,_]{1,2}\d{1,2}:\d\d
    |[\[(]?\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?:[\])\s]|$)
    |[\[(]?(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ ,]{1,2})?
      (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\ {1,2}\d{1,2}\ \d\d:\d\d
    |\d\d[-/]\d\d\ \d\d:\d\d:\d\d|[IWEFD]\d{4}\ \d\d:\d\d:\d\d
    |[\[(<]?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|SEVERE)[\])>]?[\s:|-]
    |(?:npm|yarn|pnpm)\ (?:ERR!|WARN|error|warn|info)
    |(?:Collecting|Downloading|Using\ cached|Building\ wheel|Installing\ collected\ packages
      |Requirement\ already\ satisfied|Successfully\ installed|Preparing\ metadata)\b
    |\$\ \S|>>>(?:\ |$)|In\ \[\d*\]:|Out\[\d*\]:|PS\ [A-Z]:\\|[A-Z]:\\[^>]{0,99}>
    |[\w.-]{1,40}@[\w.-]{1,60}[:\ ][^\s$\#%]{0,99}[$\#%]\s
    |\S{1,200}:\d{1,7}:\d{1,7}:\ (?:fatal\ )?(?:error|warning|note):
    |\d{1,3}%\||\[\ *\d{1,9}\.\d{1,9}\]\ """,
    re.VERBOSE,
)
_HEADING = re.compile(r"#{1,6}(?![#\w])|(?:\*\*|__)[^*_]{1,120}(?:\*\*:?|__:?|:\*\*|:__)$")
_LIST = re.compile(r"(?:[-*+]|\d{1,3}[.)])\s")
_CHECKBOX = re.compile(r"(?:[-*+]\s{0,9})?\[\s{0,3}[xX✓✔]?\s{0,3}\](?!\()\s{0,9}")
_RULE = re.compile(r"[-=_*~:|\s]{3,}$")
_REPLY = re.compile(
    r"On .{5,200} wrote:$|(?:—|--)?\s?Reply to this email directly|Sent from my |"
    r"You are receiving this because "
)
_NONE = frozenset(("no response", "n a", "na", "none", "nil", "not applicable", "no", "null"))
# As `_plain` makes them.
_HEADINGS = frozenset(
    re.split(
        r"\s*\|\s*",
        """click to expand | describe the bug | bug description | bug report |
    description of the bug | what happened | what s wrong | what is the bug | issue description |
    problem description |
    describe the issue | describe the problem | to reproduce | steps to reproduce |
    how to reproduce | reproduction | reproduction steps | repro steps |
    steps to reproduce the behavior | steps to reproduce the issue |
    steps to reproduce the problem | reproducible example | minimal reproducible example |
    code to reproduce | reproduce | reproducer | link to reproduction | link to code example |
    standalone code to reproduce the issue | expected behavior | expected behaviour |
    the expected behavior | expected result | expected results | what did you expect to happen |
    what you expected to happen | expected | expectation | actual behavior | actual behaviour |
    current behavior | current behaviour | the current behavior | actual result | actual results |
    actual | observed behavior | what actually happened | screenshots | screenshot |
    screenshots or video | screenshots if applicable | logs | log output | log |
    relevant log output | error message | stack trace | stacktrace | traceback | error logs |
    additional logs | environment | environment info | environment information | your environment |
    system information | system info | system details | system configuration | operating system |
    os | platform | browser | device | desktop please complete the following information |
    desktop | smartphone | smartphone please complete the following information | version |
    versions | version information | package version | installation method | software versions |
    configuration | context | more information | additional context | any other context |
    additional information | additional info | other information | anything else | other | notes |
    extra information | any additional comments | further information |
    is your feature request related to a problem please describe | feature request | proposal |
    is your feature request related to a problem | related problem | feature description |
    feature | describe the solution you d like | describe the solution you would like |
    proposed solution | describe alternatives you ve considered | alternatives considered |
    alternatives | possible solution | describe alternatives you have considered | motivation |
    rationale | use case | user story | suggestion | suggested solution | solution |
    prerequisites | checklist | before submitting | pre submission checklist | self checks |
    self check | code of conduct | who can help | information | tasks | question | questions |
    what have you tried | what have you tried so far | your question | ask your question |
    documentation | is there an existing issue for this |
    have you read the contributing guidelines | summary | details | contact details | description |
    issue type | type | severity | priority | impact | frequency | component |
    are you willing to submit a pr | are you willing to submit pr | your contribution |
    contribution | would you like to implement a fix | validations | search before asking |
    preflight checklist | how often does this bug happen | website or app |
    what version are you using | detailed description | what operating system are you using |
    what browsers are you seeing the problem on | setup | steps | is there a problem behind this |
    what would you like | measured | compared with | title | overview | 例外 | 复现步骤 |
    问题描述 | 环境信息 | 期望行为 | 实际行为 | 再現手順 | 期待する動作 | 環境 | 概要""",
    )
)
_PROMPT = re.compile(
    r"""(?:a\ clear\ and\ concise\ description|if\ applicable\ add\ screenshots
    |add\ any\ other\ context|ex\ i\ m\ always\ frustrated\ when
    |steps\ to\ reproduce\ the\ behaviou?r
    |if\ the\ current\ behaviou?r\ is\ a\ bug|please\ complete\ the\ following\ information
    |please\ (?:fill|search\ (?:for\ )?existing|search\ the\ issues|make\ sure\ (?:that\ )?you
      |check\ the\ existing|read\ the\ (?:docs|documentation|contributing|faq)
      |answer\ these\ questions|copy\ and\ paste|paste\ the|describe\ your
      |describe\ the\ (?:issue|problem|bug)|provide\ the\ following|ensure\ (?:that\ )?you)
    |thanks\ for\ taking\ the\ time|thank\ you\ for\ (?:taking|reporting|opening|filing|your\ bug)
    |describe\ the\ (?:bug|issue|problem)\ (?:here|in|that|you)|describe\ (?:what|how)\ you
    |explain\ the\ (?:bug|behaviou?r)\ you|tell\ us\ (?:what|how|about|more)
    |(?:go\ to|click\ on|scroll\ down\ to|see\ error)$|write\ here|your\ (?:answer|text)\ here
    |by\ submitting\ this\ issue|note\ (?:please|this\ form)|replace\ this\ text)\b""",
    re.VERBOSE,
)
# What boxes of a checklist say; those of an author's own plan are kept.
_CONFIRMED = re.compile(
    r"(?:(?:i|i m|i ve|i d|by submitting|there is|there are|please|searched|checked|confirmed"
    r"|read)\b"
    r"|(?:my own|this|the (?:issue|bug|official)|yes|no|an officially supported)\b.{0,99}"
    r"|(?:bug|bug report|feature|feature request|question|documentation|docs|other|enhancement"
    r"|regression|windows|linux|macos|mac|android|ios|web|chrome|firefox|safari|edge|none|high"
    r"|medium|low|critical)$)"
)
_DATA = re.compile(r"data:[\w/+.-]{1,99};base64,[A-Za-z0-9+/=]*")
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,500}\]\([^()\n]{0,2000}\)|<img\b[^<>]{0,4000}>", re.IGNORECASE)
_LINK = re.compile(r"\[((?:[^\[\]\n]|\[image\]){0,500})\]\([^()\n]{0,2000}\)")
_URL = re.compile(r"(?:https?|ftp)://([^\s<>()\[\]\"'`|]{1,4000})", re.IGNORECASE)
# The lake holds addresses as their hash.
_MAIL = re.compile(
    r"<?email:[0-9a-f]{16,64}>?|<?(?<![\w.%+-])[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}>?"
)
_TAG = re.compile(
    r"</?(?:details|summary|br|p|a|b|i|em|strong|code|kbd|sub|sup|table|thead|tbody|tr|td|th|div"
    r"|span|ul|ol|li|h[1-6]|hr|center|font|blockquote|pre|video|source|picture|u|s|del|ins|tt|samp)"
    r"(?:\s[^<>]{0,2000})?/?>",
    re.IGNORECASE,
)
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{120,}")
_SPACE = re.compile(r"[^\S\n]+")
_NOT_WORD = re.compile(r"[\W_]+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class CleanText:
    """An opening post, cleaned.

    Attributes:
        title: one line.
        body: lines, an empty one between paragraphs.
        character_count: of title and body, marks not counted.
        code_share, log_share, template_share: of the characters of the body as it was written (0-1,
            the first `MOST_READ`): code; logs and stack traces; what a template put there.
        is_template: it was written into an issue template or form.
        has_code: code was taken out.
        has_log: a log or a stack trace was taken out.
    """

    title: str
    body: str
    character_count: int
    code_share: float
    log_share: float
    template_share: float
    is_template: bool
    has_code: bool
    has_log: bool


@dataclass
class _Pass:
    """What one reading of a body found: pieces in order, and characters of each kind."""

    lines: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    template_count: int = 0
    last: str = ""

    def take(self, mark: str, lines: list[str]) -> None:
        """Lines taken out for a mark; one after another of a kind are one."""
        self.counts[mark] += sum(len(line.strip()) for line in lines)
        if self.last != mark:
            self.lines.append(mark)
            self.last = mark

    def drop(self, line: str) -> None:
        """A line of a template."""
        self.counts["template"] += len(line.strip())
        self.template_count += 1

    def quote(self, line: str) -> None:
        self.counts["quote"] += len(line)
        self.quoted.append(line.lstrip("> \t"))

    def keep(self, line: str) -> None:
        self.counts["text"] += len(line)
        self.lines.append(line)
        self.last = line


def cleaned(
    title: str | None, body: str | None, template: frozenset[int] = frozenset()
) -> CleanText:
    """A post without markup, templates, code, logs and quotations.

    Args:
        template: of the repository, as `template_lines` finds them.
    """
    head = _settled_title(title or "")
    first, found = _once(_readable(body or ""), template)
    text = _settled_body(first, template)
    counts = found.counts
    total = max(sum(counts.values()), 1)
    words = head + text
    for mark in _MARKS:
        words = words.replace(mark, "")
    return CleanText(
        title=head,
        body=text,
        character_count=len(words),
        code_share=counts[CODE] / total,
        log_share=(counts[LOG] + counts[TRACE]) / total,
        template_share=counts["template"] / total,
        is_template=found.template_count > 1,
        has_code=counts[CODE] > 0,
        has_log=counts[LOG] + counts[TRACE] > 0,
    )


def line_hashes(body: str | None) -> tuple[int, ...]:
    """Hashes of the lines that could be a template's: each once, sorted, `MOST_LINES` at most.

    They depend on the text alone, so that a repository's template can be told from them later.
    """
    found: dict[int, None] = {}
    for line in _without_comments(_readable(body or ""), _Pass()).split("\n"):
        hashed = _line_hash(line)
        if hashed is not None:
            found[hashed] = None
            if len(found) == MOST_LINES:
                break
    return tuple(sorted(found))


def template_lines(posts: Iterable[tuple[Hashable, str | None]]) -> frozenset[int]:
    """Hashes of the lines that posts of one repository repeat: its templates, whatever they say.

    Args:
        posts: author and body of each.
    """
    written: dict[tuple[int, ...], set[Hashable]] = defaultdict(set)
    for author, body in posts:
        written[line_hashes(body)].add(author)
    written.pop((), None)
    different = sorted(written, key=_digest)[:MOST_TEXTS]
    texts: dict[int, set[tuple[int, ...]]] = defaultdict(set)
    authors: dict[int, set[Hashable]] = defaultdict(set)
    for hashes in different:
        for hashed in hashes:
            texts[hashed].add(hashes)
            authors[hashed] |= written[hashes] - {None}
    least = max(LEAST_TEXTS, LEAST_SHARE * len(different))
    likely = {
        hashed: found
        for hashed, found in texts.items()
        if len(found) >= least and len(authors[hashed]) >= LEAST_AUTHORS
    }
    return frozenset(
        hashed
        for hashed, found in likely.items()
        if any(
            other != hashed and len(found & company) >= LEAST_COMPANY * len(found)
            for other, company in likely.items()
        )
    )


# ---------------------------------------------------------------- until nothing changes


def _settled_body(text: str, template: frozenset[int]) -> str:
    """The text once another reading finds nothing to do."""
    for _ in range(MOST_PASSES):
        again, _found = _once(text, template)
        if again == text:
            return text
        text = again
    # Nested without end: its words are kept, of which no rule makes anything else.
    return _once(" ".join(_WORD.findall(text)), template)[0]


def _settled_title(title: str) -> str:
    text = _readable(title, MOST_TITLE)
    for _ in range(MOST_PASSES):
        again = _SPACE.sub(" ", _inline(text).replace("\n", " ")).strip()[:MOST_TITLE].strip()
        if again == text:
            return text
        text = again
    return _BLOB.sub(CODE, " ".join(_WORD.findall(text)))[:MOST_TITLE].strip()


def _readable(text: str, most: int = MOST_READ) -> str:
    """The beginning of a text, without what cannot be seen, with newlines of one kind."""
    text = _INVISIBLE.sub("", _NEWLINE.sub("\n", text[:most]))
    if text.isascii():
        return text
    # Composing sorts the marks on a letter, in time that grows with the square of their number.
    if _HEAP.search(text):
        text = _stacked().sub(r"\1", text)
    # A character may become three of them.
    return unicodedata.normalize("NFC", text)[:most]


@cache
def _stacked() -> re.Pattern[str]:
    """Marks on one letter beyond those of any writing (Unicode's stream-safe text has 30)."""
    marks = "".join(chr(at) for at in range(0x110000) if unicodedata.combining(chr(at)))
    return re.compile(f"([{marks}]{{30}})[{marks}]+")


# ---------------------------------------------------------------- one reading


def _once(text: str, template: frozenset[int]) -> tuple[str, _Pass]:
    found = _Pass()
    _scan(_without_comments(text, found).split("\n"), template, found)
    body = _joined(found.lines)
    if not body and found.quoted:
        # Some write their own words as a quotation.
        body = _joined(found.quoted)
    return body, found


def _joined(lines: list[str]) -> str:
    """Lines with their markup reduced, one empty line between paragraphs, a mark once in a row."""
    kept: list[str] = []
    last = ""
    for line in _SPACE.sub(" ", _inline("\n".join(lines))).split("\n"):
        line = line.strip()
        if line in _MARKS and line == last:
            continue
        if line:
            last = line
        elif not kept or not kept[-1]:
            continue
        kept.append(line)
    return "\n".join(kept)[:MOST_KEPT].strip()


def _inline(text: str) -> str:
    """Images, links, addresses and tags within lines reduced to what they say."""
    if "data:" in text:
        text = _DATA.sub(IMAGE, text)
    if "](" in text or "<" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(IMAGE, text))
        text = _TAG.sub(" ", text)
    if "://" in text:
        text = _URL.sub(_host, text)
    if "@" in text or "email:" in text:
        text = _MAIL.sub(EMAIL, text)
    return _BLOB.sub(CODE, text)


def _host(match: re.Match[str]) -> str:
    """Host of an address; credentials, port, path and query are left out."""
    host = re.split(r"[/?#\\]", match[1], maxsplit=1)[0].rsplit("@", 1)[-1].split(":", 1)[0]
    return _INVISIBLE.sub("", host)[:100].lower()


def _without_comments(text: str, found: _Pass) -> str:
    """Without HTML comments; one that is never closed loses its sign only."""
    if "<!--" not in text:
        return text
    kept: list[str] = []
    at = 0
    while (begin := text.find("<!--", at)) >= 0:
        kept.append(text[at:begin])
        end = text.find("-->", begin + 4)
        if end < 0:
            kept.append(text[begin:].replace("<!--", " "))
            return "".join(kept)
        found.drop(text[begin : end + 3])
        found.template_count += 1
        at = end + 3
    kept.append(text[at:])
    return "".join(kept)


def _scan(lines: list[str], template: frozenset[int], found: _Pass) -> None:
    """Sort lines into what is kept and what is not."""
    at, count = 0, len(lines)
    headings: list[str] = []
    is_list = False
    while at < count:
        line = lines[at]
        bare = line.strip()
        head = bare[:MOST_HEAD]
        if not bare:
            found.lines.append("")
            at += 1
            continue
        end, mark = _block_end(lines, at, head, is_list)
        if mark:
            _headed(headings, found)
            taken = lines[at:end]
            found.take(mark, taken)
            at = end
            continue
        at += 1
        is_list = bool(_LIST.match(head)) or (is_list and line[0].isspace())
        if head[0] == ">":
            found.quote(bare)
        elif _REPLY.match(head):
            found.quote("")
        elif _is_template(head, template):
            found.drop(bare)
        elif _HEADING.match(head):
            # Another heading below it: nothing was filled in under the former one.
            for former in headings:
                found.drop(former)
            headings[:] = [bare]
        else:
            _headed(headings, found)
            found.keep(_CHECKBOX.sub("", bare, count=1) if _CHECKBOX.match(head) else bare)
    for former in headings:
        found.drop(former)


def _headed(headings: list[str], found: _Pass) -> None:
    """The heading of what comes next, without its sign."""
    for heading in headings:
        if heading[0] == "#":
            found.template_count += 1 if heading.startswith("### ") else 0
            heading = heading.lstrip("# \t").rstrip("# \t")
        if heading:
            found.keep(heading)
    headings.clear()


def _block_end(lines: list[str], at: int, head: str, is_list: bool) -> tuple[int, str]:
    """Where the block of code, log or trace that begins here ends, and its mark; "" for none."""
    fence = _FENCE.match(head)
    if fence:
        return _fenced(lines, at, fence)
    if _TRACE.match(head):
        return _traced(lines, at), TRACE
    if _LOG.match(head):
        end = at + 1
        while end < len(lines) and _LOG.match(lines[end].strip()[:MOST_HEAD]):
            end += 1
        # One line alone is what an author says, or quotes to be read.
        return (end, LOG) if end > at + 1 else (at, "")
    is_start = at == 0 or not lines[at - 1].strip()
    if is_start and not is_list and lines[at].startswith(("    ", "\t")):
        end = at
        while end < len(lines) and (
            not lines[end].strip() or lines[end].startswith(("    ", "\t"))
        ):
            end += 1
        return end, _mark_of(lines[at:end])
    return at, ""


def _fenced(lines: list[str], at: int, fence: re.Match[str]) -> tuple[int, str]:
    """A fenced block; one that is never closed reaches to the end, as it is shown."""
    sign = fence[1] or fence[2]
    end = at if fence[3] else at + 1
    while end < len(lines):
        line = lines[end].strip()
        if (not sign and "</pre" in line.lower()) or (
            sign and line.startswith(sign) and not line.strip(sign[0])
        ):
            return end + 1, _mark_of(lines[at + 1 : end] or lines[at:end])
        end += 1
    return end, _mark_of(lines[at + 1 :] or lines[at:])


def _traced(lines: list[str], at: int) -> int:
    """End of a stack trace: its frames, and the indented lines of code below them."""
    end = at + 1
    while end < len(lines):
        bare = lines[end].strip()[:MOST_HEAD]
        is_below = lines[end][:1].isspace() and not _LIST.match(bare)
        # A frame of Go is two lines, the first of which looks like any call.
        is_call = bare.endswith(")") and "".join(lines[end + 1 : end + 2]).startswith("\t")
        if not bare or not (_TRACE.match(bare) or is_below or is_call):
            break
        end += 1
    return end


def _mark_of(lines: list[str]) -> str:
    """Whether a block is a stack trace, a log or code."""
    heads = [line.strip()[:MOST_HEAD] for line in lines if line.strip()]
    if any(_TRACE.match(head) for head in heads):
        return TRACE
    logged = sum(1 for head in heads if _LOG.match(head))
    return LOG if logged * 2 > len(heads) else CODE


# ---------------------------------------------------------------- lines of templates


def _is_template(head: str, template: frozenset[int]) -> bool:
    """Whether a line is a template's: known as such, not filled in, or the repository's own."""
    if head in _MARKS:
        return False
    plain = _plain(head)
    if not plain or plain in _NONE:
        return _RULE.match(head) is not None or plain in _NONE
    if plain in _HEADINGS or _PROMPT.match(plain) or "[e.g." in head:
        return True
    box = _CHECKBOX.match(head)
    if box and (not head[box.end() :].strip() or _CONFIRMED.match(_plain(head[box.end() :]))):
        return True
    return bool(template) and _hash_of(plain) in template


def _plain(line: str) -> str:
    """Words of a line in lower case, one space between."""
    return _NOT_WORD.sub(" ", line[:MOST_HEAD].casefold()).strip()


def _line_hash(line: str) -> int | None:
    plain = _plain(line.strip())
    return _hash_of(plain) if len(plain) >= LEAST_LINE else None


def _hash_of(plain: str) -> int | None:
    if len(plain) < LEAST_LINE:
        return None
    digest = hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _digest(hashes: tuple[int, ...]) -> str:
    told = ",".join(map(str, hashes)).encode()
    return hashlib.md5(told, usedforsecurity=False).hexdigest()
