// Budgets per cache: the formulas of scoring/allocate, in the same order of
// floating-point operations, so that the integers are those of 'headprof budget'.
const Budget = (() => {
  const unlimited = 0x7fffffff;

  const roundToEven = (x) => {
    const f = Math.floor(x), d = x - f;
    if (d < 0.5) return f;
    if (d > 0.5) return f + 1;
    return f % 2 === 0 ? f : f + 1;
  };

  // floorDiv is Python's floor division of non-negative floats.
  const floorDiv = (a, b) => {
    const q = (a - (a % b)) / b, f = Math.floor(q);
    return q - f > 0.5 ? f + 1 : f;
  };

  const intDiv = (a, b) => Math.trunc(a / b);

  const cacheLimit = (layer, context) => {
    let limit = layer.window > 0 ? layer.window : unlimited;
    if (context > 0) limit = Math.min(limit, context);
    return limit;
  };

  // caches at a level, by layer, then head.
  const caches = (layers, level) => {
    const out = [];
    layers.forEach((layer, l) => {
      const group = layer.heads / layer.kv_heads;
      if (level === "head") for (let h = 0; h < layer.heads; h++) out.push({ layer: l, head: h, kvHead: Math.floor(h / group) });
      else for (let kv = 0; kv < layer.kv_heads; kv++) out.push({ layer: l, head: kv * group, kvHead: kv });
    });
    return out;
  };

  const shares = (means, temp) => {
    let sum = 0;
    for (const v of means) {
      if (!(v >= 0) || v === Infinity) throw new Error("a score is negative or not finite, so the scores cannot be shared out");
      sum += v;
    }
    if (sum === 0 || sum === Infinity) throw new Error(`the scores add up to ${sum}, so they cannot be shared out`);
    const out = Array.from(means, (v) => Math.pow(v / sum, temp));
    let total = 0;
    for (const v of out) total += v;
    if (!(total > 0)) throw new Error("every share vanishes; use a smaller temp");
    return out.map((v) => v / total);
  };

  const reduce = (share, layers, level, how) => {
    if (level === "head") return share;
    const out = [];
    let i = 0;
    for (const layer of layers) {
      const group = level === "layer" ? layer.heads : layer.heads / layer.kv_heads;
      for (let at = 0; at < layer.heads; at += group) {
        let v = 0;
        for (let j = i + at; j < i + at + group; j++) v = how === "max" ? Math.max(v, share[j]) : v + share[j];
        if (level === "layer") {
          for (let k = 0; k < layer.kv_heads; k++) out.push(v / layer.kv_heads);
          continue;
        }
        if (how !== "max") v *= layer.kv_heads / layer.heads;
        out.push(v);
      }
      i += layer.heads;
    }
    let sum = 0;
    for (const v of out) sum += v;
    return out.map((v) => v / sum);
  };

  // fit scales quotas to integers within [0, caps] that add up to total.
  const fit = (quotas, caps, total) => {
    let room = 0;
    for (const c of caps) room += Math.min(c, unlimited);
    if (total < 0 || total > room) throw new Error(`the caches can hold ${room} selected entries, ${total} were asked for; ask for less or drop the fit`);
    const n = quotas.length, out = new Array(n).fill(0), capped = new Array(n).fill(false), scaled = new Array(n).fill(0);
    let left = total;
    for (;;) {
      let sum = 0, free = 0, again = false;
      const rest = left;
      for (let i = 0; i < n; i++) {
        if (!capped[i]) {
          sum += quotas[i];
          free++;
        }
      }
      for (let i = 0; i < n; i++) {
        if (capped[i]) continue;
        scaled[i] = sum > 0 ? (quotas[i] / sum) * rest : rest / free;
        if (scaled[i] >= caps[i]) {
          capped[i] = again = true;
          out[i] = caps[i];
          left -= caps[i];
        }
      }
      if (!again) break;
    }
    const order = [];
    for (let i = 0; i < n; i++) {
      if (capped[i]) continue;
      out[i] = Math.floor(scaled[i]);
      left -= out[i];
      order.push(i);
    }
    const part = (i) => scaled[i] - Math.floor(scaled[i]);
    order.sort((a, b) => part(b) - part(a));
    for (const i of order) {
      if (left <= 0) break;
      out[i]++;
      left--;
    }
    return out;
  };

  const pyramid = (p, layer, layers, base, context) => {
    if (layers < 2 || (context > 0 && context < 2 * base)) return base;
    let last = intDiv(base, p.slope), first = 2 * base - last;
    const earlier = context - p.window;
    if (context > 0 && first >= earlier) {
      first = earlier;
      last = 2 * base - first;
    }
    return first - layer * Math.floor((first - last) / (layers - 1));
  };

  const defaults = { policy: "headkv", capacity: 128, beta: 1.2, temp: 1, window: 8, level: "kv-head", reduce: "auto", fit: false, context: 0, slope: 20, sink: 128, recent: 256, elementBytes: 2 };

  // make allocates. means are those of query heads, by layer, then head; layers
  // have heads, kv_heads, window, key_dim and value_dim.
  const make = (means, layers, asked) => {
    const p = { ...defaults, ...asked };
    if (p.capacity <= p.window) throw new Error(`capacity ${p.capacity} leaves nothing beside the window of ${p.window}`);
    if (p.policy === "headkv" && !(p.beta > 1)) throw new Error("β must be above 1");
    for (const l of layers) if (!(l.kv_heads > 0) || l.heads % l.kv_heads !== 0) throw new Error("which KV head each head reads is not known; give --kv-heads, --shape or --model to headprof report");
    means = Array.from(means, (v) => (Number.isNaN(v) ? 0 : v)); // heads that a list leaves out
    const out = caches(layers, p.level);
    if (p.policy === "top-heads") topHeads(out, means, layers, p);
    else {
      const base = p.capacity - p.window;
      let quotas;
      if (p.policy === "uniform") quotas = out.map(() => base);
      else if (p.policy === "pyramid") quotas = out.map((c) => Math.max(0, pyramid(p, c.layer, layers.length, base, p.context)));
      else {
        const weights = reduce(shares(means, p.temp), layers, p.level, p.reduce);
        const divided = floorDiv(base, p.beta), pool = divided * weights.length, floor = base - divided;
        quotas = weights.map((w) => w * pool + floor);
      }
      budgets(out, quotas, layers, p);
    }
    return { caches: out, params: p, layers, totals: totals(out, layers, p) };
  };

  const budgets = (out, quotas, layers, p) => {
    const caps = [];
    out.forEach((b, i) => {
      const limit = cacheLimit(layers[b.layer], 0);
      b.window = Math.min(p.window, limit);
      caps.push(limit - b.window);
      b.capped = Math.max(0, roundToEven(quotas[i]) + p.window - limit);
    });
    if (p.fit) {
      if (p.context > 0) out.forEach((b, i) => { caps[i] = Math.min(caps[i], Math.max(0, p.context - b.window)); });
      let total = p.capacity * caps.length;
      for (const b of out) total -= b.window;
      fit(quotas, caps, total).forEach((n, i) => { out[i].budget = n; });
    } else quotas.forEach((q, i) => { out[i].budget = Math.min(roundToEven(q), caps[i]); });
    for (const b of out) b.entries = b.budget + b.window;
  };

  const topHeads = (out, means, layers, p) => {
    if (!(p.context > 0)) throw new Error("top-heads keeps whole caches, whose size only the context length tells");
    if (p.level === "layer") throw new Error("top-heads chooses heads, so level layer means nothing to it");
    if (p.fit) throw new Error("top-heads can only keep a cache whole or not, so its total cannot be fitted");
    const weights = reduce(shares(means, 1), layers, p.level, p.reduce === "auto" ? "max" : p.reduce);
    let total = 0;
    const requested = p.capacity * out.length;
    for (const b of out) {
      const limit = cacheLimit(layers[b.layer], p.context);
      b.window = Math.min(p.recent, limit);
      b.budget = Math.min(p.sink, limit - b.window);
      b.entries = b.budget + b.window;
      b.capped = Math.max(0, Math.min(p.sink + p.recent, p.context) - limit);
      total += b.entries;
    }
    const order = out.map((_, i) => i).sort((a, b) => weights[b] - weights[a]);
    for (const i of order) {
      const b = out[i], limit = cacheLimit(layers[b.layer], p.context), more = limit - b.entries;
      if (total + more > requested) break;
      total += more;
      Object.assign(b, { full: true, entries: limit, budget: limit - b.window, capped: 0 });
    }
  };

  const totals = (out, layers, p) => {
    const t = { caches: out.length, requested: 0, entries: 0, held: 0, full: 0, requestedBytes: 0, entriesBytes: 0, heldBytes: 0, fullBytes: 0, capped: 0, share: NaN, low: Infinity, high: 0 };
    for (const c of out) {
      const layer = layers[c.layer], size = (layer.key_dim + layer.value_dim) * p.elementBytes;
      const held = Math.min(c.entries, cacheLimit(layer, p.context));
      t.requested += p.capacity;
      t.requestedBytes += p.capacity * size;
      t.entries += c.entries;
      t.entriesBytes += c.entries * size;
      t.held += held;
      t.heldBytes += held * size;
      t.capped += c.capped;
      t.low = Math.min(t.low, c.entries);
      t.high = Math.max(t.high, c.entries);
    }
    if (!(p.context > 0)) return t;
    for (const layer of layers) {
      const full = cacheLimit(layer, p.context) * layer.kv_heads;
      t.full += full;
      t.fullBytes += full * (layer.key_dim + layer.value_dim) * p.elementBytes;
    }
    t.share = t.fullBytes > 0 ? t.heldBytes / t.fullBytes : t.held / t.full;
    return t;
  };

  return { make, defaults };
})();
