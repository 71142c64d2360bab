"""Models and libraries behind HTTP: an API of our own, the shapes that other programs speak, and a page for people."""
