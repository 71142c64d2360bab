"""One file a rule: what it may be told (`OPTIONS`), what it needs (`NEEDS`), and `judge`; the table is `table`."""
