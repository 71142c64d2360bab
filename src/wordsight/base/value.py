"""A value of metadata: what a column holds for an image."""

Value = str | int | float | bool | None
