"""Bodies and answers in the OpenAPI document, as they are read and written.

The framework describes a bounded mapping as a list, shows an edit's absent members with placeholders for
defaults, and says of a union that exactly one member fits (an integer is a number, too). Here the model
itself says what it takes, an edit says nothing of what is left out (it stays), and any member may fit.
"""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import pydantic
from litestar.openapi.spec import Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.plugins.pydantic import PydanticSchemaPlugin
from litestar.typing import FieldDefinition

_DEFINITIONS = "#/$defs/"


@dataclass
class Told(Schema):
    """A schema in the words of JSON Schema."""

    words: dict[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return id(self)

    def to_schema(self) -> dict[str, Any]:
        return self.words


class BodySchemas(OpenAPISchemaPlugin):
    """Describes bodies; models inside them keep their own entries among the components."""

    def __init__(self) -> None:
        self._pydantic = PydanticSchemaPlugin()

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, pydantic.BaseModel)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        model: type[pydantic.BaseModel] = field_definition.annotation
        schema = self._pydantic.to_openapi_schema(field_definition, schema_creator)
        if model.model_config.get("extra") == "forbid":
            schema.additional_properties = False
        told = model.model_json_schema()
        definitions = told.get("$defs", {})
        for name, said in told.get("properties", {}).items():
            words = _told(said, definitions)
            if "rev" in model.model_fields:
                words.pop("default", None)
            known = (schema.properties or {}).get(name)
            if schema.properties is not None and (
                not _names_a_model(said, definitions) or "additionalProperties" in words
            ):
                schema.properties[name] = Told(words=words)
            elif isinstance(known, Schema):
                known.default = words.get("default")
        _let_any_fit(schema)
        return schema


class AnswerSchemas(OpenAPISchemaPlugin):
    """Describes answers as the framework does, with unions that say the truth."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return not field_definition.is_union and field_definition.is_subclass_of(msgspec.Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        framework = next(
            plugin
            for plugin in schema_creator.plugins
            if plugin is not self and schema_creator.plugin_supports_field(plugin, field_definition)
        )
        schema: Schema = framework.to_openapi_schema(field_definition, schema_creator)
        _let_any_fit(schema)
        return schema


def _let_any_fit(schema: Any) -> None:
    """Turn "exactly one of" into "any of" in a schema and what it holds; other components have their turn."""
    if not isinstance(schema, Schema):
        return
    if schema.one_of:
        schema.any_of, schema.one_of = schema.one_of, None
    held = (schema.any_of or (), (schema.properties or {}).values())
    for part in (*chain(*held), schema.items, schema.additional_properties):
        _let_any_fit(part)


def _names_a_model(said: Any, definitions: dict[str, Any]) -> bool:
    """Whether a property's schema leads to another model, however deep inside it."""
    if isinstance(said, dict):
        target = definitions.get(str(said.get("$ref", "")).removeprefix(_DEFINITIONS))
        return (target is not None and "properties" in target) or any(
            _names_a_model(part, definitions) for part in said.values()
        )
    return isinstance(said, list) and any(_names_a_model(part, definitions) for part in said)


def _told(said: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with what it refers to put in place, without titles made of names."""
    if isinstance(said, list):
        return [_told(part, definitions) for part in said]
    if not isinstance(said, dict):
        return said
    if "$ref" in said:
        target = definitions[said["$ref"].removeprefix(_DEFINITIONS)]
        said = {**target, **{name: part for name, part in said.items() if name != "$ref"}}
    return {
        name: {key: _told(part, definitions) for key, part in said[name].items()}
        if name == "properties"
        else _told(part, definitions)
        for name, part in said.items()
        if name not in ("title", "description")
    }
