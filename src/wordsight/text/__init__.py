"""Words: cleaning, byte-pair encoding, vocabularies, prompt templates.  Free of PyTorch."""
