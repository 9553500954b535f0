// The page's data: JSON whose arrays lie in one gzip block.
const sizes = { f64: 8, f32: 4, i32: 4, q16: 2 };

const unpack = (buffer, p) => {
  if (!p) return null;
  switch (p.t) {
    case "f64": return new Float64Array(buffer, p.o, p.n);
    case "f32": return new Float32Array(buffer, p.o, p.n);
    case "i32": return new Int32Array(buffer, p.o, p.n);
  }
  const codes = new Uint16Array(buffer, p.o, p.n), base = p.b || 0, step = p.s || 0;
  return { length: p.n, at: (i) => (codes[i] === 0xffff ? NaN : base + codes[i] * step) };
};

const inflate = async (text) => {
  const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  if (raw.length === 0) return new ArrayBuffer(0);
  return new Response(new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
};

const decode = async (data) => {
  const buffer = await inflate(data.block);
  for (const run of data.runs) {
    for (const m of run.methods) {
      for (const name of ["mean", "low", "high", "rank", "rank_low", "rank_high", "n", "needle_heads"]) m[name] = unpack(buffer, m[name]);
      for (const name of ["by_length", "by_length_err", "by_depth", "by_depth_err", "by_step", "by_step_err", "by_needle"]) m[name] = (m[name] || []).map((p) => unpack(buffer, p));
      m.grid = gridOf(run, m);
      m.order = orderOf(m);
      if (m.needle_heads) m.needle_at = new Map(Array.from(m.needle_heads, (h, i) => [h, i]));
    }
  }
  return data;
};

// gridOf maps heads to places: layer and column of head i, and back.
const gridOf = (run, m) => {
  const layer = [], head = [], first = [];
  let columns = 0;
  run.layers.forEach((l, i) => {
    const n = m.per_kv_head ? l.kv_heads : l.heads;
    first.push(layer.length);
    columns = Math.max(columns, n);
    for (let h = 0; h < n; h++) {
      layer.push(i);
      head.push(h);
    }
  });
  const width = (l) => (l + 1 < first.length ? first[l + 1] : layer.length) - first[l];
  return {
    layer, head, columns, layers: run.layers.length, count: layer.length,
    group: (l) => (m.per_kv_head || !run.layers[l].kv_heads ? 1 : run.layers[l].heads / run.layers[l].kv_heads),
    kvHead: (i) => (m.per_kv_head ? head[i] : run.layers[layer[i]].kv_heads ? Math.floor(head[i] / (run.layers[layer[i]].heads / run.layers[layer[i]].kv_heads)) : -1),
    index: (l, h) => (l >= 0 && l < first.length && h >= 0 && h < width(l) ? first[l] + h : -1),
    name: (i) => `L${layer[i]}.${m.per_kv_head ? "KV" : "H"}${head[i]}`,
  };
};

// orderOf lists heads with a score, best first.
const orderOf = (m) => Array.from(m.rank.keys()).filter((i) => m.rank[i] > 0).sort((a, b) => m.rank[a] - m.rank[b]);
