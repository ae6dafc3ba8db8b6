// The operator page in a real Chromium: it shows what happens, moves, says nothing wrong and asks nobody else.
// With SCREENSHOTS=DIR it also draws the pictures of the documentation there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { demo, traffic } from "./demo.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SIZES = { wide: { width: 1280, height: 1010 }, phone: { width: 390, height: 844 } };

let gateway, quiet, browser;

before(async () => {
  gateway = await demo();
  quiet = traffic(gateway);
  // In a container there is no other user to become; the page is our own.
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  await quiet?.();
  await gateway?.stop();
});

// Opens the page and notes all that it complains about and whom it asks.
async function open(theme, size) {
  const page = await browser.newPage({ viewport: SIZES[size], colorScheme: theme, deviceScaleFactor: 1 });
  const [wrong, hosts] = [[], new Set()];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => request.url().startsWith("data:") || hosts.add(new URL(request.url()).origin));
  const answer = await page.goto(`${gateway.admin}/admin`);
  assert.equal(answer.status(), 200);
  return { page, wrong, hosts };
}

// What the page says in the place `selector`, once `fits` likes it.
async function says(page, selector, fits) {
  const deadline = Date.now() + 30_000;
  let text = "";
  while (Date.now() < deadline) {
    text = await page.locator(selector).innerText({ timeout: 20_000 });
    if (fits(text)) return text;
    await page.waitForTimeout(200);
  }
  assert.fail(`${selector} says: ${text}`);
}

// How many dots of the first chart below `selector` are painted.
const painted = (page, selector) =>
  page.locator(`${selector} canvas`).first().evaluate((canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const dots = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    let many = 0;
    for (let at = 3; at < dots.length; at += 4) many += dots[at] > 0;
    return many;
  });

test("the page shows who spends, what memory does and what failed, and moves by itself", async () => {
  const { page, wrong, hosts } = await open("light", "wide");
  await says(page, "#ready", (text) => text === "ready");
  await says(page, "#crm-alfacrm", (text) => /web-app\s+\d+/.test(text) && /export\s+\d+/.test(text) && /200 × \d+/.test(text));
  await says(page, "#crm-cryptocrm", (text) => text.includes("calls pass") && text.includes("5.0 of 5 calls/s"));
  await says(page, "#memory", (text) => /students\s+[\d.]+ % of \d+/.test(text));
  await says(page, "#errors", (text) => text.includes("503 overloaded") && text.includes("GET /students") && text.includes("export"));
  await says(page, "#drift", (text) => text.includes("None since the gateway started"));
  assert.equal(await page.locator("#operations").count(), 1, "writes that are followed up");
  await says(page, "#keys", (text) => /web-app\s+[0-9a-f]{12}\s+\d+ \w+ \d{4}/.test(text));

  const first = await says(page, "#tile-failed", (text) => /of \d+/.test(text));
  await says(page, "#tile-failed", (text) => text !== first);
  await says(page, "#tile-requests", (text) => parseFloat(text.replace(/\D*/, "")) > 1);
  await says(page, "#tile-fresh", (text) => /[1-9][\d.]* %/.test(text));

  // The charts are drawn, and drawn anew.
  for (const place of ["#crm-alfacrm", "#crm-cryptocrm", "#memory", "#latency"]) {
    assert.ok((await painted(page, place)) > 200, `${place} is empty`);
  }
  const then = await painted(page, "#memory");
  await page.waitForTimeout(4500);
  assert.notEqual(await painted(page, "#memory"), then);
  // Pointing at a moment tells its numbers.
  const chart = page.locator("#memory .u-over");
  const { width } = await chart.boundingBox();
  await chart.hover({ position: { x: width - 2, y: 20 } });
  assert.match(await page.locator("#memory .legend").innerText(), /fresh\s*[\d.]+/);

  assert.deepEqual(wrong, []);
  assert.deepEqual([...hosts], [gateway.admin]);
  await page.close();
});

test("it can be read on a phone, in the light and in the dark", async () => {
  const papers = [];
  for (const theme of ["light", "dark"]) {
    const { page, wrong } = await open(theme, "phone");
    await says(page, "#crm-alfacrm", (text) => /web-app\s+\d+/.test(text));
    await page.waitForTimeout(2500);
    assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth), SIZES.phone.width, "nothing sticks out");
    papers.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("main *")].filter((node) => node.childElementCount === 0 && node.textContent && parseFloat(getComputedStyle(node).fontSize) < 11).length,
    );
    assert.equal(small, 0, "no text is too small to read");
    assert.deepEqual(wrong, []);
    await page.close();
  }
  assert.notEqual(papers[0], papers[1]);
});

test("a theme that changes changes the page that is open", async () => {
  const { page, wrong } = await open("light", "wide");
  await says(page, "#memory", (text) => text.includes("students"));
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  assert.notEqual(await paper(), light);
  assert.ok((await painted(page, "#memory")) > 200);
  assert.deepEqual(wrong, []);
  await page.close();
});

test("a gateway that does not answer is said to", async () => {
  const { page } = await open("light", "wide");
  await says(page, "#ready", (text) => text === "ready");
  await page.route("**/admin/state", (route) => route.abort());
  await says(page, "#ready", (text) => text === "no answer");
  await page.unroute("**/admin/state");
  await says(page, "#ready", (text) => text === "ready");
  await page.close();
});

test("pictures for the documentation", { skip: !process.env.SCREENSHOTS }, async () => {
  const shots = [["light", "wide"], ["dark", "wide"], ["dark", "phone"]];
  const pages = await Promise.all(shots.map(([theme, size]) => open(theme, size)));
  await pages[0].page.waitForTimeout(75_000);
  for (const [at, [theme, size]] of shots.entries()) {
    const path = `${process.env.SCREENSHOTS}/admin-${theme}${size === "phone" ? "-phone" : ""}.png`;
    await pages[at].page.screenshot({ path });
  }
});
