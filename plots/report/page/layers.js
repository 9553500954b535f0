// Share of the score by layer.
const layersSection = (app) => {
  const bars = chart("Share of the score by layer", 210, () => {
    const { m, run } = app, sums = new Array(m.grid.layers).fill(0), tops = new Array(m.grid.layers).fill(0);
    let total = 0;
    m.mean.forEach((v, i) => {
      if (Number.isNaN(v)) return;
      sums[m.grid.layer[i]] += v;
      total += v;
    });
    for (const i of m.order.slice(0, app.top)) tops[m.grid.layer[i]]++;
    const xs = sums.map((_, l) => l), ys = sums.map((v) => (total > 0 ? (100 * v) / total : 0)), colour = seriesColours()[0];
    return {
      data: [xs, ys],
      scales: { x: { time: false, range: () => [-0.6, xs.length - 0.4] }, y: { range: () => [Math.min(0, ...ys), Math.max(...ys, 1e-9) * 1.08] } },
      axes: [axis("layer", { size: 30, space: 24, incrs: [1, 2, 4, 5, 8, 10, 16, 20, 50], grid: { show: false } }), axis("share of the score, %", { size: 52, space: 30 })],
      series: [{}, { label: "share", stroke: colour, fill: colour, width: 0, paths: uPlot.paths.bars({ size: [0.72, 48], radius: 0.12 }), points: { show: false } }],
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      legend: { show: false },
      hooks: { setCursor: [(u) => {
        const l = u.cursor.idx;
        note.textContent = l === null || l === undefined ? hint : `Layer ${l}: ${ys[l].toFixed(1)} % of the score, ${tops[l]} of the top ${app.top}` + (run.layers[l].window > 0 ? `, sees the last ${whole(run.layers[l].window)} tokens` : "");
      }] },
    };
  });
  const hint = "Point at a layer for its top heads.";
  const note = el("p", { class: "faint small" }, hint);
  const box = card("layers", "Layers", "The sum of a layer’s scores over the sum of all.", bars.box, note);
  return { box, update: (what) => what !== "head" && bars.draw() };
};
