"""Every operation of the API: routes and OpenAPI document follow from these."""

from typing import Final

from app.web.api import actions, views
from app.web.api.call import Operation

OPERATIONS: Final = tuple(
    found for module in (views, actions) for found in vars(module).values() if isinstance(found, Operation)
)
