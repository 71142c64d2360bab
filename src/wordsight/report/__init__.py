"""Recorded files in, pages and figures out.  Computes no result, imports no model; used by the command line only."""
