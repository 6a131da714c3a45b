// Starts the Chromium of this machine, and hears what goes wrong on a page.
import { chromium } from "playwright-core";

const flags = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Opens a browser, lets `use` have it, and closes it whatever happens. */
export async function withChromium(executablePath, use) {
  const browser = await chromium.launch({ executablePath, headless: true, chromiumSandbox: false, args: flags });
  try {
    await use(browser);
  } finally {
    await browser.close();
  }
}

/** The messages of errors on a page, as they come. */
export function errorsOf(page) {
  const errors = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(`${error}`));
  return errors;
}
