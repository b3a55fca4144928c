"""What the OpenAPI document promises is held: requests are drawn from it, well formed and not."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.errors import SerializationNotPossible
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.service.conftest import ANN

EXAMPLES = 4
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")
def test_whatever_is_sent_the_answer_is_one_that_the_document_names(service):
    """Some requests to every operation; `schemathesis run` sends more of them."""
    begun, told = service.begin("operator"), dict[str, int]()
    known = {"session": begun["session"], "subject": ANN}

    def sent(operation):
        strategies = st.one_of(*(operation.as_strategy(mode) for mode in MODES))

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategies, real=st.booleans())
        def send(case, real):
            if real:
                case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
            try:
                answer = case.call(headers=service.bearer("operator"))
            except SerializationNotPossible:
                return
            told[operation.label] = told.get(operation.label, 0) + 1
            case.validate_response(answer, checks=CHECKS)

        send()

    for result in openapi.from_asgi("/openapi.json", service.app).get_all_operations():
        assert isinstance(result, Ok)
        sent(result.ok())
    assert len(told) == 16, told
    assert sum(told.values()) >= 48
