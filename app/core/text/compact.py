"""JSON without spaces, for what is stored or sent."""

import json
from typing import Final

#: Return a value as JSON in ASCII. One encoder for all: `json.dumps` makes a new one for each call with options.
compact: Final = json.JSONEncoder(separators=(",", ":")).encode
