"""The sessions in the recordings of OpenCode, each with what a count by hand finds in it."""

from __future__ import annotations

from collections.abc import Callable

from tests.opencode_home import OpenCodeHome

TRUTH: dict[str, dict[str, tuple[float, ...]]] = {
    "0.1.174": {
        "ses_e0456db59ffeTbijX5BnpR7wLR": (2, 2, 4, 4, 4_800, 55, 0),
        "ses_e045665fdffeHpE2lALNJZPj0b": (1, 1, 1, 1, 1_400, 44, 0),
    },
    "0.5.29": {
        "ses_e04562569ffer5Wpii9KOGUGrm": (2, 2, 4, 4, 15_700, 205, 0.040185),
        "ses_e04562279ffePrdPi6L24WG3t1": (1, 1, 1, 1, 3_200, 59, 0.010485),
        "ses_e04562208ffeOWR7NNWpny4voG": (1, 1, 1, 1, 1_500, 30, 0.00495),
    },
    "1.0.162": {
        "ses_e04561d80ffeNmGxzTC28wypLd": (2, 5, 4, 4, 12_000, 205, 0.029385),
        "ses_e045615d2ffeY56bI8EW3NC9Mc": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0456158bffe454f2MpIoJwXje": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.1.65": {
        "ses_e0456045dffegAp1T5tNEv5uc8": (2, 5, 4, 4, 12_000, 205, 0.029385),
        "ses_e0455fd83ffeLulGX5xZsd28JW": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455fd0dffeQCeb0UssO1FTUH": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.2.1": {
        "ses_e0455ed23ffeEtIjW6fob3GFcK": (2, 5, 4, 4, 12_000, 205, 0.029385),
        "ses_e0455ce3bffeQWVWqAuPuqHcb3": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455cdb8ffedzdX0xf616V6fh": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.15.13": {
        "ses_e0455c8c2ffewI5vyFAlvYcbdz": (2, 5, 4, 4, 12_000, 205, 0.029085),
        "ses_e0455bb70ffeC8J9qakTxgVIqk": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455ba01ffeWEBwyUSZDVgk6G": (1, 2, 1, 1, 1_500, 30, 0.00495),
    },
    "1.18.33": {
        "ses_e0455b051ffelTfTKepUayusYv": (3, 7, 5, 5, 14_400, 273, 0.037305),
        "ses_e04559947ffes6pn5qXANQq0k1": (1, 2, 1, 1, 3_200, 59, 0.010485),
        "ses_e0455944affe4yx5HHxQUr70Og": (1, 2, 1, 1, 1_500, 30, 0.00495),
        "ses_e04558e25ffe7EuBs70o6E6RZ4": (1, 0, 0, 0, 0, 0, 0),
        "ses_e04558521ffeT593dgM1Qdg10m": (1, 4, 3, 3, 4_800, 136, 0.01644),
        "ses_e04557a58ffedNZB6cwvgy6oTV": (1, 1, 1, 1, 1_000, 12, 0.00318),
        "ses_e0455626effeZeGF3BErQmJCPI": (4, 8, 5, 5, 15_400, 285, 0.040485),
        "ses_e04546e0bffeJQOFHK8EL2fjnQ": (1, 1, 1, 1, 1_000, 12, 0.00318),
        "ses_e0454697cffee7LfmyQ4gmQHqa": (1, 2, 1, 1, 1_000, 12, 0.00318),
        "ses_e04546966ffeBKYK71lTOiHoaW": (1, 2, 1, 1, 1_500, 30, 0.00495),
        "ses_e04546791ffegNBOqPB7cto6kY": (1, 2, 1, 1, 32_200, 346, 0.10179),
        "ses_e04545e8dffeCj7XE8Y9OxqDLV": (2, 2, 0, 0, 2_500, 42, 0.00705),
        "ses_e04545d1cffe1ZjVqne9kHy747": (1, 1, 0, 0, 0, 0, 0),
        "ses_e0454496dffedcs0g0NGpWjug3": (2, 4, 2, 2, 4_900, 138, 0),
        "ses_e04542bb1ffeZcfkmF6H6qhBz5": (1, 0, 0, 0, 0, 0, 0),
    },
    "2.x": {
        "ses_ee24bbbbbffeConstructedMigr1": (2, 2, 1, 1, 2_000, 24, 0.004),
        "ses_ee23aaaaaffeConstructedParnt": (1, 3, 4, 4, 4_200, 192, 0.0115),
        "ses_ee23aaaa9ffeConstructedChild": (1, 1, 0, 0, 800, 30, 0.002),
        "ses_ee23ccccc3feConstructedNoTtl": (1, 0, 0, 0, 0, 0, 0),
    },
}
"""Prompts, answers, tool calls, results, tokens read, tokens written, and USD as the scripted model
charged them. Children follow their parents. 0.1 stored the tokens of only the last step of a turn,
and no cost.
"""
TOOLS = "ses_e0455b051ffelTfTKepUayusYv"
FORK = "ses_e0455626effeZeGF3BErQmJCPI"
DELEGATE = "ses_e04559947ffes6pn5qXANQq0k1"
CHILD = "ses_e0455944affe4yx5HHxQUr70Og"
REVERTED = "ses_e04545e8dffeCj7XE8Y9OxqDLV"
OF_API = "ses_e0454496dffedcs0g0NGpWjug3"
CONTINUE = (
    "Continue if you have next steps, or stop and ask for clarification if you are unsure how to "
    "proceed."
)
NEW, MIGRATED = "ses_ee23aaaaaffeConstructedParnt", "ses_ee24bbbbbffeConstructedMigr1"


def changing(statement: str, *values: object) -> Callable[[OpenCodeHome], None]:
    """Return a function that changes the database as OpenCode would."""

    def change(opencode: OpenCodeHome) -> None:
        with opencode.writing() as db:
            db.execute(statement, values)

    return change
