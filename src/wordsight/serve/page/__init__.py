"""The pages for people: their files, and the routes that give them out."""
