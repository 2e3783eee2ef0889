"""Checks of the price table: its age, and the file that the user gave us in its place."""

from collections.abc import Iterator

from opensync_hooks.cli.doctor.finding import Finding, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.pricing import in_force


def prices(config: Config) -> Iterator[Finding]:
    path = config.folders.prices
    try:
        if path.exists():
            in_force.read(path)
    except (OSError, ValueError) as error:
        fact = f"{path}: is not a price table ({error}); the bundled one is used."
        yield warning("prices", fact, "Run `opensync-hooks prices update FILE`, or delete it.")
    table = in_force.price_table(config)
    age = in_force.age_in_days(table.taken_on)
    if age > in_force.MAX_AGE_DAYS:
        fact = f"from {table.taken_on}, {age} days old: newer models have no price"
        yield warning("prices", fact, in_force.RENEWAL)
    else:
        yield ok("prices", f"from {table.taken_on}")
