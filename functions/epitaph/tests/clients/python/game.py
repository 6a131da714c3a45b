"""A game that raises an exception nobody catches, given nothing but the DSN."""

import sys

import sentry_sdk

sentry_sdk.init(dsn=sys.argv[1], release="space-quest@1.4.2", environment="beta")
sentry_sdk.set_tag("map", "e1m1")
sentry_sdk.set_user({"id": "player-7", "username": "Ann"})
sentry_sdk.add_breadcrumb(category="game", message="entered the mine", level="warning", data={"depth": 3})


def open_chest(chest):
    return chest["gold"]


def play():
    try:
        open_chest({"silver": 3})
    except KeyError as missing:
        raise RuntimeError("the chest is empty") from missing


play()
