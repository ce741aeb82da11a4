// lanes.js - draws the events of a range: one lane for each track, up what goes towards the CPU, down what goes away.

function colours() {
  const style = getComputedStyle(document.documentElement);
  const colour = {};
  for (const name of ['fg', 'faint', 'line', 'card', 'in', 'out', 'fail', 'mark', 'fill']) {
    colour[name] = style.getPropertyValue('--' + name).trim();
  }
  return colour;
}

/** Counts of the events in `view` by lane, direction and column; `view` has from, to (x), first, last (events). */
function countColumns(trace, view, width) {
  const lanes = trace.lanes.length;
  const counts = new Uint32Array(lanes * 2 * width), fails = new Uint8Array(lanes * 2 * width);
  const scale = width / (view.to - view.from);
  const classes = trace.figures.classes;
  const rowOf = Uint32Array.from(classes, (c) => (2 * trace.laneOf[c.track] + (c.in ? 0 : 1)) * width);
  const failed = Uint8Array.from(classes, (c) => c.failed ? 1 : 0);
  for (let i = view.first; i < view.last; ++i) {
    const column = Math.min(width - 1, Math.max(0, Math.floor((view.x(i) - view.from) * scale)));
    const c = trace.classOf[i];
    ++counts[rowOf[c] + column];
    fails[rowOf[c] + column] |= failed[c];
  }
  forSlices(trace, view, (row, from, count) => {
    const column = Math.min(width - 1, Math.max(0, Math.floor((from - view.from) * scale)));
    const lane = trace.laneOf[row >> 1];
    counts[(2 * lane + (row & 1)) * width + column] += count;
  });
  return {counts, fails};
}

/** Calls for each slice in `view` that has events which are not in the columns; says whether one is only partly in it. */
function forSlices(trace, view, call) {
  const {slices, slice_width: width, tracks} = trace.figures;
  if (slices === 0) return false;
  const begin = Math.max(0, Math.floor(view.from / width)), end = Math.min(slices - 1, Math.floor(view.to / width));
  let partly = false;
  for (let row = 0; row < 2 * tracks.length; ++row) {
    for (let s = begin; s <= end; ++s) {
      const count = trace.slices[row * slices + s];
      if (count === 0) continue;
      call(row, s * width, count);
      // The last slice ends with the trace.
      partly = partly || s * width < view.from || ((s + 1) * width > view.to && s < slices - 1);
    }
  }
  return partly;
}

/** Draws into `area` {x, y, w, h}. `wanted(i)` picks events to stand out; `marks` are x of vertical lines. */
function drawLanes(context, area, trace, view, wanted, marks) {
  const colour = colours();
  const width = Math.max(1, Math.floor(area.w)), lanes = trace.lanes.length, height = area.h / lanes;
  const {counts, fails} = countColumns(trace, view, width);
  let most = 1;
  for (let i = 0; i < counts.length; ++i) if (counts[i] > most) most = counts[i];
  const half = height / 2 - 2;
  const events = view.last - view.first;
  const tick = events < width / 8 ? 2 : 1;

  context.save();
  context.beginPath();
  context.rect(area.x, area.y, area.w, area.h);
  context.clip();
  for (let lane = 0; lane < lanes; ++lane) {
    const middle = area.y + (lane + 0.5) * height;
    context.fillStyle = colour.line;
    context.fillRect(area.x, Math.round(middle), area.w, 1);
    for (let outward = 0; outward < 2; ++outward) {
      const row = (2 * lane + outward) * width;
      for (let x = 0; x < width; ++x) {
        const n = counts[row + x];
        if (n === 0) continue;
        const size = most === 1 ? half * 0.7 : half * (0.4 + 0.6 * Math.log(n) / Math.log(most));
        context.fillStyle = fails[row + x] ? colour.fail : outward ? colour.out : colour.in;
        context.fillRect(area.x + x, outward ? middle + 1 : middle - size, tick, size);
      }
    }
  }
  const xOf = (i) => area.x + (view.x(i) - view.from) / (view.to - view.from) * area.w;
  if (wanted) {
    context.fillStyle = colour.mark;
    for (let i = view.first; i < view.last; ++i) {
      if (!wanted(i)) continue;
      const c = trace.figures.classes[trace.classOf[i]];
      const middle = area.y + (trace.laneOf[c.track] + 0.5) * height;
      context.fillRect(xOf(i), c.in ? middle - half : middle + 1, 2, half);
    }
  }
  if (events <= 2000) drawLabels(context, trace, view, xOf, area, height, colour);
  context.fillStyle = colour.mark;
  for (const x of marks) {
    if (x < view.from || x > view.to) continue;
    context.fillRect(area.x + (x - view.from) / (view.to - view.from) * area.w - 0.5, area.y, 1, area.h);
  }
  context.restore();
}

/** Writes what an event is beside it, where the next one on the lane leaves room. */
function drawLabels(context, trace, view, xOf, area, height, colour) {
  context.font = '10.5px ui-monospace,Menlo,Consolas,monospace';
  context.textBaseline = 'middle';
  const next = new Map();  // of each lane and direction, where the next label must end
  for (let i = view.last - 1; i >= view.first; --i) {
    const c = trace.figures.classes[trace.classOf[i]];
    const lane = trace.laneOf[c.track], key = 2 * lane + (c.in ? 0 : 1), x = xOf(i);
    const room = (next.get(key) ?? area.x + area.w) - x - 8;
    next.set(key, x);
    if (room < 34) continue;
    const label = eventLabel(trace, i);
    for (const text of [label.long, label.short]) {
      if (context.measureText(text).width > room) continue;
      context.fillStyle = colour.fg;
      context.fillText(text, x + 5, area.y + (lane + 0.5) * height + (c.in ? -height / 4 : height / 4 + 1));
      break;
    }
  }
}

/** The name of the register of an event, if somebody gave it one. */
function nameOf(trace, c, i) {
  return trace.names.size === 0 ? undefined : trace.names.get(c.track + ':' + hex(trace.address[i]));
}

function eventLabel(trace, i) {
  const c = trace.figures.classes[trace.classOf[i]];
  const value = c.value ? hex(trace.value[i]) : '';
  switch (c.kind) {
    case 'interrupt': return {long: 'vector ' + trace.value[i], short: String(trace.value[i])};
    case 'dma-map': case 'dma-unmap':
      return {long: (trace.length[i] ? bytesText(trace.length[i]) + ' ' : '') + c.kind.slice(4), short: c.kind.slice(4)};
    case 'reset': case 'mark': case 'ping': case 'probe': return {long: c.kind, short: c.kind};
    default: {
      const where = nameOf(trace, c, i) || hex(trace.address[i]);
      const arrow = c.in ? ' \u2192 ' : ' \u2190 ';
      return {long: where + (value ? arrow + value : ' ' + bytesText(trace.length[i])), short: where};
    }
  }
}
