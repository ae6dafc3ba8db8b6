// Alert rules and the Grafana dashboard against a Prometheus that scrapes the demo: every rule can be evaluated, and every
// picture shows something, but those of what goes wrong.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { demo, traffic } from "../browser/demo.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = promisify(execFile);
const RULES = here("../../k8s/alerts.yaml");
// Nothing to show while all is well.
const QUIET = ["crm_gateway_drift_total", "crm_gateway_operations"];

let gateway, quiet, prometheus, directory, url;

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

before(async () => {
  gateway = await demo();
  quiet = traffic(gateway);
  directory = await mkdtemp(join(tmpdir(), "crm-gateway-prometheus-"));
  const config = join(directory, "prometheus.yaml");
  await writeFile(
    config,
    `global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [${JSON.stringify(RULES)}]\n` +
      `scrape_configs: [{job_name: crm-gateway, static_configs: [{targets: [${JSON.stringify(new URL(gateway.admin).host)}]}]}]\n`,
  );
  await run("promtool", ["check", "config", config]);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=127.0.0.1:${port}`, "--log.level=error"];
  prometheus = spawn("prometheus", flags, { stdio: "ignore" });
});

after(async () => {
  prometheus?.kill();
  await quiet?.();
  await gateway?.stop();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

// What `look` gives once it is not null; patience has an end.
async function until(look, what) {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const found = await look().catch(() => null);
    if (found) return found;
    await new Promise((done) => setTimeout(done, 300));
  }
  assert.fail(`${what} did not come`);
}

test("the rules are good and sound when they should", async () => {
  await run("promtool", ["check", "rules", RULES]);
  await run("promtool", ["test", "rules", here("alerts.yaml")]);
});

test("the gateway can be scraped and every rule evaluated", async () => {
  const targets = await until(async () => {
    const { data } = await (await fetch(`${url}/api/v1/targets`)).json();
    return data.activeTargets.some((target) => target.health === "up") && data.activeTargets;
  }, "a scrape");
  assert.deepEqual(targets.map((target) => target.lastError), [""]);
  const rules = await until(async () => {
    const { data } = await (await fetch(`${url}/api/v1/rules`)).json();
    const all = data.groups.flatMap((group) => group.rules);
    return all.length > 0 && all.every((rule) => rule.health !== "unknown") && all;
  }, "an evaluation of all rules");
  assert.ok(rules.length >= 10);
  for (const rule of rules) assert.equal(rule.health, "ok", `${rule.name}: ${rule.lastError}`);
  // None of them is about the demo, which is well.
  const sounding = rules.filter((rule) => rule.state === "firing").map((rule) => rule.name);
  assert.deepEqual(sounding, []);
});

test("every picture of the dashboard shows something", async () => {
  const dashboard = JSON.parse(await readFile(here("../../docs/operators/grafana.json"), "utf8"));
  const queries = dashboard.panels.flatMap((panel) => panel.targets.map((target) => [panel.title, target.expr]));
  assert.ok(queries.length >= 20);
  for (const [title, text] of queries) {
    // As Grafana fills its variables in.
    const query = text.replaceAll("$__rate_interval", "30s").replaceAll("$crm", "alfacrm");
    const look = async () => {
      const { stdout } = await run("promtool", ["query", "instant", url, query]);
      // What was called at the start alone has no rate any more.
      return stdout.split("\n").some((line) => line.trim() && !/=> NaN/.test(line)) && stdout;
    };
    if (QUIET.some((name) => query.includes(name))) await run("promtool", ["query", "instant", url, query]);
    else await until(look, `${title}: ${query}`);
  }
});
