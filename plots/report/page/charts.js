// Charts by uPlot, in the page's colours.
const axis = (label, o) => ({
  stroke: token("--faint"), font: "11px " + token("--font"), labelFont: "11px " + token("--font"), labelSize: 18, size: 44, gap: 4,
  grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line"), width: 1, size: 4 }, label, ...o,
});

// plain writes an axis' numbers without zeros at the end.
const plain = (u, v) => v.map((x) => (x === null ? "" : Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 1e-4) ? x.toExponential(0) : String(+x.toPrecision(6))));

// chart draws o.make() → { data, series, axes, scales, … } and again when the
// page's width or colours change.
const chart = (label, height, make) => {
  const box = el("div", { class: "chart", role: "img", "aria-label": label });
  let plot = null;
  const draw = () => {
    if (!box.isConnected || !box.clientWidth) return;
    if (plot) plot.destroy();
    const o = make();
    if (!o) {
      plot = null;
      return;
    }
    const { data, ...options } = o;
    plot = new uPlot({ width: box.clientWidth, height, pxAlign: 1, padding: [10, 12, 0, 4], legend: { show: options.series.length > 2, live: true }, ...options }, data, box);
    box.plot = plot;
  };
  onRedraw(draw, box);
  queueMicrotask(draw);
  return { box, draw };
};

// intervalsOf is a uPlot hook that draws intervals [low, high] of series s at each x.
const intervalsOf = (s, low, high, colour) => (u) => {
  const c = u.ctx;
  c.save();
  c.beginPath();
  c.rect(u.bbox.left, u.bbox.top - 4, u.bbox.width, u.bbox.height + 8);
  c.clip();
  c.strokeStyle = colour();
  c.lineWidth = 1.25 * devicePixelRatio;
  c.beginPath();
  for (let i = 0; i < u.data[0].length; i++) {
    const lo = low[i], hi = high[i];
    if (!known(lo) || !known(hi) || !known(u.data[s][i])) continue;
    const px = u.valToPos(u.data[0][i], "x", true), a = u.valToPos(lo, "y", true), b = u.valToPos(hi, "y", true);
    if (px < u.bbox.left - 1 || px > u.bbox.left + u.bbox.width + 1) continue;
    c.moveTo(px, a);
    c.lineTo(px, b);
    for (const e of [a, b]) {
      c.moveTo(px - 3 * devicePixelRatio, e);
      c.lineTo(px + 3 * devicePixelRatio, e);
    }
  }
  c.stroke();
  c.restore();
};

const range = (low, high) => {
  const pad = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 1;
  return [low === 0 ? 0 : low - pad, high + pad];
};

// meansChart draws a mean with its standard error over few places.
const meansChart = (label, at, ys, errs, counts, xLabel, yLabel, xText) => chart(label, 170, () => {
  let xs = at;
  const colour = seriesColours()[0];
  // Places that double from one to the next stand at equal distances.
  const places = xs, uneven = xs[0] > 0 && xs[xs.length - 1] / xs[0] > 10;
  if (uneven) xs = xs.map((_, i) => i);
  const low = ys.map((v, i) => v - (known(errs[i]) ? errs[i] : 0)), high = ys.map((v, i) => v + (known(errs[i]) ? errs[i] : 0));
  const xr = range(Math.min(...xs), Math.max(...xs));
  if (xs[0] === 0) xr[0] = -0.06 * xs[xs.length - 1];
  return {
    data: [xs, ys],
    scales: { x: { time: false, range: () => xr }, y: { range: () => range(Math.min(0, ...low.filter(known)), Math.max(...high.filter(known), 1e-9)) } },
    axes: [axis(xLabel, { splits: () => xs, values: () => places.map(xText), size: 30, space: 30, grid: { show: false } }), axis(yLabel, { values: plain, size: 52, space: 28 })],
    series: [{}, { label: yLabel, stroke: colour, width: 2, points: { show: true, size: 7, fill: colour } }],
    cursor: { drag: { x: false, y: false } },
    legend: { show: false },
    hooks: { draw: [intervalsOf(1, low, high, () => colour)] },
  };
});
