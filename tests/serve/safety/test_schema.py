"""Whatever the OpenAPI document allows, and what it does not, is answered without a mistake of ours.

Cases are made by schemathesis from the document itself; `EXAMPLES` of the environment makes more of them.
"""

import contextlib
import os
from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as how
from hypothesis.errors import Unsatisfiable

from wordsight.serve.settings import ServeLimits
from wordsight.serve.watched.settings import WatchSettings

EXAMPLES = int(os.environ.get("EXAMPLES", "1"))
MEANT = (501, 503)  # an extra that is not installed; more than can be answered just now


@pytest.fixture
def address(settings, listening):
    """The address of a server; requests have little time, so that no case takes long."""
    with listening(replace(settings, limits=ServeLimits(seconds=20.0), watch=WatchSettings(log="off"))) as one:
        yield one


def test_nothing_that_the_document_allows_is_a_mistake_of_ours(address, caplog):
    import requests

    with requests.Session() as session:
        session.trust_env = False
        document = session.get(f"{address}/openapi.json", timeout=30).json()
        schema = schemathesis.openapi.from_dict(document)
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) >= len(document["paths"])
        wrong = [problem for one in operations for problem in problems(one, address, session)]
    assert not wrong, "\n".join(wrong)


def problems(operation, address, session):
    """Return the cases of an operation that got an answer which nobody meant."""
    wrong = []
    for mode in schemathesis.GenerationMode:
        if mode.is_negative and not (list(operation.query) or list(operation.body)):
            continue  # names in a path may have any letters: none is wrong, and looking for one takes a second
        cases = operation.as_strategy(generation_mode=mode)

        @given(case=cases)
        @how(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            if "library" in case.path_parameters and case.path_parameters["library"] != "0":
                case.path_parameters["library"] = "photos"  # its name is no secret; any other ends with 404
            answer = case.call(base_url=address, session=session, timeout=60)
            if answer.status_code >= 500 and answer.status_code not in MEANT:
                wrong.append(f"{answer.status_code} {case.as_curl_command()}: {answer.text[:200]}")

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is asked
            ask()
    return wrong
