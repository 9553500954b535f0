// Numbers as people read them.
const known = (v) => v !== null && v !== undefined && !Number.isNaN(v);

const score = (v) => {
  if (!known(v)) return "–";
  if (v === 0) return "0";
  const a = Math.abs(v);
  if (a < 1e-4 || a >= 1e6) return v.toExponential(1);
  return v.toFixed(Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(a)))));
};

const interval = (low, high) => (known(low) && known(high) ? `[${score(low)}, ${score(high)}]` : "");

const whole = (n) => (known(n) ? Math.round(n).toLocaleString("en-US") : "–");

const percent = (v, digits) => {
  if (!known(v)) return "–";
  const p = 100 * v;
  const d = digits !== undefined ? digits : Math.abs(p) >= 10 || p === 0 ? 0 : Math.abs(p) >= 1 ? 1 : 2;
  return p.toFixed(d) + " %";
};

const bytes = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return (i === 0 ? String(n) : n.toFixed(n >= 100 ? 0 : 1)) + " " + units[i];
};

const plural = (n, what) => `${whole(n)} ${what}${n === 1 ? "" : "s"}`;

const duration = (s) => (s < 60 ? `${Math.round(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`);
