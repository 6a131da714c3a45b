// A game on a page that throws an error nobody catches, given nothing but the DSN.
import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: window.DSN, release: "space-quest@1.4.2", environment: "beta" });
Sentry.setTag("map", "e1m1");
Sentry.setUser({ id: "player-7", username: "Ann" });
Sentry.addBreadcrumb({ category: "game", message: "entered the mine", level: "warning", data: { depth: 3 } });

function openChest(chest) {
  throw new RangeError(`the ${chest} is empty`);
}

function play() {
  openChest("chest");
}

const button = document.querySelector("#chest");
button.addEventListener("click", play);
button.disabled = false;
