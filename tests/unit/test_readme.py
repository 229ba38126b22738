"""What the README shows of the language is true."""

import ast
import re

from features.examples import payments
from features.examples.flights import DEFINITIONS
from features.fingerprint import service_fingerprint
from models.endpoint.bodies import RequestBodies
from streaming.describe.window_picture import window_picture
from tests.readme import README, run_snippet, snippet


def test_the_unit_test_of_a_view_passes() -> None:
    run_snippet(snippet("Test a feature"))


def test_the_new_feature_is_a_view_with_the_names_that_are_promised() -> None:
    source = snippet("Add a feature in five lines")
    names = {
        name: value
        for name, value in vars(
            __import__("features.examples.flights.definitions", fromlist=["definitions"])
        ).items()
        if not name.startswith("__")
    }
    (view,) = eval(ast.unparse(ast.parse(source.strip())), names)  # noqa: S307
    text = README.read_text()
    assert view not in DEFINITIONS.views
    for feature in view.features:
        assert f"`{feature.name}`" in text


def test_the_filtered_aggregations_are_ones_of_payments() -> None:
    shown = run_snippet(snippet("Add a feature in five lines", 1))
    source = payments.DEFINITIONS.source("payments")
    shown["BIG"].check(source)
    for aggregation in shown["aggregations"]:
        aggregation.result(source)


def test_the_window_is_the_one_that_explain_draws() -> None:
    view = DEFINITIONS.view("origin_departures_3h")
    picture = window_picture(view.window, view.source.lateness)
    assert "\n".join(f"    {line}".rstrip() for line in picture.splitlines()) in README.read_text()


def test_the_policies_of_a_service_are_no_part_of_what_it_means() -> None:
    careful = run_snippet(snippet("Score requests"))["careful"]
    plain = DEFINITIONS.service("departure_delay")
    assert careful != plain
    assert service_fingerprint(careful) == service_fingerprint(plain)


def test_the_call_is_one_that_the_endpoint_takes() -> None:
    body = re.findall(r"-d '(\{.*\})'", README.read_text())[0]
    (asked,) = RequestBodies(DEFINITIONS.service("departure_delay").request, max_requests=1).read(
        body.encode()
    )
    assert asked["dest"] == "IAH"
