"""Text encoders of BERT's kind, alone or in a folder of sentence-transformers."""
