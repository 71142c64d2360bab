"""The cure for a misspelt name."""

from wordsight.base.suggest import suggest


def test_near_names_come_first_whatever_the_case_and_dashes():
    assert suggest("serach", ["demo", "search", "index"]) == "did you mean search?"
    assert suggest("--wher", ["--where", "--quiet"]) == "did you mean --where?"
    assert suggest("NPZ", ["npy", "parquet"]) == "did you mean npy?"
    assert suggest("ab", ["abc", "abd", "abe"]) == "did you mean abe or abd?"


def test_all_names_where_none_is_near():
    assert suggest("zzz", ["demo", "search"]) == "use demo, search"
