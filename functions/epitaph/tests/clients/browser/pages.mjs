// node pages.mjs CHROMIUM LINK CRASH...: a person opens the printed link and reads about a crash, with the keyboard alone.
import assert from "node:assert/strict";

import { errorsOf, withChromium } from "./chromium.mjs";

const [, , executable, link, ...crashes] = process.argv;
const origin = new URL(link).origin;

/** Presses Tab until the focus is on what matches, and gives its address. */
async function tabTo(page, selector) {
  for (let pressed = 0; pressed < 100; pressed++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate((selector) => {
      const focused = document.activeElement;
      if (!focused?.matches(selector)) return null;
      const box = focused.getBoundingClientRect();
      const style = getComputedStyle(focused);
      return { href: focused.href, seen: box.width > 0 && style.outlineStyle !== "none" };
    }, selector);
    if (found === null) continue;
    assert.ok(found.seen, `the focus on ${found.href} can be seen`);
    return found.href;
  }
  assert.fail(`no ${selector} can be reached with Tab on ${page.url()}`);
}

/** Follows the first link that matches, with Tab and Enter. */
async function follow(page, selector) {
  const href = await tabTo(page, selector);
  await Promise.all([page.waitForURL(href), page.keyboard.press("Enter")]);
  await page.waitForLoadState("load");
}

/** Whether the page's text stands on a dark ground. */
function isDark(page) {
  return page.evaluate(() => {
    const grounds = [document.body, document.documentElement].map((it) => getComputedStyle(it).backgroundColor);
    const ground = grounds.find((colour) => !/, 0\)$|^transparent$/.test(colour)) ?? "rgb(255, 255, 255)";
    // Painted, so that every way to write a colour is read.
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = ground;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    return red + green + blue < 3 * 96;
  });
}

async function fits(page) {
  const [wanted, given] = await page.evaluate(() => {
    const root = document.scrollingElement;
    return [root.scrollWidth, root.clientWidth];
  });
  assert.ok(wanted <= given, `${page.url()} is ${wanted} pixels wide where there are ${given}`);
}

await withChromium(executable, async (browser) => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB" });
  const errors = errorsOf(page);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));

  await page.goto(link);
  const pages = [page.url()];
  await follow(page, 'main a[href*="/issues/"]');
  pages.push(page.url());
  await follow(page, 'main a[href*="/crashes/"]');
  pages.push(page.url());
  assert.match(await page.locator("h1").innerText(), /\S/);
  assert.ok((await page.locator("#stack tbody tr").count()) > 0, "the crash has frames");
  await tabTo(page, "summary");

  const crash = pages.at(-1);
  pages.push(...crashes.map((id) => `${origin}/projects/1/crashes/${id}`).filter((address) => address !== crash));
  pages.push(`${origin}/projects/1/issues`, `${origin}/projects/1/connect`);
  for (const address of pages) {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(address);
    assert.equal(await page.getAttribute("html", "lang"), "en");
    await fits(page);
    await page.evaluate(() => document.querySelectorAll("main details").forEach((fold) => (fold.open = true)));
    await fits(page);
    assert.equal(await isDark(page), false, `${address} is light`);
    await page.emulateMedia({ colorScheme: "dark" });
    assert.equal(await isDark(page), true, `${address} is dark where people ask for it`);
    await page.emulateMedia({ colorScheme: "light" });
  }

  await page.setViewportSize({ width: 1280, height: 800 });
  await follow(page, 'a[hreflang="ko"]');
  await page.setViewportSize({ width: 360, height: 740 });
  for (const address of pages) {
    await page.goto(address);
    assert.equal(await page.getAttribute("html", "lang"), "ko");
    assert.match(await page.locator("header nav").innerText(), /\p{Script=Hangul}/u);
    await fits(page);
  }

  assert.deepEqual(errors, []);
  const elsewhere = asked.filter((url) => new URL(url).origin !== origin && !url.startsWith("data:"));
  assert.deepEqual(elsewhere, []);
});
