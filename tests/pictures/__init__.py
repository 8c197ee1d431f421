"""Programs that draw the pictures in docs/; none of them is a test."""
