// The map of all heads, with what switches it, and the panel of one head.
const headsSection = (app) => {
  const panel = headPanel(app);
  let scale = null;
  const map = heatmap({
    label: "Score of every head",
    grid: () => app.m.grid,
    values: () => app.m.mean,
    shade: (v, i) => scale.at(v, i),
    ringed: () => app.m.order.slice(0, app.top),
    marks: () => app.run.layers.map((l) => l.window > 0),
    selected: () => app.head,
    onselect: (i) => app.set({ head: i }),
    text: (i) => {
      const { m } = app, kv = m.grid.kvHead(i);
      return [m.grid.name(i), `score ${score(m.mean[i])} ${m.low ? interval(m.low[i], m.high[i]) : ""}`.trim(),
        m.rank[i] > 0 ? `rank ${m.rank[i]}` + (m.rank_low && m.rank_low[i] > 0 ? ` [${m.rank_low[i]}, ${m.rank_high[i]}]` : "") : "no score",
        !m.per_kv_head && kv >= 0 && `KV head ${kv}`].filter(Boolean);
    },
  });
  const below = el("div"), lead = el("p", { class: "lead" });
  const box = el("section", { class: "card", id: "heads", "aria-labelledby": "heads-title" },
    el("h2", { id: "heads-title" }, "Heads"), lead,
    el("div", { class: "split" }, el("div", { class: "split-main" }, map.box, below), panel.box));

  const update = (what) => {
    const { run, m } = app;
    scale = scaleOf(m, app.scale);
    if (what !== "head") {
      replace(lead, m.measures ? `${m.name}: ${m.measures}` : m.label || m.name, m.source && el("span", { class: "faint" }, ` (${m.source})`), ". ",
        `Ringed: the top ${app.top}.`, m.listed && " The source lists its best heads; of the others nothing is known.");
      const windows = new Set(run.layers.map((l) => l.window).filter((w) => w > 0));
      replace(below, app.scale === "rank" ? legend("last", "first", "rank") : legend(score(scale.low), score(scale.high), `${m.label || "score"}, ${scales[app.scale].label}`),
        el("p", { class: "faint small" }, m.per_kv_head ? "Columns are KV heads." : run.layers[0].kv_heads > 0 && m.grid.group(0) > 1 ? `Gaps set apart the ${m.grid.group(0)} query heads that share a KV head.` : "",
          windows.size > 0 && ` • before a layer: it sees the last ${[...windows].map(whole).join(" or ")} tokens.`));
    }
    map.draw();
    panel.update();
  };
  return { box, update, map };
};
