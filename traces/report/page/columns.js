// columns.js - the events out of the page's columns (traces/report/columns.h), as typed arrays.

/** The bytes behind base64 text. */
function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; ++i) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Column `name` as `count` numbers of `width` bytes, little-endian, in one Uint8Array. */
async function readColumn(name, width) {
  const element = document.getElementById('column-' + name);
  const planes = Number(element.dataset.planes);
  const packed = bytesOfBase64(element.textContent);
  element.textContent = '';
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  const flat = new Uint8Array(await new Response(stream).arrayBuffer());
  return (count) => {
    const out = new Uint8Array(count * width);
    for (let plane = 0; plane < planes; ++plane) {
      for (let i = 0, at = plane, from = plane * count; i < count; ++i, at += width) out[at] = flat[from + i];
    }
    return out;
  };
}

const kTwo32 = 4294967296;

/** 64-bit numbers as doubles: exact up to 2^53. */
function doubles(bytes) {
  const halves = new Uint32Array(bytes.buffer);
  const out = new Float64Array(halves.length / 2);
  for (let i = 0; i < out.length; ++i) out[i] = halves[2 * i] + halves[2 * i + 1] * kTwo32;
  return out;
}

/** Everything the timeline draws from. Times are ns since the first event. */
async function readTrace() {
  const figures = JSON.parse(document.getElementById('figures').textContent);
  const names = ['step', 'address', 'length', 'value', 'class', 'map-event', 'map-ns', 'map-bytes', 'map-count', 'slices'];
  const widths = [8, 8, 8, 8, 2, 8, 8, 8, 8, 4];
  const columns = {};
  (await Promise.all(names.map((name, i) => readColumn(name, widths[i])))).forEach((c, i) => { columns[names[i]] = c; });

  const count = figures.detailed;
  const trace = {figures, count};
  trace.classOf = new Uint16Array(columns.class(count).buffer);
  trace.time = doubles(columns.step(count));
  for (let i = 1; i < count; ++i) trace.time[i] += trace.time[i - 1];
  trace.length = doubles(columns.length(count));
  trace.value = new BigUint64Array(columns.value(count).buffer);

  const addressBytes = columns.address(count);
  const halves = new Uint32Array(addressBytes.buffer);
  const tracks = figures.tracks.length;
  const low = new Uint32Array(tracks), high = new Uint32Array(tracks);
  const trackOfClass = Uint16Array.from(figures.classes, (c) => c.track);
  for (let i = 0; i < count; ++i) {
    const track = trackOfClass[trace.classOf[i]];
    low[track] = halves[2 * i] ^= low[track];
    high[track] = halves[2 * i + 1] ^= high[track];
  }
  trace.address = new BigUint64Array(addressBytes.buffer);

  const points = figures.map_points;
  trace.maps = {
    event: doubles(columns['map-event'](points)), time: doubles(columns['map-ns'](points)),
    bytes: doubles(columns['map-bytes'](points)), count: doubles(columns['map-count'](points)),
  };
  trace.slices = new Uint32Array(columns.slices(2 * tracks * figures.slices).buffer);
  trace.names = new Map(figures.names.map(([track, address, name]) => [track + ':' + address, name]));
  // Lanes from top to bottom: by device, then by kind, then by BAR.
  trace.lanes = figures.tracks.map((track, id) => ({...track, id}))
      .sort((a, b) => a.device - b.device || a.kind - b.kind || a.index - b.index);
  trace.laneOf = new Uint16Array(tracks);
  trace.lanes.forEach((lane, i) => { trace.laneOf[lane.id] = i; });
  return trace;
}

/** Index of the first of sorted `numbers` that is at least `x`. */
function lowerBound(numbers, x, count = numbers.length) {
  let from = 0, to = count;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (numbers[middle] < x) from = middle + 1; else to = middle;
  }
  return from;
}
