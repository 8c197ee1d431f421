"""`python -m app.cli`, which the supervisor uses to start its parts."""

from app.cli import main

main(prog_name="awb")
