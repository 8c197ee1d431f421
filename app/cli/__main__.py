"""`python -m app.cli`, as the supervisor starts its parts."""

from app.cli import main

main(prog_name="awb")
