// How far rankings agree: methods of a run, and runs with each other.
const agreementSection = (app, data) => {
  if (!data.agreements || data.agreements.length === 0) return null;
  const several = data.runs.length > 1;
  const nameOf = (r) => (several ? `${data.runs[r.run].name} · ` : "") + data.runs[r.run].methods[r.method].name;
  const title = el("h2", { id: "agreement-title" }, several ? "Runs and methods compared" : "Agreement of methods");
  const box = el("section", { class: "card", id: "agreement", "aria-labelledby": "agreement-title" }, title);
  let pair = null;

  const update = (what) => {
    if (what === "head" && box.childElementCount > 1) return;
    replace(box, title,
      el("p", { class: "lead" }, `Spearman’s rank correlation with its interval, and how many of the top ${app.top} heads two rankings share. Choose a pair to see its heads.`),
      data.agreements.map((a, n) => matrixOf(a, n)));
    redraw();
  };
  let redraw = () => {};

  const matrixOf = (a, n) => {
    const rankings = a.rankings.map((r) => data.runs[r.run].methods[r.method]);
    const tops = rankings.map((m) => new Set(m.order.slice(0, app.top)));
    const shared = (i, j) => [...tops[i]].filter((h) => tops[j].has(h)).length;
    const detail = el("div");
    const show = (i, j) => {
      pair = [n, i, j];
      const s = scatter(a, i, j);
      replace(detail, s.box);
      redraw = s.draw;
      s.draw();
      for (const b of table.querySelectorAll("button")) b.setAttribute("aria-pressed", b.dataset.pair === `${i}-${j}`);
    };
    const rows = a.rankings.map((r, i) => el("tr", null, el("th", { scope: "row" }, nameOf(r)), a.rankings.map((_, j) => {
      if (i === j) return el("td", { class: "cell none" }, "–");
      const v = a.spearman[i][j], t = known(v) ? Math.max(0, v) * 0.85 : 0;
      const b = el("button", { type: "button", class: "cell", "aria-pressed": "false", onclick: () => show(i, j), style: { background: css(rampAt(t)), color: onRamp(t) } },
        el("b", null, known(v) ? v.toFixed(2) : "–"), known(a.low[i][j]) && el("small", null, `[${a.low[i][j].toFixed(2)}, ${a.high[i][j].toFixed(2)}]`), el("small", null, `${shared(i, j)} of ${Math.min(app.top, tops[i].size, tops[j].size)} shared`));
      b.dataset.pair = `${i}-${j}`;
      return el("td", { class: "fit" }, b);
    })));
    const table = dataTable("Agreement of rankings", ["", ...a.rankings.map(nameOf)], rows, "matrix");
    if (pair && pair[0] === n) queueMicrotask(() => show(pair[1], pair[2]));
    else if (!pair && n === 0 && a.rankings.length > 1) queueMicrotask(() => show(0, 1));
    return [table, a.interval && el("p", { class: "faint small" }, a.interval), detail];
  };

  // scatter draws the ranks or scores of two rankings against each other.
  const scatter = (a, i, j) => {
    const x = data.runs[a.rankings[i].run].methods[a.rankings[i].method], y = data.runs[a.rankings[j].run].methods[a.rankings[j].method];
    const heads = Array.from(x.mean.keys()).filter((h) => known(x.mean[h]) && known(y.mean[h]));
    heads.sort((p, q) => x.mean[p] - x.mean[q]);
    const topX = new Set(x.order.slice(0, app.top)), topY = new Set(y.order.slice(0, app.top));
    const kinds = [["in neither top", (h) => !topX.has(h) && !topY.has(h)], [`only in ${nameOf(a.rankings[i])}`, (h) => topX.has(h) && !topY.has(h)], [`only in ${nameOf(a.rankings[j])}`, (h) => !topX.has(h) && topY.has(h)], ["in both", (h) => topX.has(h) && topY.has(h)]];
    const note = el("p", { class: "faint small" }, "\u00a0");
    const c = chart(`Scores of ${nameOf(a.rankings[i])} against ${nameOf(a.rankings[j])}`, 320, () => {
      const s = seriesColours(), colours = [token("--faint"), s[4], s[2], s[1]];
      const xs = heads.map((h) => x.mean[h]);
      return {
        data: [xs, ...kinds.map(([, is]) => heads.map((h) => (is(h) ? y.mean[h] : null)))],
        scales: { x: { time: false, range: (u, lo, hi) => range(Math.min(0, lo), hi) }, y: { range: (u, lo, hi) => range(Math.min(0, lo), hi) } },
        axes: [axis(nameOf(a.rankings[i]), { values: plain, size: 32, space: 60 }), axis(nameOf(a.rankings[j]), { values: plain, size: 56, space: 34 })],
        series: [{ label: nameOf(a.rankings[i]) }, ...kinds.map(([label], k) => ({ label, stroke: colours[k], width: 0, paths: () => null, points: { show: true, size: k === 0 ? 4 : 8, fill: k === 0 ? colours[k] + "80" : k === 3 ? colours[k] : token("--card"), width: k === 0 ? 0 : 2, stroke: colours[k] } }))],
        cursor: { drag: { x: false, y: false } },
        legend: { show: true, live: false },
        hooks: {
          setCursor: [(u) => {
            const k = nearest(u);
            note.textContent = k < 0 ? "\u00a0" : `${x.grid.name(heads[k])}: ${score(x.mean[heads[k]])} (rank ${x.rank[heads[k]]}) and ${score(y.mean[heads[k]])} (rank ${y.rank[heads[k]]})`;
          }],
          ready: [(u) => u.over.addEventListener("click", () => {
            const k = nearest(u);
            if (k >= 0) app.set({ head: heads[k] });
          })],
        },
      };
    });
    const nearest = (u) => {
      if (u.cursor.left < 0) return -1;
      let best = -1, far = 625;
      heads.forEach((h, k) => {
        const dx = u.valToPos(x.mean[h], "x") - u.cursor.left, dy = u.valToPos(y.mean[h], "y") - u.cursor.top, d = dx * dx + dy * dy;
        if (d < far) {
          far = d;
          best = k;
        }
      });
      return best;
    };
    const names = (set, other) => [...set].filter((h) => !other.has(h)).map((h) => x.grid.name(h));
    const only = (label, list) => list.length > 0 && el("p", { class: "small" }, el("b", null, label + ": "), list.slice(0, 40).join(", "), list.length > 40 && ` and ${list.length - 40} more`);
    return { box: el("div", null, c.box, note, only("Only in " + nameOf(a.rankings[i]), names(topX, topY)), only("Only in " + nameOf(a.rankings[j]), names(topY, topX))), draw: c.draw };
  };
  return { box, update };
};
