"""The documents as tests: what is in a code block is run, or a reason says why it cannot be."""
