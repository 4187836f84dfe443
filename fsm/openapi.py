"""What the OpenAPI document says that the framework does not find out by itself.

Every operation has an id made of its method and address, which renaming a function in the code does not
change; a body that a handler reads itself is declared by `takes`; every refusal is a problem, also where
people get a page instead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from litestar import Request
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import YamlRenderPlugin
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.types.internal_types import PathParameterDefinition

from fsm import http

BYTES = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
"""A body that is bytes as they are."""

_A_PROBLEM = OpenAPIMediaType(
    schema=Reference(ref=f"#/components/schemas/{http.ProblemView.__name__}")
)


def operation_id(
    _: HTTPRouteHandler, method: str, path: Iterable[str | PathParameterDefinition]
) -> str:
    """Return the name of an operation: GET /api/work-orders/{id}/costs is `getApiWorkOrdersIdCosts`."""
    words = [part if isinstance(part, str) else part.name for part in path]
    pieces = "".join(c if c.isalnum() else " " for c in " ".join(words)).split()
    return HttpMethod(method).value.lower() + "".join(
        piece[0].upper() + piece[1:] for piece in pieces
    )


def takes(
    content: Mapping[str, Schema], description: str, *, required: bool = True
) -> type[Operation]:
    """Return the `operation_class` of a handler that reads its body itself, by media type."""

    @dataclass
    class Takes(Operation):
        request_body: RequestBody | None = field(
            default_factory=lambda: RequestBody(
                {kind: OpenAPIMediaType(schema=schema) for kind, schema in content.items()},
                description=description,
                required=required,
            )
        )

    return Takes


def form(photo: str | None = None, **fields: str) -> type[Operation]:
    """Return the `operation_class` of a form: its typed fields with what they mean, and a file's field."""
    properties: dict[str, Reference | Schema] = {
        name: Schema(type=OpenAPIType.STRING, description=said) for name, said in fields.items()
    }
    typed = Schema(type=OpenAPIType.OBJECT, properties=dict(properties))
    parts = Schema(
        type=OpenAPIType.OBJECT, properties=properties | ({photo: BYTES} if photo else {})
    )
    return takes(
        {"multipart/form-data": parts, "application/x-www-form-urlencoded": typed},
        "A form; of fields sent twice the first counts.",
    )


def complete(handler: HTTPRouteHandler) -> None:
    """Let a handler's operation name every refusal that any route has, and who may call it.

    A body for which the handler has a default may be left out.
    """
    own = handler.responses or {}
    both = {
        status: _merged(http.ALWAYS[status], own[status]) for status in http.ALWAYS.keys() & own
    }
    handler.responses = {**http.ALWAYS, **own, **both}
    if handler.opt.get("open_to") != "anyone":
        handler.security = [{"bearer": []}]
    body = handler.parsed_data_field
    handler.operation_class = partial(  # type: ignore[assignment]
        _operation,
        handler.operation_class,
        may_lack_body=body is not None and body.has_default,
    )


class Yaml(YamlRenderPlugin):
    """The document as YAML. Writing it takes seconds, and anybody may ask: it is written once."""

    _written: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._written is None:
            self._written = super().render(request, openapi_schema)
        return self._written


def _merged(always: ResponseSpec, own: ResponseSpec) -> ResponseSpec:
    """Return one declaration of a status that a route has reasons of its own for."""
    if always.description in own.description:
        return own
    return ResponseSpec(
        data_container=own.data_container,
        description=f"{always.description}; {own.description}",
        media_type=own.media_type,
        examples=own.examples,
        generate_examples=own.generate_examples,
    )


def _operation(kind: type[Operation], *, may_lack_body: bool, **members: Any) -> Operation:
    """Return an operation: a body of its class counts where the handler's signature shows none."""
    if members.get("request_body") is None:
        members.pop("request_body", None)
    operation = kind(**members)
    if may_lack_body and isinstance(operation.request_body, RequestBody):
        operation.request_body.required = False
    for status, answer in (operation.responses or {}).items():
        if not isinstance(answer, OpenAPIResponse):
            continue
        content = dict(answer.content or {})
        if int(status) >= 400:
            content.setdefault(http.PROBLEM_JSON, _A_PROBLEM)
        elif all(_is_nothing(shown) for shown in content.values()):
            content = {}
        answer.content = content or None
    return operation


def _is_nothing(shown: OpenAPIMediaType) -> bool:
    return isinstance(shown.schema, Schema) and shown.schema.type is OpenAPIType.NULL
