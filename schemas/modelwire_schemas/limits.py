"""How much may travel: the caps that hold before and while bytes are decoded."""

MAX_BYTES = 1024 * 1024
"""One record's value on any of modelwire's own streams, bytes."""

MAX_ITEMS = 20_000
"""Items of all arrays of one record together."""

MAX_TEXT = 4096
"""Characters of a text: a reason, a detail, an address."""

MAX_PLAN = 64 * 1024
"""Characters of a rollout's compiled plan."""

MAX_FINDINGS = 64
"""Findings of one step of a rollout."""

MAX_POLICY = 256
"""Rows of each table of a policy, and patterns of each row."""

MAX_WORD = 256
"""Characters of a word: a field, a label, an id."""

MAX_NODES = 64
"""Nodes of one predicate: its clauses and groups."""

MAX_DEPTH = 8
"""How deep a predicate's groups may lie in each other."""
