"""BERT's encoder: BERT, MiniLM, sentence encoders."""
