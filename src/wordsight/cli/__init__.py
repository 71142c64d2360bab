"""The command line: one table of verbs, one file a verb.  Knows every room, imports each only when its verb is used."""
