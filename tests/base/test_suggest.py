"""The cure for a misspelt name."""

from wordsight.base.suggest import suggest, suggest_column


def test_near_names_come_first_whatever_the_case_and_dashes():
    assert suggest("serach", ["demo", "search", "index"]) == "did you mean search?"
    assert suggest("--wher", ["--where", "--quiet"]) == "did you mean --where?"
    assert suggest("NPZ", ["npy", "parquet"]) == "did you mean npy?"
    assert suggest("ab", ["abc", "abd", "abe"]) == "did you mean abe or abd?"


def test_all_names_where_none_is_near():
    assert suggest("zzz", ["demo", "search"]) == "use demo, search"


def test_columns_are_suggested_by_spelling_by_part_and_by_what_became_of_them() -> None:
    assert suggest_column("pric", ["price", "colour"]) == "did you mean price? columns: price, colour"
    assert suggest_column("title", ["text", "product_title", "Title", "width"]) == (
        "did you mean Title or text or product_title? columns: text, product_title, Title, width"
    )
    assert suggest_column("zzz", ["price"]) == "columns: price"
    assert suggest_column("zzz", []) == "columns: none"
    assert suggest_column("zzz", [f"c{n}" for n in range(50)]).endswith(", c39, and 10 more")
