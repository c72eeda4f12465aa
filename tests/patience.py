"""How long a test waits for work that has to end.

Belongs here: bounds that tell work that ends from work that does not (an expression that goes back
and forth over a hostile text takes minutes or years). Does not belong here: how fast anything is
(bench).
"""

# Seconds of CPU, on a machine as slow and busy as any.
NEVER_ENDS = 60.0
