"""A library written in the forms of other programs: one file a form, and one table of them."""
