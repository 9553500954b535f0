// Heads in order of their scores.
const rankingSection = (app) => {
  const table = el("div");
  const curve = chart("Scores in order of rank, with intervals", 230, () => {
    const { m } = app, colours = seriesColours();
    const n = Math.min(m.order.length, Math.max(40, 4 * app.top)), shown = m.order.slice(0, n);
    const xs = shown.map((_, i) => i + 1), ys = shown.map((i) => m.mean[i]);
    const low = shown.map((i) => (m.low ? m.low[i] : NaN)), high = shown.map((i) => (m.high ? m.high[i] : NaN));
    const best = Math.max(...ys, ...high.filter(known)), least = Math.min(0, ...ys, ...low.filter(known));
    return {
      data: [xs, ys],
      scales: { x: { time: false, range: () => [0, n + 1] }, y: { range: () => range(least, best) } },
      axes: [axis("rank", { size: 30, space: 40, grid: { show: false } }), axis("score", { values: plain, size: 56, space: 30 })],
      series: [{}, { label: "score", stroke: colours[0], width: 0, paths: () => null, points: { show: true, size: n > 200 ? 3 : 6, fill: colours[0] } }],
      cursor: { drag: { x: false, y: false }, points: { size: 9 } },
      legend: { show: false },
      hooks: {
        draw: [intervalsOf(1, low, high, () => colours[0] + "99"), (u) => {
          const px = Math.round(u.valToPos(app.top + 0.5, "x", true));
          u.ctx.save();
          u.ctx.strokeStyle = token("--mark");
          u.ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.beginPath();
          u.ctx.moveTo(px, u.bbox.top);
          u.ctx.lineTo(px, u.bbox.top + u.bbox.height);
          u.ctx.stroke();
          u.ctx.restore();
        }],
        setCursor: [(u) => {
          const i = u.cursor.idx;
          note.textContent = i === null || i === undefined ? hint : `${m.grid.name(shown[i])}: ${score(ys[i])} ${interval(low[i], high[i])}, rank ${i + 1}`;
        }],
        ready: [(u) => u.over.addEventListener("click", () => {
          if (u.cursor.idx !== null && u.cursor.idx !== undefined) app.set({ head: shown[u.cursor.idx] });
        })],
      },
    };
  });
  const hint = "Point at a head; a click shows it above. Dashed: the border of the top heads.";
  const note = el("p", { class: "faint small" }, hint);
  const half = el("p", { class: "small" });
  const box = card("ranking", "Ranking", null, curve.box, note, half, table);

  const update = (what) => {
    const { m, run } = app;
    if (what === "head") {
      for (const row of table.querySelectorAll("tbody tr")) row.classList.toggle("chosen", Number(row.dataset.head) === app.head);
      return;
    }
    curve.draw();
    half.textContent = known(m.half) ? `Two halves of this run (by ${m.half_unit}) rank the heads with correlation ${m.half.toFixed(2)}; the whole run, by Spearman and Brown, ${m.corrected.toFixed(2)}.` : "";
    const tied = tieText(m, app.top);
    const most = Math.max(1e-12, m.mean[m.order[0]], m.high ? m.high[m.order[0]] : 0);
    const rows = m.order.slice(0, Math.min(app.top, 200)).map((i) => {
      const open = el("button", { type: "button", class: "link", onclick: () => app.set({ head: i }) }, m.grid.name(i));
      const bar = el("span", { class: "bar" }, el("i", { style: { width: Math.max(0, (100 * m.mean[i]) / most) + "%" } }),
        m.low && known(m.low[i]) && el("b", { style: { left: Math.max(0, (100 * m.low[i]) / most) + "%", width: Math.max(0, (100 * (m.high[i] - m.low[i])) / most) + "%" } }));
      const row = el("tr", { class: i === app.head ? "chosen" : "" }, el("td", { class: "n" }, m.rank[i]), el("td", null, open),
        !m.per_kv_head && run.layers[0].kv_heads > 0 && el("td", { class: "n" }, m.grid.kvHead(i)), el("td", { class: "n" }, score(m.mean[i])), el("td", { class: "wide" }, bar),
        el("td", { class: "faint" }, m.low ? interval(m.low[i], m.high[i]) : ""), el("td", { class: "faint" }, m.rank_low && m.rank_low[i] > 0 ? `${m.rank_low[i]} to ${m.rank_high[i]}` : ""));
      row.dataset.head = i;
      return row;
    });
    const head = ["rank", "head", !m.per_kv_head && run.layers[0].kv_heads > 0 && "KV head", "score", "", m.interval || "interval", "rank’s interval"].filter((h) => h !== false);
    replace(table, tied && el("p", { class: "warn" }, tied), dataTable(`The top ${app.top} heads`, head, rows, "ranks"));
  };
  return { box, update };
};

// tieText says where the border of the top runs through equal scores.
const tieText = (m, k) => {
  if (k < 1 || k >= m.order.length) return "";
  const v = m.mean[m.order[k - 1]];
  if (m.mean[m.order[k]] !== v) return "";
  const tied = m.order.filter((i) => m.mean[i] === v).length, inside = m.order.slice(0, k).filter((i) => m.mean[i] === v).length;
  return `The border of the top ${k} runs through ${tied} heads of equal score ${score(v)}: ${inside} of them are in, by layer and head.`;
};
