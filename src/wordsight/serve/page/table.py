"""The routes of the pages."""

from wordsight.serve.route import Route

FILES = "wordsight.serve.page.files"
BENCH = "wordsight.serve.page.bench_page:bench"
FIRST = "wordsight.serve.page.first:search_page"
HTML = "text/html"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/", FIRST, "The search page.", scope="open", group="page", produces=HTML),
    Route("GET", "/map", f"{FILES}:map_page", "The map of a library.", scope="open", group="page", produces=HTML),
    Route("GET", "/duplicates", f"{FILES}:duplicates", "Its copies.", scope="open", group="page", produces=HTML),
    Route("GET", "/bench", BENCH, "A bench to try a model.", scope="open", group="page", produces=HTML),
    Route("GET", "/docs", f"{FILES}:docs", "What the API asks and answers.", scope="open", group="page", produces=HTML),
    Route("GET", "/favicon.ico", f"{FILES}:icon", "The icon.", scope="open", group="page", produces="image/svg+xml"),
    Route("GET", "/page/{name}", f"{FILES}:file", "A file of the pages.", scope="open", group="page", produces="*/*"),
)
