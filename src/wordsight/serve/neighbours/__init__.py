"""The shapes that other programs speak: one file a neighbour, and one table of their routes."""
