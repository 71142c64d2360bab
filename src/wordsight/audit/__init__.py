"""Audits: planted and real tests of a model or of a library, composed from `evaluate` and `explain`."""
