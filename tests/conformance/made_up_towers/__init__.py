"""Two made-up families of towers, as a newcomer would write them: this folder is all of it, beside their rows.

"colours" looks at the mean colour of each patch, "counts" at which tokens a text has.
"""
