// Colours. The sequential palette is the one of the figures: its order rests on
// lightness, which every kind of colour vision keeps. In dark mode it runs the
// other way, so that nothing recedes into the page there too.
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => dark.matches && !("printing" in document.documentElement.dataset);

let rampColours = [];
const setRamp = (hex) => { rampColours = hex.map((h) => [0, 2, 4].map((i) => parseInt(h.slice(i, i + 2), 16))); };

const rampAt = (t) => {
  const x = Math.max(0, Math.min(1, isDark() ? 0.97 * (1 - t) : t)) * (rampColours.length - 1);
  const i = Math.min(Math.floor(x), rampColours.length - 2), f = x - i;
  return rampColours[i].map((v, k) => Math.round(v + f * (rampColours[i + 1][k] - v)));
};

const css = (c) => `rgb(${c[0]} ${c[1]} ${c[2]})`;
const onRamp = (t) => {
  const [r, g, b] = rampAt(t);
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#16181d" : "#ffffff";
};

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Okabe and Ito's colours, lighter on dark ground; with each a dash, so that
// colour alone tells nothing apart.
const seriesColours = () => (isDark()
  ? ["#56b4e9", "#ff8a4c", "#2fc79a", "#e3a1c6", "#f0c35c", "#8fb8ff", "#c9ced6", "#8a919e"]
  : ["#0072b2", "#d55e00", "#009e73", "#b5578d", "#b07a00", "#3f86c9", "#404040", "#808080"]);
const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [], [6, 3], [2, 3], [8, 3, 2, 3]];

// scales map scores to [0, 1].
const scales = {
  linear: { label: "linear", make: (m, low, high) => (v) => (high > low ? (v - low) / (high - low) : 0) },
  root: { label: "square root", make: (m, low, high) => (v) => (high > low ? Math.sqrt(Math.max(0, (v - low) / (high - low))) : 0) },
  log: { label: "logarithmic", make: (m, low, high) => (v) => (high > low ? Math.max(0, 1 + Math.log10(Math.max(1e-9, (v - low) / (high - low))) / 4) : 0) },
  rank: { label: "rank", make: (m) => (v, i) => (m.order.length > 1 && m.rank[i] > 0 ? 1 - (m.rank[i] - 1) / (m.order.length - 1) : 0) },
};

const scaleOf = (m, name) => {
  let low = 0, high = 0;
  for (const v of m.mean) {
    if (Number.isNaN(v)) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return { low, high, at: scales[name].make(m, low, high) };
};
