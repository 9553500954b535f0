// A map of heads on a canvas: layers from top to bottom, heads from left to
// right. It is driven by pointer and keys, and tells a screen reader each move.
//
// o: grid, values, shade(v, i) → 0…1, text(i) → lines of the tip, label,
// ringed (set of heads), onselect(i), selected() → i
const heatmap = (o) => {
  const canvas = el("canvas", { tabIndex: 0, role: "img", "aria-roledescription": "heatmap", "aria-label": o.label + ". Arrow keys move, Enter selects." });
  const tip = el("div", { class: "tip", hidden: true });
  const box = el("div", { class: "heatmap" }, canvas, tip);
  let cell = { w: 10, h: 10 }, left = 40, top = 6, at = -1, layout = null;

  const measure = () => {
    const g = o.grid(), width = box.clientWidth || 600;
    left = 14 + 8 * String(g.layers - 1).length + (o.marks && o.marks().some(Boolean) ? 10 : 0);
    const gaps = gapsOf(g);
    const w = Math.max(3, Math.min(72, Math.floor((width - left - 4 - gaps) / g.columns)));
    const tallest = Math.max(6, Math.floor(760 / g.layers));
    cell = { w, h: Math.max(Math.min(w, 5), Math.min(w, tallest, g.layers <= 8 ? 48 : 26)) };
    layout = { g, gaps, width: left + gaps + cell.w * g.columns + 2, height: top + cell.h * g.layers + 22 };
  };
  // KV groups are set apart by a gap.
  const groupOf = (g) => (g.layers ? g.group(0) : 1);
  const gapsOf = (g) => {
    const group = groupOf(g);
    return group > 1 ? 2 * Math.floor((g.columns - 1) / group) : 0;
  };
  const x = (h) => left + h * cell.w + (groupOf(layout.g) > 1 ? 2 * Math.floor(h / groupOf(layout.g)) : 0);
  const y = (l) => top + l * cell.h;

  const draw = () => {
    measure();
    const ratio = Math.max(1, window.devicePixelRatio || 1), g = layout.g, values = o.values();
    canvas.width = layout.width * ratio;
    canvas.height = layout.height * ratio;
    canvas.style.width = layout.width + "px";
    canvas.style.height = layout.height + "px";
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    const pad = cell.w > 7 ? 1 : 0.5, ink = token("--ink"), faint = token("--faint");
    for (let i = 0; i < g.count; i++) {
      const v = values[i], px = x(g.head[i]), py = y(g.layer[i]);
      if (Number.isNaN(v)) {
        c.strokeStyle = token("--line");
        c.strokeRect(px + 1, py + 1, cell.w - pad - 1.5, cell.h - pad - 1.5);
        continue;
      }
      c.fillStyle = css(rampAt(o.shade(v, i)));
      c.fillRect(px, py, cell.w - pad, cell.h - pad);
    }
    c.lineWidth = cell.w > 9 ? 1.75 : 1.2;
    c.strokeStyle = token("--mark");
    for (const i of o.ringed ? o.ringed() : []) {
      const d = c.lineWidth / 2;
      c.strokeRect(x(g.head[i]) + d, y(g.layer[i]) + d, cell.w - pad - 2 * d, cell.h - pad - 2 * d);
    }
    c.font = "11px " + token("--font");
    c.fillStyle = faint;
    c.textBaseline = "middle";
    c.textAlign = "right";
    const marks = o.marks ? o.marks() : [];
    const everyL = stepFor(13 / cell.h);
    for (let l = 0; l < g.layers; l++) {
      if (l % everyL === 0) c.fillText(String(l), left - 7, y(l) + cell.h / 2);
      if (marks[l]) {
        c.beginPath();
        c.arc(5, y(l) + cell.h / 2, Math.min(2.5, cell.h / 3), 0, 7);
        c.fill();
      }
    }
    c.textAlign = "center";
    c.textBaseline = "top";
    const everyH = stepFor(20 / cell.w);
    for (let h = 0; h < g.columns; h += everyH) c.fillText(String(h), x(h) + cell.w / 2, y(g.layers) + 6);
    const chosen = o.selected ? o.selected() : -1;
    for (const [i, width, colour] of [[chosen, 3, ink], [at === chosen ? -1 : at, 2, ink]]) {
      if (i < 0 || i >= g.count) continue;
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.strokeRect(x(g.head[i]) - 1, y(g.layer[i]) - 1, cell.w - pad + 2, cell.h - pad + 2);
    }
  };
  const stepFor = (least) => [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100].find((s) => s >= least) || 128;

  const hit = (event) => {
    const r = canvas.getBoundingClientRect(), g = layout.g;
    const l = Math.floor((event.clientY - r.top - top) / cell.h);
    for (let h = 0; h < g.columns; h++) {
      const px = event.clientX - r.left;
      if (px >= x(h) && px < x(h) + cell.w) return g.index(l, h);
    }
    return -1;
  };
  const show = (i) => {
    if (i === at) return;
    at = i;
    draw();
    tip.hidden = i < 0;
    if (i < 0) return;
    const [title, ...lines] = o.text(i);
    replace(tip, el("b", null, title), lines.map((t) => el("div", null, t)));
    const g = layout.g, px = x(g.head[i]) + cell.w, py = y(g.layer[i]) + cell.h;
    tip.style.left = Math.max(0, Math.min(px + 6, box.clientWidth - tip.offsetWidth - 4)) + "px";
    tip.style.top = py + 6 + "px";
  };
  canvas.addEventListener("pointermove", (e) => show(hit(e)));
  canvas.addEventListener("pointerleave", () => show(-1));
  canvas.addEventListener("blur", () => show(-1));
  canvas.addEventListener("click", (e) => {
    const i = hit(e);
    if (i >= 0 && o.onselect) o.onselect(i);
  });
  canvas.addEventListener("keydown", (e) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e6], End: [0, 1e6] };
    const g = layout.g;
    if (e.key === "Enter" || e.key === " ") {
      if (at >= 0 && o.onselect) o.onselect(at);
      e.preventDefault();
      return;
    }
    if (e.key === "Escape") return show(-1);
    const m = moves[e.key];
    if (!m) return;
    e.preventDefault();
    const from = at >= 0 ? at : Math.max(0, o.selected ? o.selected() : 0);
    const l = Math.max(0, Math.min(g.layers - 1, g.layer[from] + m[0])), h = Math.max(0, Math.min(g.columns - 1, g.head[from] + m[1]));
    let i = g.index(l, h);
    for (let k = h; i < 0 && k > 0; k--) i = g.index(l, k - 1);
    if (i >= 0) {
      show(i);
      said(o.text(i).join(", "));
    }
  });
  onRedraw(draw, box);
  return { box, draw, canvas, place: (i) => ({ x: x(layout.g.head[i]) + cell.w / 2, y: y(layout.g.layer[i]) + cell.h / 2 }) };
};

// legend is the palette with its ends.
const legend = (low, high, name) => {
  const bar = el("div", { class: "ramp" });
  for (let i = 0; i < 48; i++) bar.append(el("i", { style: { background: css(rampAt(i / 47)) } }));
  return el("div", { class: "legend" }, el("span", null, low), bar, el("span", null, high), name && el("span", { class: "faint" }, name));
};
