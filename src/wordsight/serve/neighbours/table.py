"""The routes whose shapes are those of other programs."""

from wordsight.serve.route import Route

ROUTES: tuple[Route, ...] = ()
