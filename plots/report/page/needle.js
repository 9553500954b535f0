// Pass rate by depth and length.
const needleSection = (app) => {
  const g = app.run.needles;
  if (!g) return null;
  const rows = () => g.depths.map((d, i) => el("tr", null, el("th", { scope: "row" }, String(+d.toFixed(1))),
    g.lengths.map((l, j) => {
      const n = g.trials[i][j], p = g.passed[i][j];
      if (n === 0) return el("td", { class: "cell none", title: `length ${l}, depth ${d}: no trial` }, "·");
      return el("td", { class: "cell", title: `length ${l}, depth ${d} %: ${p} of ${n} passed`, style: { background: css(rampAt(0.08 + 0.8 * (p / n))), color: onRamp(0.08 + 0.8 * (p / n)) } }, `${p}/${n}`);
    })));
  const total = (a) => a.flat().reduce((x, y) => x + y, 0);
  const table = el("div");
  const box = card("needle", "Needle grid", `Trials that passed, by depth of the needle (percent, down) and context length (tokens, across): ${total(g.passed)} of ${total(g.trials)}.`,
    table);
  const update = (what) => what === "all" && replace(table, dataTable("Pass rate by depth and length", ["depth", ...g.lengths.map(whole)], rows(), "grid"));
  return { box, update };
};
