"""Which image-text pairs are good enough to learn from: scores of all, rules that keep some, a verdict for each."""
