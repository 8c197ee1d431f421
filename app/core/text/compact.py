"""JSON without spaces, as everything is stored and logged that no person reads."""

import json
from typing import Final

#: Return a value as JSON in ASCII. One encoder for all: `json.dumps` makes a new one for each call with options.
compact: Final = json.JSONEncoder(separators=(",", ":")).encode
