// One head: its score, rank, group, and how the score depends on the trials.
const headPanel = (app) => {
  const box = el("div", { class: "panel", id: "head" });

  const update = () => {
    const { run, m, head: i } = app, g = m.grid;
    if (i < 0 || i >= g.count) {
      replace(box, el("p", { class: "faint" }, "Choose a head."));
      return;
    }
    const l = g.layer[i], layer = run.layers[l], kv = g.kvHead(i), rank = m.rank[i];
    const step = (by) => el("button", { type: "button", class: "quiet", disabled: !m.order[rank - 1 + by], "aria-label": by < 0 ? "better ranked head" : "worse ranked head",
      onclick: () => app.set({ head: m.order[rank - 1 + by] }) }, by < 0 ? "← better" : "worse →");
    const facts = [
      { name: "score", value: [score(m.mean[i]), m.low && interval(m.low[i], m.high[i]) && el("span", { class: "faint" }, " " + interval(m.low[i], m.high[i]))] },
      { name: "rank", value: rank > 0 ? [`${rank} of ${m.order.length}`, m.rank_low && m.rank_low[i] > 0 && el("span", { class: "faint" }, ` [${m.rank_low[i]}, ${m.rank_high[i]}]`)] : "none" },
      { name: "layer", value: `${l} of ${g.layers}` + (layer.window > 0 ? `, sees the last ${whole(layer.window)} tokens` : "") },
    ];
    if (kv >= 0 && !m.per_kv_head) {
      const group = g.group(l), mates = [];
      for (let h = kv * group; h < (kv + 1) * group; h++) if (h !== g.head[i]) mates.push(g.index(l, h));
      facts.push({ name: "KV head", value: [`${kv} of ${layer.kv_heads}`, mates.length > 0 && el("span", { class: "mates" }, " shared with ",
        mates.map((j) => el("button", { type: "button", class: "chip", onclick: () => app.set({ head: j }) }, `${g.name(j)} · ${score(m.mean[j])}`)))] });
    }
    if (m.n && m.n[i] > 0) facts.push({ name: "counted", value: plural(m.n[i], "trial") });
    const other = run.methods.filter((x) => x !== m && x.per_kv_head === m.per_kv_head && x.rank[i] > 0);
    if (other.length > 0) facts.push({ name: "otherwise", value: other.map((x) => el("div", null, `${x.name}: ${score(x.mean[i])}, rank ${x.rank[i]}`)) });
    const entries = app.entriesOf && app.entriesOf(l, g.head[i], m.per_kv_head);
    if (entries) facts.push({ name: "budget below", value: plural(entries, "entry").replace("entrys", "entries") });

    replace(box,
      el("div", { class: "panel-title" }, el("h3", null, g.name(i)), el("span", { class: "steps" }, step(-1), step(1))),
      definitions(facts), trialCharts(app, i));
  };
  return { box, update };
};

const trialCharts = (app, i) => {
  const { run, m } = app, t = run.trials, out = [];
  if (!t) return el("p", { class: "faint" }, "Scores of single trials are not known.");
  if (m.by_length.length > 1) {
    out.push(el("h4", null, "By length"), meansChart("mean score by context length", t.lengths, m.by_length.map((a) => a.at(i)), m.by_length_err.map((a) => a.at(i)), t.length_count, "tokens", "score", (v) => whole(v)).box);
  }
  if (m.by_depth.length > 1) {
    out.push(el("h4", null, "By depth of the needle"), meansChart("mean score by depth", t.depths, m.by_depth.map((a) => a.at(i)), m.by_depth_err.map((a) => a.at(i)), t.depth_count, "percent of the context", "score", (v) => String(+v.toFixed(1))).box);
  }
  if (m.by_step.length > 1) {
    out.push(el("h4", null, "By step of the answer"), meansChart("what each answer step adds to the score", m.by_step.map((_, s) => s + 1), m.by_step.map((a) => a.at(i)), m.by_step_err.map((a) => a.at(i)), t.step_count, "token of the answer", "adds to the score", (v) => whole(v)).box);
  }
  if (out.length > 0) out.push(el("p", { class: "faint small" }, "Mean over the counted trials; bars: ± one standard error, trials taken for independent."));
  if (m.by_needle.length > 1) out.push(needleBars(m, t, i));
  return out;
};

const needleBars = (m, t, i) => {
  const at = m.needle_at ? m.needle_at.get(i) : i;
  if (at === undefined) return el("p", { class: "faint small" }, `Scores by needle are kept for the ${m.needle_heads.length} best heads.`);
  const rows = m.by_needle.map((a, n) => ({ name: t.needles[n], n: t.needle_count[n], v: a.at(at) })).filter((r) => known(r.v)).sort((a, b) => b.v - a.v);
  const most = Math.max(1e-12, ...rows.map((r) => r.v));
  const few = 8;
  const list = (some) => some.map((r) => el("li", { title: `${r.name}: ${score(r.v)}, ${plural(r.n, "trial")}` },
    el("span", { class: "bar-name" }, r.name), el("span", { class: "bar" }, el("i", { style: { width: Math.max(0, (100 * r.v) / most) + "%" } })), el("span", { class: "bar-value" }, score(r.v))));
  const ul = el("ul", { class: "bars" }, list(rows.slice(0, few)));
  const more = rows.length > few && el("button", { type: "button", class: "quiet", onclick: () => {
    replace(ul, list(rows));
    more.remove();
  } }, `all ${rows.length} needles`);
  return [el("h4", null, "By needle"), ul, more];
};
