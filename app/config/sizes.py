"""Sizes in memory, written as Redis writes them: 512mb, 1gb."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

_SIZE: Final = re.compile(r"([0-9]{1,12})\s*(|b|kb|mb|gb|tb)", re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_HINT: Final = "must be a size such as 512mb or 1gb; 0 for none"


def _read_size(value: Any) -> Any:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            raise ValueError(_HINT)
        return int(found[1]) * _UNITS[found[2].lower()]
    return value


Size = Annotated[int, BeforeValidator(_read_size), Field(ge=0)]
