"use strict";
// The state of the gateway as pictures. Asks `admin/state` every other second and draws what changed between two answers.
(() => {
  const EVERY = 2000; // milliseconds between two looks
  const KEPT = 450; // looks that are remembered: a quarter of an hour
  const RATE_OVER = 8; // seconds over which "per second" is taken, so that single calls do not look like storms
  const SPREAD_OVER = 30; // the same for quantiles
  const ERRORS = 12; // shown at most

  const REASONS = { miss: "--blue", write: "--violet", retry: "--orange", refresh: "--teal", auth: "--grey" };
  const RESULTS = { hit: "--teal", stale: "--orange", collapsed: "--sky", miss: "--blue", stale_if_error: "--red" };
  const RESULT_WORDS = { hit: "fresh", stale: "stale", collapsed: "joined a call", miss: "asked the CRM", stale_if_error: "old, CRM down" };
  const CLASSES = { interactive: "--blue", partner: "--violet", batch: "--orange", refresh: "--teal" };
  const CRMS = { alfacrm: "AlfaCRM", cryptocrm: "Crypto CRM" };

  const $ = (id) => document.getElementById(id);
  const make = (tag, className, ...inside) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...inside);
    return node;
  };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colored = (node, name) => (node.style.setProperty("--of", `var(${name})`), node);
  const total = (counts) => Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);

  // Numbers for people.
  const number = (value) => (value >= 10000 ? `${(value / 1000).toFixed(value >= 100000 ? 0 : 1)} k` : String(Math.round(value)));
  const rate = (value) => (value == null ? "–" : value >= 100 ? number(value) : value.toFixed(1));
  const seconds = (value) =>
    value == null ? "–" : value < 0.00095 ? "< 1 ms" : value < 1 ? `${(value * 1000).toPrecision(value < 0.01 ? 2 : 3)} ms` : `${value.toFixed(value < 10 ? 1 : 0)} s`;
  const percent = (part, whole) => (whole > 0 ? `${((100 * part) / whole).toFixed(part === whole || part === 0 ? 0 : 1)} %` : "–");
  const since = (all) => {
    const [days, hours, minutes] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60];
    return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min ${all % 60} s` : `${all} s`;
  };

  // ---- what was seen ----

  const looks = []; // { t: seconds, state }

  const before = (over) => {
    const now = looks[looks.length - 1].t;
    let at = looks.length - 1;
    while (at > 0 && now - looks[at].t < over) at -= 1;
    return looks[at];
  };

  // How much `count` of the state grew each second of late.
  const growth = (count) => {
    const [then, now] = [before(RATE_OVER), looks[looks.length - 1]];
    return now.t > then.t ? (count(now.state) - count(then.state)) / (now.t - then.t) : null;
  };

  // A quantile of what was observed of late, in seconds; null when nothing was.
  const quantile = (share, histogram) => {
    const now = histogram(looks[looks.length - 1].state);
    const then = histogram(before(SPREAD_OVER).state);
    if (!now || !now.counts.length) return null;
    const counts = now.counts.map((count, at) => count - (then?.counts[at] ?? 0));
    const wanted = share * counts[counts.length - 1];
    if (!(wanted > 0)) return null;
    const at = counts.findIndex((count) => count >= wanted);
    if (at >= now.le.length) return now.le[now.le.length - 1];
    const [low, below] = at ? [now.le[at - 1], counts[at - 1]] : [0, 0];
    return low + ((now.le[at] - low) * (wanted - below)) / (counts[at] - below || 1);
  };

  const crmOf = (state, source) => state.crms.find((crm) => crm.source === source);
  const spentOn = (crm, reason) => (crm?.spent ?? []).reduce((sum, spent) => sum + (spent.reason === reason ? spent.calls : 0), 0);
  const cached = (state, result) => Object.values(state.cache).reduce((sum, results) => sum + (results[result] ?? 0), 0);

  // ---- charts ----

  const charts = [];

  // Where a logarithmic axis has its lines: the powers of ten.
  const decades = (_, __, low, high) => {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) all.push(10 ** power);
    return all;
  };

  // A chart over time. `lines`: [{ word, color, of(state) → number|null, unit, line: drawn on top and not stacked }].
  const chart = (title, lines, { low = false, log = false, unit = rate, top = null } = {}) => {
    const legend = make("div", "legend");
    const place = make("div", `chart${low ? " low" : ""}`);
    const values = lines.map((line) => {
      const value = make("b");
      legend.append(colored(make("span", "", line.word, value), line.color));
      return value;
    });
    const stacked = lines.filter((line) => !line.line);
    // The highest of the stack is painted first, the lower ones over it.
    const order = [...lines.keys()].sort((a, b) => !!lines[a].line - !!lines[b].line || b - a);
    const times = [];
    const seen = lines.map(() => []);
    let plot = null;

    const data = () => [
      times,
      ...order.map((at) => {
        if (lines[at].line) return seen[at];
        const below = stacked.slice(0, stacked.indexOf(lines[at]) + 1).map((line) => seen[lines.indexOf(line)]);
        return times.map((_, when) => below.reduce((sum, series) => sum + (series[when] ?? 0), 0));
      }),
    ];
    const tell = (when) => values.forEach((value, at) => (value.textContent = (lines[at].unit ?? unit)(seen[at][when])));
    const draw = () => {
      plot?.destroy();
      const axis = { stroke: color("--quiet"), grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
      const stops = log ? { distr: 3, log: 10 } : { range: (_, __, max) => [0, Math.max(max ?? 0, top?.() ?? 0, 0.5) * 1.08] };
      plot = new uPlot(
        {
          width: place.clientWidth || 300,
          height: place.clientHeight || 150,
          legend: { show: false },
          cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
          scales: { x: { range: (_, low, high) => [Math.min(low ?? 0, (high ?? 0) - 60), high ?? 60] }, y: stops },
          axes: [
            { ...axis, size: 26, space: 70, values: (_, at) => at.map((t) => new Date(t * 1000).toTimeString().slice(0, 8)) },
            { ...axis, size: 52, space: low ? 24 : 30, ...(log && { splits: decades }), values: (_, at) => at.map((value) => (value == null ? "" : log ? seconds(value) : +value.toFixed(2))) },
          ],
          series: [
            {},
            ...order.map((at) => {
              const tone = color(lines[at].color);
              return lines[at].line
                ? { stroke: tone, width: 1.75, dash: lines[at].dash, points: { show: false }, spanGaps: true }
                : { stroke: tone, width: 1, fill: tone, points: { show: false }, paths: uPlot.paths.linear() };
            }),
          ],
          hooks: { setCursor: [(u) => tell(u.cursor.idx ?? times.length - 1)] },
        },
        data(),
        place,
      );
    };
    const self = {
      node: make("div", "", make("h3", "", title), legend, place),
      look: (t, state) => {
        times.push(t);
        lines.forEach((line, at) => seen[at].push(line.of(state)));
        if (times.length > KEPT) [times, ...seen].forEach((series) => series.shift());
        if (plot) plot.setData(data());
        else draw();
        if (plot.cursor.idx == null || plot.cursor.left < 0) tell(times.length - 1);
      },
      clear: () => [times, ...seen].forEach((series) => (series.length = 0)),
      resize: () => plot?.setSize({ width: place.clientWidth, height: place.clientHeight }),
      draw: () => plot && draw(),
    };
    charts.push(self);
    return self;
  };

  // Rows of stacked bars: [{ of, parts: { name: count } }].
  const bars = (node, rows, tones, words, note) => {
    const most = Math.max(1, ...rows.map((row) => total(row.parts)));
    node.replaceChildren(
      ...rows.flatMap(({ of, parts, whole }) => {
        const bar = make("div", "bar");
        for (const [name, tone] of Object.entries(tones)) {
          if (!parts[name]) continue;
          const piece = colored(make("i"), tone);
          piece.style.width = `${(100 * parts[name]) / (whole ? total(parts) : most)}%`;
          piece.title = `${words?.[name] ?? name}: ${parts[name]}`;
          bar.append(piece);
        }
        const name = make("span", "of", of);
        name.title = of;
        return [name, bar, make("span", "number", note(parts))];
      }),
    );
  };

  // ---- the page ----

  const card = (title, ...inside) => make("section", "card", make("div", "top", make("h2", "", title)), ...inside);
  const tiles = {};
  const tile = (id, word) => {
    const value = make("b", "", "–");
    const node = make("div", "tile", make("span", "quiet", word), value);
    node.id = `tile-${id}`;
    $("tiles").append(node);
    tiles[id] = (text, unit = "", tone = "") => {
      value.replaceChildren(text, make("small", "", unit));
      node.className = `tile ${tone}`;
    };
  };

  const crmCards = new Map();
  const crmCard = (source) => {
    const its = (state) => crmOf(state, source);
    const perSecond = chart(
      "Calls per second, by why",
      [
        ...Object.entries(REASONS).map(([reason, tone]) => ({ word: reason, color: tone, of: () => growth((state) => spentOn(its(state), reason)) })),
        { word: "taken at most", color: "--red", of: (state) => its(state)?.learned_rate ?? null, line: true, dash: [4, 4] },
      ],
      { top: () => (looks.length ? (its(looks[looks.length - 1].state)?.rate ?? 0) : 0) },
    );
    const waiting = chart(
      "Calls waiting for their turn",
      Object.entries(CLASSES).map(([name, tone]) => ({ word: name, color: tone, of: (state) => its(state)?.waiting_by_class[name] ?? 0, unit: (n) => (n == null ? "–" : number(n)) })),
      { low: true, top: () => 4 },
    );
    const predicted = chart(
      "How long one more would wait",
      Object.keys(CLASSES).slice(0, 3).map((name) => ({ word: name, color: CLASSES[name], line: true, of: (state) => (its(state)?.predicted_wait_ms[name] ?? 0) / 1000, unit: seconds })),
      { low: true, top: () => 1 },
    );
    const pill = make("span", "pill");
    const about = make("span", "quiet");
    const [spent, answers] = [make("div", "bars"), make("div", "chips")];
    const pair = make("div", "pair", waiting.node, predicted.node);
    const node = card(CRMS[source] ?? source, perSecond.node, pair, make("h3", "", "Who spent the calls, and why"), spent, make("h3", "", "What became of the calls"), answers);
    node.id = `crm-${source}`;
    node.firstChild.append(pill, about);
    $("crms").append(node);
    return (state) => {
      const crm = its(state);
      pill.className = `pill ${{ closed: "good", half_open: "warn", open: "bad" }[crm.breaker]}`;
      pill.textContent = { closed: "calls pass", half_open: "trying one call", open: "given a pause" }[crm.breaker];
      about.textContent = `${crm.learned_rate.toFixed(1)} of ${crm.rate} calls/s` + (crm.foreign_rate > 0.05 ? `, ${crm.foreign_rate.toFixed(1)} missing` : "");
      const consumers = new Map();
      for (const { consumer, reason, calls } of crm.spent) {
        const parts = consumers.get(consumer) ?? {};
        parts[reason] = (parts[reason] ?? 0) + calls;
        consumers.set(consumer, parts);
      }
      const rows = [...consumers].map(([of, parts]) => ({ of, parts })).sort((a, b) => total(b.parts) - total(a.parts));
      bars(spent, rows, REASONS, null, (parts) => number(total(parts)));
      const chips = [
        ...Object.entries(crm.calls).map(([status, calls]) => [`${status} × ${number(calls)}`, status === "429" || !/^\d/.test(status) || status >= "500" ? "bad" : ""]),
        ...Object.entries(crm.refused).map(([reason, calls]) => [`no turn: ${reason.replace("_", " ")} × ${number(calls)}`, "warn"]),
      ];
      answers.replaceChildren(...chips.map(([text, tone]) => make("span", `pill ${tone}`, text)));
    };
  };

  const table = (heads, rows, stacks) =>
    make(
      "table",
      `table${stacks ? " stacks" : ""}`,
      make("thead", "", make("tr", "", ...heads.map(([word, side]) => make("th", side ?? "", word)))),
      make("tbody", "", ...rows.map((cells) => make("tr", "", ...cells.map((cell, at) => make("td", heads[at][1] ?? "", cell))))),
    );

  const memory = (() => {
    const flow = chart(
      "Answers per second, by where they came from",
      Object.entries(RESULTS).map(([result, tone]) => ({ word: RESULT_WORDS[result], color: tone, of: () => growth((state) => cached(state, result)) })),
    );
    const resources = make("div", "bars");
    const node = card("Memory", flow.node, make("h3", "", "Of each resource, and how much of it was fresh in memory"), resources);
    node.id = "memory";
    return {
      node,
      look: (state) => {
        const rows = Object.entries(state.cache).map(([of, parts]) => ({ of, parts, whole: true }));
        rows.sort((a, b) => total(b.parts) - total(a.parts));
        bars(resources, rows.slice(0, 12), RESULTS, RESULT_WORDS, (parts) => `${percent(parts.hit ?? 0, total(parts))} of ${number(total(parts))}`);
      },
    };
  })();

  const latency = (() => {
    const of = (share) => () => quantile(share, (state) => state.took);
    const gateway = chart(
      "Answers of the gateway, waiting included",
      [
        { word: "half within", color: "--teal", line: true, of: of(0.5) },
        { word: "95 % within", color: "--blue", line: true, of: of(0.95) },
        { word: "99 % within", color: "--violet", line: true, of: of(0.99) },
      ],
      { log: true, unit: seconds },
    );
    const node = card("Latency", gateway.node);
    node.id = "latency";
    let crms = null;
    return {
      node,
      look: (t, state) => {
        if (!crms) {
          const tones = ["--orange", "--sky"];
          const line = (crm, at) => ({ word: `${CRMS[crm.source] ?? crm.source}, 95 %`, color: tones[at % 2], line: true, of: () => quantile(0.95, (seen) => crmOf(seen, crm.source)?.took) });
          const waits = (crm, at) => ({ word: `turn at ${CRMS[crm.source] ?? crm.source}, 95 %`, color: ["--red", "--violet"][at % 2], line: true, dash: [4, 3], of: () => quantile(0.95, (seen) => crmOf(seen, crm.source)?.waited) });
          crms = chart("Calls of the CRMs, and the wait for a turn before them", [...state.crms.map(line), ...state.crms.map(waits)], { log: true, unit: seconds });
          node.append(crms.node);
        }
      },
    };
  })();

  const operations = make("div");
  operations.hidden = true;
  const drift = card("Values that could not be read", make("div"));
  const errors = card("Requests that failed", make("div"));
  drift.id = "drift";
  errors.id = "errors";
  drift.classList.add("wide");
  errors.classList.add("wide");
  const keys = card("Who may call", make("div"));
  keys.id = "keys";
  keys.classList.add("wide");

  const list = (node, empty, heads, rows, stacks) =>
    node.lastChild.replaceChildren(rows.length ? table(heads, rows, stacks) : make("p", "quiet", empty));

  const show = (state) => {
    $("ready").textContent = state.ready;
    $("ready").className = `pill ${state.ready === "ready" ? "good" : "warn"}`;
    $("dot").className = `dot ${state.ready === "ready" ? "good" : "bad"}`;
    $("about").textContent = `${state.version}, up ${since(state.uptime_seconds)}`;

    const answers = looks.length > 1 ? growth((seen) => total(seen.requests)) : null;
    tiles.requests(rate(answers), "/s");
    const all = total(Object.fromEntries(Object.keys(RESULTS).map((result) => [result, cached(state, result)])));
    tiles.fresh(percent(cached(state, "hit"), all));
    tiles.stale(percent(cached(state, "stale") + cached(state, "stale_if_error"), all), "", cached(state, "stale_if_error") ? "warn" : "");
    tiles.p95(seconds(quantile(0.95, (seen) => seen.took)));
    const waiting = state.crms.reduce((sum, crm) => sum + crm.waiting, 0);
    tiles.waiting(number(waiting), waiting === 1 ? "call" : "calls");
    const failed = Object.entries(state.requests).reduce((sum, [status, count]) => sum + (status >= "500" ? count : 0), 0);
    tiles.failed(number(failed), `of ${number(total(state.requests))}`, failed ? "warn" : "");

    for (const crm of state.crms) {
      if (!crmCards.has(crm.source)) crmCards.set(crm.source, crmCard(crm.source));
      crmCards.get(crm.source)(state);
    }
    memory.look(state);
    latency.look(0, state);

    if (state.operations) {
      if (!operations.firstChild) operations.replaceWith((operations.card = card("Writes whose outcome is not known", make("div", "chips"))));
      operations.card.id = "operations";
      drift.classList.remove("wide");
      operations.card.lastChild.replaceChildren(
        make("span", "pill", `${state.operations.open} being looked into`),
        make("span", `pill ${state.operations.needs_review ? "bad" : "good"}`, `${state.operations.needs_review} need somebody to look`),
      );
    }
    list(drift, "None since the gateway started.", [["CRM"], ["resource"], ["field"], ["values", "right"]], state.drift.slice(0, 40).map((row) => [CRMS[row.source] ?? row.source, row.resource, make("code", "", row.field), number(row.values)]));
    list(
      errors,
      "None of late.",
      [["when"], ["request"], ["answer"], ["found by"], ["who asked"], ["behind it"], ["id in the log"]],
      state.errors.slice(0, ERRORS).map((row) => [
        new Date(row.at).toLocaleTimeString("en-GB"),
        make("code", "", `${row.method} ${row.route}`),
        make("b", "", `${row.status} ${row.code}`),
        CRMS[row.source] ?? row.source,
        row.consumer,
        row.cause ?? "–",
        make("code", "", row.request_id),
      ]),
      true,
    );

    const day = (text) => new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    const ends = (key) => {
      const gone = Date.parse(key.expires) <= Date.parse(state.at);
      return key.expires ? make("span", gone ? "pill bad" : "", `${gone ? "ended" : "ends"} ${day(key.expires)}`) : "–";
    };
    list(
      keys,
      "Nobody.",
      [["consumer"], ["key"], ["last used"], ["ends"], ["calls of the CRMs today", "right"]],
      state.consumers.flatMap((consumer) => {
        const spent = number(consumer.spent_today) + ("daily_budget" in consumer ? ` of ${number(consumer.daily_budget)}` : "");
        const row = (key) => [consumer.name, make("code", "", key.hash), key.last_used ? day(key.last_used) : "–", ends(key), spent];
        return consumer.keys.length ? consumer.keys.map(row) : [[consumer.name, "none", "–", "–", spent]];
      }),
      true,
    );

    const notes = [];
    const note = (text, bad) => notes.push(make("li", bad ? "bad" : "", text));
    for (const crm of state.crms) {
      const name = CRMS[crm.source] ?? crm.source;
      if (crm.breaker !== "closed") note(`${name} fails and is only tried now and then. What was read before is answered from memory.`, true);
      if (crm.calls["429"]) note(`${name} answered 429 ${crm.calls["429"]} times: somebody else calls it from this address, or it allows less than ${crm.rate} a second.`);
      if (crm.foreign_rate > 1) note(`${crm.foreign_rate.toFixed(1)} of ${crm.rate} calls a second of ${name} are missing.`);
    }
    if (state.operations?.needs_review) note(`${state.operations.needs_review} writes need somebody to look whether they were carried out.`, true);
    for (const part of state.reloads.filter((part) => !part.taken)) note(`Not reloaded: ${CRMS[part.part] ?? part.part}. ${part.detail}`, true);
    $("notes").replaceChildren(...notes);
  };

  const look = async () => {
    try {
      const answer = await fetch("admin/state", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      const t = Date.parse(state.at) / 1000;
      const last = looks[looks.length - 1];
      if (last && state.uptime_seconds < last.state.uptime_seconds) {
        looks.length = 0; // It was restarted and counts from nothing.
        charts.forEach((one) => one.clear());
      }
      looks.push({ t, state });
      if (looks.length > KEPT) looks.shift();
      show(state);
      charts.forEach((one) => one.look(t, state));
    } catch (problem) {
      $("dot").className = "dot bad";
      $("ready").className = "pill bad";
      $("ready").textContent = "no answer";
    }
  };

  tile("requests", "Requests");
  tile("fresh", "Fresh from memory");
  tile("stale", "Stale from memory");
  tile("p95", "95 % answered within");
  tile("waiting", "Waiting for a turn");
  tile("failed", "Failed");
  $("rest").append(memory.node, latency.node, operations, drift, keys, errors);

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((one) => one.draw()));
  addEventListener("resize", () => charts.forEach((one) => one.resize()));
  document.addEventListener("visibilitychange", () => document.hidden || look());
  look();
  setInterval(() => document.hidden || look(), EVERY);
})();
