"""The OpenAPI document describes all routes, and the server behaves as described."""

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from seedbed.serve.app import OPEN

from .conftest import HOST, TOKEN, application, ask

load_all_checks()
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)
EXAMPLES = 20


def document_of(app):
    return ask(app, "GET", "/openapi.json", authorization=f"Bearer {TOKEN}").values


@pytest.mark.parametrize("target", ["ill", "cost"])
def test_the_document_names_exactly_the_routes_and_methods(fitted, target):
    app = application(fitted(target))
    document = document_of(app)
    routes = {
        route.path: {next(iter(route.methods - {"HEAD"})).lower()}
        for route in app.routes
    }
    assert (
        document["openapi"],
        {path: set(about) for path, about in document["paths"].items()},
    ) == ("3.1.0", routes)


def test_the_document_says_which_routes_need_the_token(app, guarded):
    assert "security" not in document_of(app)
    document = document_of(guarded)
    assert document["security"] == [{"token": []}]
    without = {
        path
        for path, about in document["paths"].items()
        for one in about.values()
        if one.get("security") == []
    }
    assert without == set(OPEN)


def test_a_row_is_described_by_the_columns_of_the_model(app, records):
    row = document_of(app)["components"]["schemas"]["Row"]
    assert sorted(row["required"]) == sorted(records[0])
    assert row["properties"]["town"]["examples"] == ["<b>Rome</b>", "Bonn", "Oslo"]
    for record in records:
        jsonschema.validate(record, row)


POSITIVE, NEGATIVE = (
    schemathesis.GenerationMode.POSITIVE,
    schemathesis.GenerationMode.NEGATIVE,
)
SLOW = [pytest.param(one, POSITIVE, marks=pytest.mark.slow) for one in ("cost", "died")]


@pytest.mark.slow
@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("target", "mode"), [("grade", POSITIVE), ("ill", NEGATIVE), *SLOW]
)
def test_documented_requests_get_documented_answers_and_others_are_refused(
    fitted, target, mode
):
    app = application(fitted(target))
    schema = schemathesis.openapi.from_dict(document_of(app))
    schema.app = app
    for operation in (found.ok() for found in schema.get_all_operations()):
        if operation.method == "post" or mode == POSITIVE:

            @operation_examples(
                operation, EXAMPLES if operation.method == "post" else 2, mode
            )
            def check(case):
                case.call_and_validate(headers={"Host": HOST.decode()}, checks=CHECKED)

            check()


def operation_examples(operation, number, mode):
    """Run a function on the given number of cases of an operation."""
    strategy = operation.as_strategy(generation_mode=mode)
    phases = [Phase.explicit, Phase.generate]
    own = settings(
        max_examples=number,
        deadline=None,
        database=None,
        derandomize=True,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    return lambda function: own(given(strategy)(function))
