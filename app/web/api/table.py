"""All operations of the API, from which the routes and the OpenAPI document are made."""

from typing import Final

from app.web.api import actions, views
from app.web.api.call import Operation

OPERATIONS: Final = tuple(
    found for module in (views, actions) for found in vars(module).values() if isinstance(found, Operation)
)
