"""`python -m modelwire_router` is `modelwire`."""

from modelwire_router.cli.main import main

main()
