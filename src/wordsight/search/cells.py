"""Values as the cells of a CSV table, safe for those who open it in a spreadsheet.

[cell(value) for value in ("=1+1", 3, None)]        # ["'=1+1", 3, ""]
"""

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how cells begin that spreadsheets compute (owasp.org, CSV injection)


def cell(value: object) -> object:
    """Return a cell; text that a spreadsheet would compute has an apostrophe before it."""
    if value is None or isinstance(value, int | float):
        return "" if value is None else value
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")  # a lone \r would begin a row
    return f"'{text}" if text.startswith(FORMULA) else text
