// A call between two headless Chromium browsers, one in each client's namespace.
// usage: node call.mjs FOLDER '{"turn": "udp"|"tcp", "password": …, "relayOnly": …, "loss": 5, "restartIceAt": [3, 6], …}'
//
// In:  namespaces that are up, signalling on the router's port 8080, coturn on 3478 where `turn` is given.
// Out: FOLDER/truth.json: what each browser counted (getStats each second and at the end), and when what happened.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [folder, json] = process.argv.slice(2);
const options = JSON.parse(json);
const prefix = process.env.RECORD_PREFIX ?? "rec";
const network = new URL("../network", import.meta.url).pathname;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const marks = [];
const mark = (event) => marks.push([Date.now(), event]);
const scratch = mkdtempSync(join(tmpdir(), "recording-"));
const contexts = [];

const SIDES = {
  a: { namespace: `${prefix}-a`, router: "10.77.1.1", username: "alice" },
  b: { namespace: `${prefix}-b`, router: "10.77.2.1", username: "bob" },
};

// playwright starts the browser itself, so that the namespace is entered by a script in its place.
async function open({ namespace, router }) {
  const launcher = join(scratch, `chromium-${namespace}`);
  writeFileSync(launcher, `#!/bin/sh\nexec ip netns exec ${namespace} chromium "$@"\n`, { mode: 0o755 });
  const context = await chromium.launchPersistentContext(join(scratch, `profile-${namespace}`), {
    executablePath: launcher,
    headless: true,
    timeout: 30_000,
    // Each of these would silence the media or hide the host addresses behind mDNS names.
    ignoreDefaultArgs: ["--headless", "--mute-audio"],
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream=fps=15",
      "--autoplay-policy=no-user-gesture-required",
      "--disable-features=WebRtcHideLocalIpsWithMdns",
      `--unsafely-treat-insecure-origin-as-secure=http://${router}:8080`,
      `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${router}`,
      ...(options.unencrypted ? ["--disable-webrtc-encryption"] : []),
    ],
  });
  contexts.push(context);
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(namespace, error.message));
  await page.goto(`http://${router}:8080/`);
  return page;
}

function iceServers({ router, username }) {
  if (!options.turn) return [];
  const credential = options.password ?? "secret";
  return [{ urls: [`turn:${router}:3478?transport=${options.turn}`], username, credential }];
}

async function call() {
  const [a, b] = [await open(SIDES.a), await open(SIDES.b)];
  const given = (side) => ({ ...options, iceServers: iceServers(side) });
  await b.evaluate((given) => init(given, "called"), { ...given(SIDES.b), simulcast: false });
  await a.evaluate((given) => init(given, "caller"), given(SIDES.a));
  mark("start");
  await a.evaluate(() => start());
  const states = await Promise.all([a, b].map((page) => page.evaluate(() => connected(12_000))));
  mark(`connection ${states.join(" ")}`);
  console.log(`connection: ${states.join(" ")}`);

  await Promise.all([a, b].map((page) => page.evaluate(() => record())));
  if (options.loss) {
    execFileSync(network, ["loss", String(options.loss)]);
    mark(`loss ${options.loss} %`);
  }
  const began = Date.now();
  const until = (seconds) => sleep(Math.max(0, began + seconds * 1000 - Date.now()));
  for (const at of options.restartIceAt ?? []) {
    await until(at);
    mark("ICE restart");
    await a.evaluate(() => offer({ iceRestart: true }));
  }
  await until(options.seconds ?? 8);

  let dropped;
  if (options.loss) {
    dropped = Number(execFileSync(network, ["loss-off"]).toString());
    mark("loss off");
  }
  await Promise.all([a, b].map((page) => page.evaluate(() => stopSending())));
  mark("stopped sending");
  await sleep(2500);
  const [truthA, truthB] = await Promise.all([a, b].map((page) => page.evaluate(() => finish())));
  mark("statistics");
  await Promise.all([a, b].map((page) => page.evaluate(() => close())));
  mark("close");
  await sleep(1000);
  const config = { ...options, password: undefined };
  writeFileSync(join(folder, "truth.json"), JSON.stringify({ config, marks, dropped, a: truthA, b: truthB }));
}

const limit = setTimeout(() => {
  console.error("not done in time");
  process.exit(1);
}, 60_000);
try {
  await call();
} finally {
  clearTimeout(limit);
  for (const context of contexts) await context.close().catch(() => {});
  rmSync(scratch, { recursive: true, force: true });
}
