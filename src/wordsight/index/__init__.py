"""Rows of unit length with keys and metadata: stored, filtered, searched.  Knows neither models nor pictures."""
