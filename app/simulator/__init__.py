"""A Coder deployment that does not exist: a seeded world, what it would notify, and how it would post it."""
