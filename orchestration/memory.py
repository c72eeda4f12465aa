"""How long memory is kept, imported for that by what starts a process.

Belongs here: what DuckDB's allocator reads from the environment, and how often Python looks for
garbage. Does not belong here: settings of a connection.

The allocator reads it once, when DuckDB is imported: this comes before. Processes that are started
inherit it.
"""

import gc
import os

# DuckDB gives freed memory back within a second, and statements that follow each other get it anew,
# page by page: a tenth of the processor time of the ingest. jemalloc's own default is ten seconds.
os.environ.setdefault("DUCKDB_JE_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")

# Definitions, manifests and parsed templates stay until the process ends. Looked at after each 700
# new objects, as Python does, they took a tenth of the processor time of dbt and of commands.
gc.set_threshold(10_000)
