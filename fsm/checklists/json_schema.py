"""JSON Schema 2020-12 with patterns read as ECMAScript reads them, which is what the standard asks
for.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def _pattern(
    validator: Any, pattern: str, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Check `pattern`: in ECMAScript `$` is the end of the text, in Python also before a last line
    end.
    """
    if isinstance(instance, str):
        ecma = pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern
        if not re.search(ecma, instance):
            yield ValidationError(f"does not match {pattern}")


#: Use this class for every schema of the product: `Validator(schema).iter_errors(value)`.
Validator: Final = validators.extend(  # type: ignore[no-untyped-call]  # the stubs leave it bare
    Draft202012Validator, {"pattern": _pattern}
)
