// The demo as a child process, and somebody who keeps it busy.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const PROGRAM = process.env.CRM_GATEWAY ?? fileURLToPath(new URL("../../target/debug/crm-gateway", import.meta.url));

// Starts it; `keys` by consumer, `stop` ends it and gives what it said.
export async function demo() {
  const environment = { CRM_GATEWAY__SERVER__ADMIN_LISTEN: "127.0.0.1:0", RUST_LOG: "warn" };
  const child = spawn(PROGRAM, ["demo", "--listen", "127.0.0.1:0"], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let [said, complained] = ["", ""];
  child.stderr.on("data", (text) => (complained += text));
  for await (const text of child.stdout) {
    said += text;
    if (said.includes("Ctrl-C ends it.")) break;
  }
  const find = (pattern) => {
    const found = said.match(pattern);
    if (!found) throw new Error(`the demo did not say ${pattern}:\n${said}${complained}`);
    return found[1];
  };
  const keys = Object.fromEntries(["web-app", "partner", "export"].map((name) => [name, find(new RegExp(`${name}\\s+(crmgw_\\S+)`))]));
  const stop = async () => {
    if (child.exitCode === null) {
      child.kill("SIGINT");
      await once(child, "exit");
    }
    return complained;
  };
  return { gateway: find(/The gateway: (\S+)/), admin: find(/Operators:\s+(\S+)\/metrics/), keys, stop };
}

const people = ["/students?limit=10", "/lessons?limit=20&status=PLANNED", "/teachers", "/groups", "/projects?limit=10", "/reference/subjects", "/reference/rooms"];
const partners = ["/students?limit=5&fields=id,name", "/lessons?limit=5", "/projects?limit=5"];

// Asks as a web application, a partner and an export do, until it is stopped.
export function traffic({ gateway, keys }) {
  let going = true;
  const ask = (consumer, path, headers = {}) =>
    fetch(gateway + path, { headers: { "x-api-key": keys[consumer], ...headers } }).then(
      async (answer) => (await answer.arrayBuffer(), answer.status),
      () => null,
    );
  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const loop = async (step) => {
    for (let at = 0; going; at += 1) await step(at);
  };
  const done = Promise.all([
    loop(async (at) => (await ask("web-app", people[at % people.length]), await pause(90))),
    loop(async (at) => (await ask("web-app", `/students/alfa-${101 + ((at * 7) % 90)}`), await pause(400))),
    loop(async (at) => (await ask("partner", partners[at % partners.length], at % 4 ? {} : { "cache-control": "no-cache" }), await pause(700))),
    ...[0, 1, 2].map((shift) => loop(async (at) => (await ask("export", `/payments?limit=50&source=alfacrm&from=2024-0${1 + ((at + shift) % 9)}-01`), await pause(300)))),
    // Whoever does not want to wait at all is refused where something is asked anew.
    loop(async (at) => (await ask("export", `/students?limit=7&q=x${at}`, { prefer: "wait=0" }), await pause(2500))),
  ]);
  return async () => {
    going = false;
    await done;
  };
}
