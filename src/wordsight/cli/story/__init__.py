"""The stages of `wordsight demo`: draw, learn, measure, answer, photos.  Each writes records into its folder."""
