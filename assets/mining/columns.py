"""What each column of the tables of every night holds.

Belongs here: one line for each column of `answers` and `requests`. Does not belong here: their
types (engine) and the sources' own tables.
"""

_OBSERVED = {"observed_at": "Day of the night, UTC midnight."}
ANSWERS = {
    "kind": "What was asked for: stocks, commits, issues, ...",
    "subject": "Of what: a repository's number, `model/owner/name`, an account.",
    "tier": "Why it was asked that night: new, changed, top, slice, recheck or always.",
    "outcome": "ok, or what kept the answer from being whole: truncated, renamed, absent (deleted "
    "or private; the platform does not say), dmca, disabled, gone (switched off), refused, hidden, "
    "taken_over (the name belongs to another repository now).",
    "reason": "What the platform said, where it said something.",
    "repository_id": "The platform's number or id of the repository; null where it is about none.",
    "repository_type": "repository, model, dataset or space.",
    "repository_name": "Its name when it was asked about.",
    "name_now": "Its present name, where it was renamed.",
    "item_count": "Items in all, where that is known after this answer.",
    "new_item_count": "Rows that this answer brought.",
    "is_changed": "Whether the answer differs from the one before; null for the first.",
    "seen": "What the next night compares with, as JSON.",
    "recheck_on": "Not asked again before this day; null where no rule says so.",
    **_OBSERVED,
}
REQUESTS = {
    "kind": "Class of requests that share a budget: github.rest, github.graphql, hub.api, ...",
    "account": "Who asked, as a salted fingerprint of the token; `anonymous` without one.",
    "hour": "The hour of the requests, UTC.",
    "call_count": "Requests that were sent.",
    "not_modified_count": "Of these, answered with 304, which costs nothing.",
    "retry_count": "Of these, sent again after a failure.",
    "refused_count": "Of these, refused by a limit.",
    "failed_count": "Of these, without an answer or answered with 5xx.",
    "waited_seconds": "Seconds that requests waited for their budget.",
    "received_bytes": "Bytes of the answers' bodies.",
    "limit_count": "The limit that the platform announced last.",
    "remaining_count": "The least that remained of a window.",
    "statuses": "Status or error to number, as JSON.",
    **_OBSERVED,
}
