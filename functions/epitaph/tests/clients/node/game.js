// A game server that throws an error nobody catches, given nothing but the DSN.
const Sentry = require("@sentry/node");

Sentry.init({ dsn: process.argv[2], release: "space-quest@1.4.2", environment: "beta" });
Sentry.setTag("map", "e1m1");
Sentry.setUser({ id: "player-7", username: "Ann" });
Sentry.addBreadcrumb({ category: "game", message: "entered the mine", level: "warning", data: { depth: 3 } });

function openChest(chest) {
  throw new RangeError(`the ${chest} is empty`);
}

function play() {
  openChest("chest");
}

setTimeout(play, 1);
