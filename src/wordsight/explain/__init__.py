"""Why a picture and a text belong together: maps over the picture and the words, and how far to trust them."""
