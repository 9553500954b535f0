// What smaller caches and masked heads do to answers.
const linesChart = (label, xLabel, yLabel, groups, pick, x) => chart(label, 280, () => {
  const colours = seriesColours(), tables = [];
  groups.forEach((g) => {
    const rows = g.rows.filter((r) => known(x(r)) && known(pick(r).value)).sort((a, b) => x(a) - x(b));
    tables.push([rows.map(x), rows.map((r) => pick(r).value)]);
  });
  const drawn = groups.map((g, i) => ({ ...g, i })).filter((g) => tables[g.i][0].length > 0);
  if (drawn.length === 0) return null;
  const ends = drawn.flatMap((g) => g.rows.flatMap((r) => [pick(r).value, pick(r).low, pick(r).high])).filter(known);
  const data = uPlot.join(drawn.map((g) => tables[g.i]));
  const bars = drawn.map((g, k) => {
    const at = new Map(g.rows.map((r) => [x(r), pick(r)]));
    const of = data[0].map((v) => at.get(v) || {});
    return intervalsOf(k + 1, of.map((e) => e.low), of.map((e) => e.high), () => colours[g.i % 8] + "70");
  });
  return {
    data,
    scales: { x: { time: false, range: (u, lo, hi) => range(lo, hi) }, y: { range: () => range(Math.min(...ends), Math.max(...ends)) } },
    axes: [axis(xLabel, { size: 32, space: 60 }), axis(yLabel, { size: 56, space: 34 })],
    legend: { show: true, live: false },
    series: [{ label: xLabel }, ...drawn.map((g) => ({ label: g.name, stroke: colours[g.i % 8], dash: dashes[g.i % 8].map((d) => d * devicePixelRatio), width: 2, spanGaps: true, points: { show: true, size: 7, fill: g.i % 2 ? token("--card") : colours[g.i % 8], stroke: colours[g.i % 8], width: 1.5 } }))],
    cursor: { drag: { x: false, y: false } },
    hooks: { draw: bars },
  };
});

const groupBy = (rows, key) => {
  const out = new Map();
  for (const r of rows) {
    if (!out.has(key(r))) out.set(key(r), []);
    out.get(key(r)).push(r);
  }
  return [...out].map(([name, list]) => ({ name, rows: list }));
};

const scaled = (e, by) => ({ value: known(e.value) ? by * e.value : NaN, low: known(e.low) ? by * e.low : NaN, high: known(e.high) ? by * e.high : NaN });
const estimate = (e, by, digits) => (known(e.value) ? (by * e.value).toFixed(digits) + (known(e.low) ? ` [${(by * e.low).toFixed(digits)}, ${(by * e.high).toFixed(digits)}]` : "") : "–");

const evaluationSection = (e, n) => card("evaluation-" + n, "Smaller caches: " + e.name, "Score and answer log-probability under each eviction policy, against the share of the cache that was kept. The log-probability shows a difference long before the score does.",
  groupBy(e.rows, (r) => r.task).map((task) => {
    const byPolicy = groupBy(task.rows, (r) => r.policy), share = (r) => (known(r.share) ? 100 * r.share : NaN);
    const rows = task.rows.map((r) => el("tr", null, el("td", null, r.policy), el("td", { class: "n" }, r.capacity > 0 ? whole(r.capacity) : "whole"), el("td", { class: "n" }, known(r.share) ? percent(r.share, 1) : "–"),
      el("td", { class: "n" }, known(r.bytes) ? bytes(r.bytes) : "–"), el("td", { class: "n" }, estimate(r.score, 100, 1)), el("td", { class: "n" }, estimate(r.logprob, 1, 2))));
    return [el("h3", null, `${task.name}, ${plural(task.rows[0].n, "prompt")}`),
      el("div", { class: "pair" }, linesChart(`${task.name}: score by share kept`, "share of the cache kept, %", "score, %", byPolicy, (r) => scaled(r.score, 100), share).box,
        linesChart(`${task.name}: log-probability by share kept`, "share of the cache kept, %", "answer log-probability, nats", byPolicy, (r) => r.logprob, share).box),
      el("details", null, el("summary", null, "Table"), dataTable(`${task.name}: policies`, ["policy", "capacity", "kept", "bytes", "score, % [95 %]", "log-probability [95 %]"], rows))];
  }), madeDetails(e.made));

const ablationSection = (a, n) => {
  const rows = a.rows.filter((r) => !r.seed), none = rows.find((r) => r.choice === "none");
  const groups = groupBy(rows.filter((r) => r.choice !== "none"), (r) => r.choice);
  if (none) for (const g of groups) g.rows = [{ ...none }, ...g.rows];
  const table = a.rows.map((r) => el("tr", null, el("td", null, r.choice + (r.seed ? ` (draw ${r.seed})` : "")), el("td", { class: "n" }, r.heads), el("td", { class: "n" }, estimate(r.pass_rate, 100, 1)), el("td", { class: "n" }, estimate(r.logprob, 1, 2))));
  return card("ablation-" + n, "Masked heads: " + a.name, "What masking the top heads does to answers, against random heads of the same layers and the lowest ranked. Top heads matter if they cost far more than random ones.",
    el("div", { class: "pair" }, linesChart("Pass rate by masked heads", "heads masked", "pass rate, %", groups, (r) => scaled(r.pass_rate, 100), (r) => r.heads).box,
      linesChart("Answer log-probability by masked heads", "heads masked", "answer log-probability, nats", groups, (r) => r.logprob, (r) => r.heads).box),
    el("details", null, el("summary", null, "Table"), dataTable("Masked heads", ["choice", "heads", "pass rate, % [95 %]", "log-probability [95 %]"], table)), madeDetails(a.made));
};
