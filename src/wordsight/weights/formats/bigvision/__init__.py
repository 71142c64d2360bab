"""big_vision's `.npz` files."""
