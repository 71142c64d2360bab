"""The routes of the pages."""

from wordsight.serve.route import Route

FILES = "wordsight.serve.page.files"
HTML = "text/html"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/", f"{FILES}:index", "The search page.", scope="open", group="page", produces=HTML),
    Route("GET", "/page/{name}", f"{FILES}:file", "A file of the pages.", scope="open", group="page", produces="*/*"),
)
