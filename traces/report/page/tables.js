// tables.js - the tables below the timeline: what is in its range by track, and the events one by one.

const kRowsShown = 100;

class RangeTables {
  /** `changed` is called when other events are wanted. */
  constructor(trace, changed) {
    this.trace = trace;
    this.starts = [0];  // of the pages of the list up to the one shown, as events
    for (const lane of trace.lanes) $('filter-track').append(new Option(lane.name, lane.id));
    for (const id of ['filter-track', 'filter-address']) $(id).addEventListener('input', changed);
    $('page-on').addEventListener('click', () => { this.starts.push(this.nextStart); this.list(); });
    $('page-back').addEventListener('click', () => { this.starts.pop(); this.list(); });
  }

  filter() {
    const track = $('filter-track').value, text = $('filter-address').value.trim();
    let address = null;
    try { if (text) address = BigInt(/^0x/i.test(text) ? text : '0x' + text); } catch { address = -1n; }
    $('filter-address').setAttribute('aria-invalid', address === -1n);
    return {track: track === '' ? null : Number(track), address};
  }
  wanted() {
    const {track, address} = this.filter(), {trace} = this;
    if (address === null) return null;
    const classes = trace.figures.classes;
    return (i) => trace.address[i] === address && (track === null || classes[trace.classOf[i]].track === track);
  }

  /** Counts what is in `view`: {events, partly}, where partly says that the number is not exact. */
  refresh(view) {
    this.view = view;
    const {trace} = this;
    const rows = trace.lanes.map(() => ({in: 0, out: 0, bytesIn: 0, bytesOut: 0}));
    const classes = trace.figures.classes.map((c) => ({row: rows[trace.laneOf[c.track]], in: c.in, bytes: c.bytes}));
    for (let i = view.first; i < view.last; ++i) {
      const c = classes[trace.classOf[i]];
      if (c.in) ++c.row.in; else ++c.row.out;
      if (!c.bytes) continue;
      if (c.in) c.row.bytesIn += trace.length[i]; else c.row.bytesOut += trace.length[i];
    }
    let counted = false;
    const partly = forSlices(trace, view, (row, from, count) => {
      counted = true;
      rows[trace.laneOf[row >> 1]][row & 1 ? 'out' : 'in'] += count;
    });
    const body = $('view-tracks').tBodies[0];
    body.replaceChildren();
    let events = 0;
    trace.lanes.forEach((lane, i) => {
      const r = rows[i];
      events += r.in + r.out;
      const tr = body.insertRow();
      tr.dataset.track = lane.id;
      const name = element('th', lane.name, 't');
      name.scope = 'row';
      tr.append(name);
      for (const [key, value, text] of [['events', r.in + r.out, commas], ['in', r.in, commas], ['out', r.out, commas],
                                        ['bytes_in', r.bytesIn, bytesText], ['bytes_out', r.bytesOut, bytesText]]) {
        const cell = element('td', counted && key.startsWith('bytes') ? '' : text(value));
        cell.dataset.key = key;
        cell.dataset.value = value;
        tr.append(cell);
      }
    });
    this.starts = [view.first];
    this.list();
    return {events, partly};
  }

  /** One page of the events in the range that pass the filter. */
  list() {
    const {trace, view} = this, {track, address} = this.filter();
    const body = $('view-events').tBodies[0];
    body.replaceChildren();
    let i = this.starts[this.starts.length - 1], shown = 0, before = -1;
    for (; i < view.last && shown < kRowsShown; ++i) {
      const c = trace.figures.classes[trace.classOf[i]];
      if (track !== null && c.track !== track) continue;
      if (address !== null && trace.address[i] !== address) continue;
      this.row(body, i, c, before);
      before = i;
      ++shown;
    }
    this.nextStart = i;
    $('page-on').disabled = i >= view.last;
    $('page-back').disabled = this.starts.length < 2;
    $('list-range').textContent = shown === 0 ? 'no events' : `${commas(shown)} events, page ${this.starts.length}`;
  }

  row(body, i, c, before) {
    const {trace} = this, tr = body.insertRow();
    const times = trace.figures.has_times;
    const cells = [
      [commas(i)], [times ? timeText(trace.time[i], 1) : ''],
      [times && before >= 0 ? '+' + durationText(trace.time[i] - trace.time[before]) : ''],
      [trace.figures.tracks[c.track].name, 't'], [(c.in ? '\u2190 ' : '\u2192 ') + c.kind + (c.failed ? ', failed' : ''), c.failed ? 't bad' : 't'],
      [['interrupt', 'reset', 'mark', 'ping', 'dma-unmap'].includes(c.kind) ? '' : hex(trace.address[i]) + ' ' + (nameOf(trace, c, i) ?? ''), 't'],
      [c.bytes ? commas(trace.length[i]) : ''],
      [c.value ? (c.kind === 'interrupt' ? 'vector ' + trace.value[i] : c.kind.startsWith('dma-') ? 'handle ' + trace.value[i] : hex(trace.value[i])) : '', 't'],
    ];
    for (const [text, className] of cells) tr.append(element('td', text, className));
  }
}
