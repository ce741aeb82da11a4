// page.js - the timeline's charts and controls.

async function start() {
  if (typeof DecompressionStream === 'undefined') {
    $('timeline').append(element('p', 'The timeline needs a browser of 2023 or later; the tables do not.', 'bad'));
    return;
  }
  // The legend sets styles in a way that the page's policy forbids, and is not used.
  Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);
  const trace = await readTrace();
  if (trace.figures.events === 0) {
    document.documentElement.dataset.ready = 'true';
    return;
  }
  $('charts').hidden = false;
  $('tracks-all').open = false;
  new Timeline(trace);
  document.documentElement.dataset.ready = 'true';
}

class Timeline {
  constructor(trace) {
    this.trace = trace;
    this.axis = trace.figures.has_times && trace.figures.duration_ns > 0 ? 'time' : 'event';
    this.marks = [];         // events or ns that a button led to: {first, last, from, to}
    this.armed = false;      // the wheel zooms without Ctrl
    this.tables = new RangeTables(trace, () => this.lanes.updateOptions({}));
    this.makeControls();
    this.makeCharts();
  }

  // The axis: x is a time in ns or the number of an event.
  x(i) { return this.axis === 'time' ? this.trace.time[i] : i; }
  end() {
    const {duration_ns: ns, events} = this.trace.figures;
    return this.axis === 'time' ? Math.max(1, ns) : Math.max(1, events - 1);
  }
  firstFrom(x) {
    const {trace} = this;
    return this.axis === 'time' ? lowerBound(trace.time, x) : Math.min(trace.count, Math.max(0, Math.ceil(x)));
  }
  axisText(x, step) { return this.axis === 'time' ? timeText(x, step) : commas(x); }

  /** The visible range with the events in it. */
  view() {
    const [from, to] = this.lanes ? this.lanes.xAxisRange() : [0, this.end()];
    const {trace} = this;
    const time = this.axis === 'time' ? trace.time : null;
    // Range selectors and drags compute in floating point: an event at the very end still belongs to the range.
    const slack = (to - from) * 1e-9;
    return {
      from, to, first: this.firstFrom(from - slack), last: this.firstFrom(to + slack + (time ? 0 : 1e-6)),
      x: time ? (i) => time[i] : (i) => i,
    };
  }

  makeCharts() {
    const longest = Math.max(...this.trace.lanes.map((lane) => lane.name.length));
    const labelWidth = Math.min(window.innerWidth < 560 ? 78 : 150, Math.max(72, longest * 6.4 + 8));
    const count = this.trace.lanes.length;
    $('lanes').style.height = count * 34 + 22 + 46 + 'px';
    const xAxis = {
      axisLabelFormatter: (x, granularity, options, chart) => {
        const [from, to] = chart.xAxisRange();
        return x < 0 ? '' : this.axisText(x, (to - from) / 10);
      },
      drawGrid: false, axisLabelWidth: 74, pixelsPerLabel: 80,
    };
    const common = () => ({
      labels: ['x', 'y'], interactionModel: {}, axes: {x: {...xAxis}}, highlightCircleSize: 0, gridLineColor: colours().line,
      axisLineColor: colours().line, dateWindow: [0, this.end()], drawGapEdgePoints: false, xRangePad: 0,
      rightGap: 8, legend: 'never', showLabelsOnHighlight: false,
    });

    const lanes = common();
    Object.assign(lanes, {
      valueRange: [0, count], plotter: () => {}, showRangeSelector: true, rangeSelectorHeight: 34,
      ...this.selectorColours(),
      underlayCallback: (context, area) => drawLanes(context, area, this.trace, this.view(), this.tables.wanted(), this.markXs()),
      drawCallback: (chart, initial) => { if (!initial) this.changed(); },
    });
    lanes.axes.y = {
      axisLabelWidth: labelWidth, drawGrid: false, drawAxis: true,
      ticker: () => this.trace.lanes.map((lane, i) => ({v: count - i - 0.5, label: escapeText(lane.name)})),
    };
    this.lanes = null;
    this.lanes = new Dygraph($('lanes'), this.overview(), lanes);

    this.small = [];
    $('mapped').hidden = this.trace.figures.map_points === 0;
    if (!$('mapped').hidden) {
      for (const [id, key, text] of [['mapped-bytes', 'bytes', bytesText], ['mapped-count', 'count', commas]]) {
        const options = common();
        Object.assign(options, {
          stepPlot: true, fillGraph: true, fillAlpha: 0.18, strokeWidth: 1.4, colors: [colours().in], includeZero: true,
          labelsKMB: false,
        });
        options.axes.y = {axisLabelWidth: labelWidth, axisLabelFormatter: (y) => y < 0 ? '' : text(y), pixelsPerLabel: 28, drawGrid: true};
        if (key === 'count') options.axes.y.axisLabelFormatter = (y) => Number.isInteger(y) ? commas(y) : '';
        if (key === 'bytes') options.axes.y.ticker = bytesTicker;
        this.small.push({key, chart: new Dygraph($(id), this.mapped(key), options)});
      }
    }
    for (const id of ['lanes', 'mapped-bytes', 'mapped-count']) this.listen($(id));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.recolour());
    this.changed();
  }

  selectorColours() {
    const c = colours();
    return {rangeSelectorPlotStrokeColor: c.faint, rangeSelectorPlotFillColor: c.faint, rangeSelectorPlotFillGradientColor: c.card,
            rangeSelectorBackgroundStrokeColor: c.line, rangeSelectorForegroundStrokeColor: c.fg, rangeSelectorPlotLineWidth: 1,
            // What is not in the range is dimmed with a light grey, which is glaring on a dark page.
            rangeSelectorAlpha: matchMedia('(prefers-color-scheme: dark)').matches ? 0.14 : 0.6};
  }

  recolour() {
    const c = colours();
    this.lanes.updateOptions({...this.selectorColours(), axisLineColor: c.line, gridLineColor: c.line});
    for (const {chart} of this.small) chart.updateOptions({colors: [c.in], axisLineColor: c.line, gridLineColor: c.line});
  }

  /** Events over the whole trace, for the strip below the lanes: logarithm of the number in each of 600 slices. */
  overview() {
    const n = 600, counts = new Float64Array(n), end = this.end();
    const put = (x, count) => { counts[Math.min(n - 1, Math.floor(x / end * n))] += count; };
    for (let i = 0; i < this.trace.count; ++i) put(this.x(i), 1);
    forSlices(this.trace, {from: 0, to: end}, (row, from, count) => put(from, count));
    // As high as the lanes: the chart warns of what lies outside of its values.
    const scale = this.trace.lanes.length / Math.log1p(counts.reduce((most, c) => Math.max(most, c), 1));
    return Array.from(counts, (c, i) => [i / (n - 1) * end, Math.min(this.trace.lanes.length, Math.log1p(c) * scale)]);
  }

  /** The steps of mapped bytes or mappings in the range, at most two for each pixel. */
  mapped(key) {
    const {maps} = this.trace, xs = this.axis === 'time' ? maps.time : maps.event, ys = maps[key];
    const {from, to} = this.view();
    const begin = Math.max(0, lowerBound(xs, from) - 1), end = Math.min(xs.length, lowerBound(xs, to) + 1);
    const rows = [];
    if (begin === 0) rows.push([0, 0]);
    const columns = 1000;
    let column = -1, low = 0, high = 0;
    for (let i = begin; i < end; ++i) {
      const at = Math.floor((xs[i] - from) / (to - from) * columns);
      if (end - begin < 2 * columns || at !== column) {
        rows.push([xs[i], ys[i]]);
        column = at;
        low = high = ys[i];
      } else if (ys[i] > high || ys[i] < low) {
        rows.push([xs[i], ys[i]]);
        high = Math.max(high, ys[i]);
        low = Math.min(low, ys[i]);
      }
    }
    const last = Math.min(end, xs.length) - 1;
    if (last >= 0) rows.push([Math.max(to, xs[last]), ys[last]]);
    // Of steps at one time the last is the state after them; a chart wants rising x.
    return rows.filter((row, i) => i + 1 === rows.length || row[0] <= rows[i + 1][0]);
  }

  // Moving about.
  show(from, to) {
    const end = this.end(), least = this.axis === 'time' ? 10 : 4;
    let span = Math.min(end, Math.max(least, to - from));
    const middle = (from + to) / 2;
    from = Math.max(0, Math.min(end - span, middle - span / 2));
    this.lanes.updateOptions({dateWindow: [from, from + span]});
  }
  zoom(factor, at = 0.5) {
    const {from, to} = this.view(), middle = from + (to - from) * at, span = (to - from) * factor;
    this.show(middle - span * at, middle + span * (1 - at));
  }
  pan(part) {
    const {from, to} = this.view(), span = to - from;
    const shift = Math.max(-from, Math.min(this.end() - to, span * part));
    this.show(from + shift, to + shift);
  }

  /** Goes to what a button in another section names. */
  go(data) {
    let {first, last, from, to} = data;
    if (data.request !== undefined) first = last = this.eventOfRequest(data.request);
    if (from === undefined || first < this.trace.count) from = Math.min(from ?? Infinity, this.trace.time[first] ?? 0);
    if (to === undefined || (first === last && last < this.trace.count)) to = Math.max(to ?? 0, this.trace.time[last] ?? 0);
    this.marks = first === last ? [{event: first, time: from}] : [{event: first, time: from}, {event: last, time: to}];
    if (this.axis === 'time') {
      if (first === last && first < this.trace.count) {   // an instant: with its neighbours
        const before = this.trace.time[Math.max(0, first - 8)], after = this.trace.time[Math.min(this.trace.count - 1, first + 8)];
        const reach = Math.max(5, Math.min(Math.max(from - before, after - from), 100 * Math.max(1, Math.min(from - before, after - from))));
        this.show(from - reach, to + reach);
      } else {
        const reach = Math.max(10, (to - from) * 0.25);
        this.show(from - reach, to + reach);
      }
    } else {
      const reach = Math.max(8, (last - first) * 0.25);
      this.show(first - reach, last + reach);
    }
    $('timeline').scrollIntoView();
    $('lanes').focus({preventScroll: true});
  }

  eventOfRequest(request) {
    const {trace} = this, isRequest = trace.figures.classes.map((c) => c.request);
    let number = -1;
    for (let i = 0; i < trace.count; ++i) if (isRequest[trace.classOf[i]] && ++number === request) return i;
    return trace.count - 1;
  }

  markXs() { return this.marks.map((mark) => this.axis === 'time' ? mark.time : mark.event); }

  makeControls() {
    const on = (id, call) => $(id).addEventListener('click', call);
    on('zoom-in', () => this.zoom(0.4));
    on('zoom-out', () => this.zoom(2.5));
    on('pan-left', () => this.pan(-0.5));
    on('pan-right', () => this.pan(0.5));
    on('zoom-all', () => this.show(0, this.end()));
    for (const radio of document.querySelectorAll('input[name=axis]')) {
      radio.checked = radio.value === this.axis;
      radio.disabled = !this.trace.figures.has_times || this.trace.count < this.trace.figures.events;
      radio.addEventListener('change', () => this.turn(radio.value));
    }
    document.addEventListener('click', (event) => {
      const button = event.target.closest('button.goto');
      if (!button) return;
      const data = {};
      for (const key of ['first', 'last', 'from', 'to', 'request']) if (key in button.dataset) data[key] = Number(button.dataset[key]);
      this.go(data);
    });
  }

  /** Changes the axis and keeps the events in view. */
  turn(axis) {
    const view = this.view();
    this.axis = axis;
    const last = Math.max(view.first, view.last - 1);
    const whole = view.first === 0 && view.last >= this.trace.count;
    this.lanes.updateOptions({file: this.overview(), dateWindow: [0, this.end()]}, true);
    if (whole || view.first >= view.last) this.show(0, this.end());
    else this.show(this.x(view.first), this.x(last));
  }

  /** Wheel, drag, keys and pointing on a chart. */
  listen(chart) {
    const area = () => this.lanes.getArea();
    const part = (event) => {
      const {x, w} = area();
      return Math.max(0, Math.min(1, (event.clientX - chart.getBoundingClientRect().left - x) / w));
    };
    const below = (event) => event.clientY - chart.getBoundingClientRect().top > (chart.id === 'lanes' ? area().y + area().h : Infinity);
    chart.addEventListener('wheel', (event) => {
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        this.pan(event.deltaX / 800);
      } else if (event.ctrlKey || event.metaKey || this.armed) {
        event.preventDefault();
        this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), part(event));
      }
    }, {passive: false});
    let drag = null;
    const box = element('div', '', 'select');
    box.hidden = true;
    chart.append(box);
    chart.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || below(event)) return;
      this.armed = true;
      const {from, to} = this.view();
      drag = {at: part(event), pan: event.shiftKey, from, to, id: event.pointerId};
      chart.setPointerCapture(event.pointerId);
    });
    chart.addEventListener('pointermove', (event) => {
      if (!drag) return chart.id === 'lanes' && !below(event) ? this.point(event, part(event)) : undefined;
      const at = part(event), {x, y, w, h} = area();
      if (drag.pan) {
        const shift = (drag.at - at) * (drag.to - drag.from);
        const bounded = Math.max(-drag.from, Math.min(this.end() - drag.to, shift));
        this.show(drag.from + bounded, drag.to + bounded);
        return;
      }
      box.hidden = false;
      box.style.left = x + Math.min(at, drag.at) * w + 'px';
      box.style.width = Math.abs(at - drag.at) * w + 'px';
      box.style.top = (chart.id === 'lanes' ? y : 0) + 'px';
      box.style.height = (chart.id === 'lanes' ? h : chart.clientHeight - 18) + 'px';
    });
    const stop = (event) => {
      if (!drag) return;
      const at = part(event), {at: was, pan, from, to} = drag;
      drag = null;
      box.hidden = true;
      if (pan || event.type === 'pointercancel' || Math.abs(at - was) * area().w < 4) return;
      this.show(from + Math.min(at, was) * (to - from), from + Math.max(at, was) * (to - from));
    };
    chart.addEventListener('pointerup', stop);
    chart.addEventListener('pointercancel', stop);
    chart.addEventListener('dblclick', (event) => { if (!below(event)) this.show(0, this.end()); });
    chart.addEventListener('blur', () => { this.armed = false; });
    document.addEventListener('pointerdown', (event) => { if (!event.target.closest('.chart')) this.armed = false; });
    chart.addEventListener('keydown', (event) => {
      const call = {'+': () => this.zoom(0.5), '=': () => this.zoom(0.5), '-': () => this.zoom(2), '0': () => this.show(0, this.end()),
                    Home: () => this.show(0, this.end()), ArrowLeft: () => this.pan(-0.25), ArrowRight: () => this.pan(0.25)}[event.key];
      if (!call || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      call();
    });
  }

  /** Tells about the event next to the pointer, on its lane if one is near. */
  point(event, part) {
    const view = this.view(), {trace} = this, {y, h, w} = this.lanes.getArea();
    const row = Math.floor((event.clientY - $('lanes').getBoundingClientRect().top - y) / h * trace.lanes.length);
    const x = view.from + part * (view.to - view.from), reach = 6 / w * (view.to - view.from);
    let best = -1;
    for (let i = this.firstFrom(x - reach); i < trace.count && this.x(i) <= x + reach; ++i) {
      if (trace.laneOf[trace.figures.classes[trace.classOf[i]].track] !== row) continue;
      if (best < 0 || Math.abs(this.x(i) - x) < Math.abs(this.x(best) - x)) best = i;
    }
    $('under').textContent = best < 0 ? this.axisText(x, (view.to - view.from) / 1000) : this.describe(best);
  }

  describe(i) {
    const {trace} = this, c = trace.figures.classes[trace.classOf[i]];
    const when = trace.figures.has_times ? `, ${timeText(trace.time[i], 1)}` : '';
    return `Event ${commas(i)}${when}: ${trace.figures.tracks[c.track].name} ${c.kind} ${eventLabel(trace, i).long}` +
        (c.failed ? ' (failed)' : '') + (c.inferred ? ' (inferred)' : '');
  }

  changed() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.refresh();
    });
  }

  refresh() {
    const view = this.view();
    for (const {key, chart} of this.small) chart.updateOptions({file: this.mapped(key), dateWindow: [view.from, view.to]});
    const {events, partly} = this.tables.refresh(view);
    const step = (view.to - view.from) / 1000, range = $('range');
    range.textContent = `${this.axisText(view.from, step)} to ${this.axisText(view.to, step)}` +
        (this.axis === 'time' ? `, ${durationText(view.to - view.from)}` : '') + `: ${partly ? 'about ' : ''}${commas(events)} events`;
    Object.assign(range.dataset, {from: view.from, to: view.to, events});
  }
}

/** Ticks of an axis of bytes: round in binary. */
function bytesTicker(low, high, pixels) {
  const count = Math.max(2, Math.floor(pixels / 20));
  let step = 1;
  while (step * count < high - low) step *= 2;
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) ticks.push({v, label: v < 0 ? '' : bytesText(v)});
  return ticks;
}

/** Labels of the charting library are HTML. */
const escapeText = (text) => element('span', text).innerHTML;

start().catch((error) => {
  $('timeline').append(element('p', 'The timeline cannot be shown: ' + error.message, 'bad'));
  console.error(error);
});
