"""The names of the columns that image files and their sidecars state; `embedded` reads them."""

TAKEN, TAKEN_UTC = "taken", "taken_utc"
LATITUDE, LONGITUDE = "latitude", "longitude"
EMBEDDED = (
    *(TAKEN, TAKEN_UTC, "camera", "lens", LATITUDE, LONGITUDE, "altitude"),
    *("rating", "keywords", "title", "caption", "iso", "aperture", "focal_length", "exposure", "favorite"),
)
