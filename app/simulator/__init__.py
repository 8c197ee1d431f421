"""A simulated Coder deployment: a seeded world, the notifications it enqueues, and how it posts them."""
