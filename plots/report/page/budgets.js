// The budget slider: what a capacity and β give to every cache.
const budgetSection = (app) => {
  const p = { ...Budget.defaults, level: "kv-head", type: "f16" };
  const run = app.run, longest = run.trials && run.trials.lengths.length > 0 ? Math.max(...run.trials.lengths) : 0;
  p.context = longest > 512 ? longest : 4096;
  let plan = null, failure = "";

  const number = (name, least, most, step) => el("input", { type: "number", min: least, max: most, step, value: p[name], onchange: (e) => set(name, Number(e.target.value)), onkeydown: (e) => e.key === "Enter" && set(name, Number(e.target.value)) });
  // The slider goes by powers, so that small capacities are as easy to reach.
  const toCapacity = (t) => {
    const c = Math.pow(2, Number(t));
    return Math.round(c < 64 ? c : c < 512 ? c / 4 : c / 16) * (c < 64 ? 1 : c < 512 ? 4 : 16);
  };
  const slider = el("input", { type: "range", min: 4, max: 13, step: 0.05, value: Math.log2(p.capacity), oninput: () => set("capacity", toCapacity(slider.value)) });
  const capacity = number("capacity", 1, 1048576, 1);
  const betaSlider = el("input", { type: "range", min: -2.3, max: 1, step: 0.01, value: Math.log10(p.beta - 1), oninput: () => set("beta", +(1 + Math.pow(10, Number(betaSlider.value))).toFixed(3)) });
  const beta = number("beta", 1.001, 1000, "any");
  const set = (name, value) => {
    if (typeof value === "number" && !Number.isFinite(value)) return;
    p[name] = value;
    if (name === "capacity") {
      capacity.value = value;
      if (document.activeElement !== slider) slider.value = Math.log2(Math.max(1, value));
    }
    if (name === "beta") {
      beta.value = value;
      if (document.activeElement !== betaSlider) betaSlider.value = Math.log10(Math.max(1e-3, value - 1));
    }
    update();
    app.changed("budget");
  };
  const policies = [["headkv", "HeadKV"], ["uniform", "uniform (SnapKV)"], ["pyramid", "PyramidKV"], ["top-heads", "top heads whole (DuoAttention)"]];
  const betaFields = [field("β", betaSlider, "the smaller, the more is divided by score"), field("β, exact", beta)];
  const fit = el("input", { type: "checkbox", onchange: () => set("fit", fit.checked) });
  const controls = el("div", { class: "controls" },
    field("Capacity", slider, "entries a cache gets on average, window included"), field("Capacity, exact", capacity), betaFields);
  const choices = el("div", { class: "choices" },
    field("Policy", select(policies, p.policy, (v) => set("policy", v))),
    field("Shared by", select([["kv-head", "a KV head"], ["head", "a query head (copies)"], ["layer", "a layer"]], p.level, (v) => set("level", v))),
    field("Window α", number("window", 0, 4096, 1), "last prompt tokens that are always kept"),
    field("Prompt, tokens", number("context", 0, 16777216, 1), "for the share of the full cache"),
    field("Cache type", select([["f16", "f16"], ["f32", "f32"]], p.type, (v) => {
      p.elementBytes = v === "f16" ? 2 : 4;
      set("type", v);
    })),
    el("label", { class: "check" }, fit, " make the total exact (fit)"));
  const tiles = el("div", { class: "tiles", id: "budget-totals", "aria-live": "polite" }), problem = el("p", { class: "problem", role: "alert", hidden: true });
  const line = el("div"), lead = el("p", { class: "faint small" });
  const gridOfCaches = () => {
    const perHead = p.level === "head";
    return gridOf(run, { per_kv_head: !perHead });
  };
  let grid = null, entries = new Float64Array(0), most = 1, least = 0;
  const map = heatmap({
    label: "Cache entries per head",
    grid: () => grid, values: () => entries, shade: (v) => (most > least ? 0.04 + 0.92 * (v - least) / (most - least) : 0.3), selected: () => -1,
    text: (i) => {
      const c = plan.caches[i];
      return [grid.name(i), `${whole(c.entries)} entries: ${whole(c.budget)} selected, window ${c.window}`, c.full && "kept whole", c.capped > 0 && `${whole(c.capped)} more than the layer’s sliding window holds`].filter(Boolean);
    },
    onselect: (i) => {
      const l = grid.layer[i], h = app.m.per_kv_head || p.level === "head" ? grid.head[i] : grid.head[i] * app.m.grid.group(l);
      const at = app.m.grid.index(l, h);
      if (at >= 0) app.set({ head: at });
    },
  });
  const shades = el("div");
  const box = card("budget", "Budget", "Divide a KV cache over the heads. The integers are those of headprof budget.", controls, choices, problem, tiles, el("div", null, map.box, shades), lead, line);

  const layersFor = (m) => (m.per_kv_head ? run.layers.map((l) => ({ ...l, heads: l.kv_heads })) : run.layers);

  const update = () => {
    const { m } = app;
    failure = "";
    try {
      plan = Budget.make(m.mean, layersFor(m), p);
    } catch (e) {
      plan = null;
      failure = e.message;
    }
    for (const f of betaFields) f.hidden = p.policy !== "headkv";
    problem.hidden = !failure;
    problem.textContent = failure ? failure[0].toUpperCase() + failure.slice(1) + "." : "";
    map.box.hidden = tiles.hidden = line.hidden = shades.hidden = !plan;
    app.entriesOf = null;
    if (!plan) return;
    const t = plan.totals;
    grid = gridOfCaches();
    entries = Float64Array.from(plan.caches, (c) => c.entries);
    most = t.high;
    least = t.low;
    map.draw();
    replace(shades, legend(whole(t.low), whole(t.high), p.level === "head" ? "entries per query head" : "entries per KV head"));
    const size = (b) => (b > 0 ? bytes(b) : "");
    const tile = (value, label, more) => el("div", { class: "tile" }, el("b", null, value), el("span", null, label), more && el("small", null, more));
    replace(tiles,
      tile(`${whole(t.low)} – ${whole(t.high)}`, "entries per cache", `${plural(t.caches, "cache")}`),
      tile(whole(t.entries), "entries in all", [t.entries !== t.requested && `${t.entries > t.requested ? "+" : "−"}${whole(Math.abs(t.entries - t.requested))} against capacity × caches`].filter(Boolean).join("")),
      size(t.entriesBytes) && tile(size(t.entriesBytes), "of keys and values", p.type),
      t.full > 0 && tile(percent(t.share, 2), "of the full cache", `${whole(t.held)} of ${whole(t.full)} entries at ${whole(p.context)} tokens`));
    lead.textContent = t.capped > 0 ? `${whole(t.capped)} entries would be more than sliding windows hold${p.fit ? "; they go to the other caches" : " and are given to none; fit hands them to the other caches"}.` : "";
    const flags = [["capacity", 0], ["policy", "headkv"], ["window", 8], ["level", "kv-head"]].filter(([k, d]) => p[k] !== d).map(([k]) => `--${k} ${p[k]}`);
    if (p.policy === "headkv" && p.beta !== 1.2) flags.push(`--beta ${p.beta}`);
    if (p.context > 0) flags.push(`--context ${p.context}`);
    if (p.fit) flags.push("--fit");
    if (p.type !== "f16") flags.push(`--cache-type ${p.type}`);
    flags.push(`--method ${m.name}`);
    if (!m.name) flags.pop();
    replace(line, command(`headprof budget ${shellWord(run.path)} ${flags.join(" ")} --out budget.json`));
    const byHead = new Map();
    for (const c of plan.caches) byHead.set(`${c.layer} ${p.level === "head" ? c.head : c.kvHead}`, c.entries);
    app.entriesOf = (l, h, perKV) => byHead.get(`${l} ${p.level === "head" || perKV ? h : Math.floor(h / app.m.grid.group(l))}`);
  };
  return { box, update: (what) => ["all", "method"].includes(what) && update(), plan: () => plan, set, map };
};

const shellWord = (s) => (/^[\w\-./:,=+@%]+$/.test(s) ? s : "'" + s.replaceAll("'", "'\\''") + "'");
