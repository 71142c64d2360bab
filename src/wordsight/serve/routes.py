"""All routes: the tables of the groups put together, the busiest first."""

from wordsight.serve.neighbours.table import ROUTES as NEIGHBOURS
from wordsight.serve.own.table import ROUTES as OWN
from wordsight.serve.page.table import ROUTES as PAGES
from wordsight.serve.route import Route
from wordsight.serve.safety.table import ROUTES as SESSIONS
from wordsight.serve.watched.table import ROUTES as WATCHED

ROUTES: tuple[Route, ...] = (*NEIGHBOURS, *OWN, *SESSIONS, *WATCHED, *PAGES)
