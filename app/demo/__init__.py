"""`awb demo`: three simulated months that end today, played against the real service."""
