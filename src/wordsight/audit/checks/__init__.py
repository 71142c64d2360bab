"""One check a file, each with `run(subject) -> Finding | Skipped`; `wordsight.audit.table` lists them."""
