// Samples and how they are drawn. A sample is [second, arrivals/s, waiting, in flight, p99 ms or null, ready, starting,
// leaving, desired, p50 ms or null], and holds until the next one.

export const [SECOND, ARRIVALS, WAITING, IN_FLIGHT, P99, READY, STARTING, LEAVING, DESIRED, P50] = Array(10).keys();
export const WINDOW_SECONDS = 600;

// Puts news behind what is known: a sample of a second that is there already replaces it.
export function merge(known, news, now) {
  let out = known;
  if (news.length) out = known.filter((sample) => sample[SECOND] < news[0][SECOND]).concat(news);
  const begin = now / 1000 - WINDOW_SECONDS;
  let first = out.findIndex((sample) => sample[SECOND] > begin);
  if (first < 0) first = out.length;
  return out.slice(Math.max(0, first - 1));
}

// One value for each second, with null where nothing is known yet.
export function everySecond(samples, now, read) {
  const end = Math.floor(now / 1000);
  const out = [];
  let at = -1;
  for (let second = end - WINDOW_SECONDS + 1; second <= end; ++second) {
    while (at + 1 < samples.length && samples[at + 1][SECOND] <= second) ++at;
    out.push(at < 0 ? null : read(samples[at]));
  }
  return out;
}

const SVG = 'http://www.w3.org/2000/svg';

// A line without axes: 60 points, the largest of each ten seconds, so that no peak is lost.
export function spark(svg, samples, now, read, target) {
  const values = everySecond(samples, now, read);
  const points = [];
  for (let i = 0; i < values.length; i += 10) {
    const some = values.slice(i, i + 10).filter((value) => value !== null);
    points.push(some.length ? Math.max(...some) : null);
  }
  const most = Math.max(1e-9, target ?? 0, ...points.filter((value) => value !== null));
  const y = (value) => (30 - (28 * value) / most).toFixed(1);
  let path = '';
  let pen = 'M';
  points.forEach((value, i) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    path += `${pen}${i} ${y(value)}`;
    pen = 'L';
  });
  svg.replaceChildren();
  svg.setAttribute('viewBox', '0 0 59 32');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true'); // the number beside it says what is now
  for (const [shape, kind] of [[path, ''], [target ? `M0 ${y(target)}H59` : '', 'target']]) {
    if (!shape) continue;
    const line = document.createElementNS(SVG, 'path');
    line.setAttribute('d', shape);
    if (kind) line.setAttribute('class', kind);
    svg.append(line);
  }
}

const stepped = (u, series, from, to) => uPlot.paths.stepped({ align: 1 })(u, series, from, to);
// In the reader's zone and in the form of the reader's language.
const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit', second: '2-digit' });
const clockAt = (second) => (second === null ? '–' : clock.format(second * 1000));
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const HEIGHT = 150;
const widthOf = (parent) => Math.max(240, parent.clientWidth);

// A chart on a time axis. lines: [{ label, ink, dash, width }]; data: seconds, and values for each line. Charts with the same
// `sync` share their cursor.
export function plotOf(parent, { lines, step = false, sync, hooks = {} }, data) {
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const series = lines.map(({ label, ink, dash, width = 2 }) => ({
    label, stroke: colour(ink), width, dash, points: { show: false }, ...(step ? { paths: stepped } : {}),
  }));
  return new uPlot({
    width: widthOf(parent),
    height: HEIGHT,
    cursor: { sync: { key: sync }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(step ? 2 : 1, high * 1.1)] } },
    axes: [{ ...axis, size: 28, space: 90, values: (u, seconds) => seconds.map(clockAt) }, { ...axis, size: 56 }],
    series: [{ label: 'time', value: (u, second) => clockAt(second) }, ...series],
    hooks,
  }, data, parent);
}

export function fit(plot, parent) {
  plot.setSize({ width: widthOf(parent), height: HEIGHT });
}

const CHARTS = [
  { title: 'Arrivals, requests/s', series: [['arrivals', (s) => s[ARRIVALS], '--blue']] },
  {
    title: 'Requests in the service',
    series: [['waiting', (s) => s[WAITING], '--orange'], ['at workers', (s) => s[IN_FLIGHT], '--blue']],
  },
  {
    title: 'Latency of the answers, ms',
    series: [['p50', (s) => s[P50], '--green'], ['p99', (s) => s[P99], '--blue']],
    target: true,
  },
  {
    title: 'Workers',
    step: true,
    series: [
      ['desired', (s) => s[DESIRED], '--red'],
      ['ready', (s) => s[READY], '--green'],
      ['starting', (s) => s[STARTING], '--orange'],
      ['leaving', (s) => s[LEAVING], '--muted'],
    ],
  },
];

// The four charts of one service on one time axis. onPick(decision) hears of a click beside a decision's line.
export class Charts {
  constructor(parent, onPick) {
    this.decisions = [];
    this.chosen = '';
    this.charts = CHARTS.map((chart) => {
      const figure = document.createElement('div');
      figure.className = 'chart';
      const heading = document.createElement('h3');
      heading.textContent = chart.title;
      figure.append(heading);
      parent.append(figure);
      return { ...chart, figure, plot: null };
    });
    this.onPick = onPick;
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(parent);
  }

  fit() {
    for (const chart of this.charts) {
      if (chart.plot) fit(chart.plot, chart.figure);
    }
  }

  mark(u) {
    for (const decision of this.decisions) {
      const x = u.valToPos(decision.time / 1000, 'x', true);
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      u.ctx.save();
      u.ctx.strokeStyle = colour(decision.to > decision.from ? '--red' : '--green');
      u.ctx.lineWidth = decision.id === this.chosen ? 3 : 1;
      u.ctx.setLineDash(decision.to > decision.from ? [] : [4, 3]);
      u.ctx.beginPath();
      u.ctx.moveTo(x, u.bbox.top);
      u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
      u.ctx.stroke();
      u.ctx.restore();
    }
  }

  pick(u, event) {
    const left = event.clientX - u.over.getBoundingClientRect().left;
    const distance = (decision) => Math.abs(u.valToPos(decision.time / 1000, 'x') - left);
    const nearest = this.decisions.reduce((best, each) => (!best || distance(each) < distance(best) ? each : best), null);
    if (nearest && distance(nearest) < 24) this.onPick(nearest); // as large as a finger
  }

  make(chart, data) {
    const lines = chart.series.map(([label, , ink]) => ({ label, ink }));
    if (chart.target) lines.push({ label: 'target', ink: '--red', dash: [6, 4], width: 1 });
    const hooks = {
      draw: [(u) => this.mark(u)],
      ready: [(u) => u.over.addEventListener('click', (event) => this.pick(u, event))],
    };
    chart.plot = plotOf(chart.figure, { lines, step: chart.step, sync: 'service', hooks }, data);
  }

  draw(samples, now, targetMs, decisions, chosen) {
    this.decisions = decisions;
    this.chosen = chosen;
    const end = Math.floor(now / 1000);
    const seconds = Array.from({ length: WINDOW_SECONDS }, (_, i) => end - WINDOW_SECONDS + 1 + i);
    for (const chart of this.charts) {
      const data = [seconds, ...chart.series.map(([, read]) => everySecond(samples, now, read))];
      if (chart.target) data.push(seconds.map(() => targetMs));
      if (chart.plot) chart.plot.setData(data);
      else this.make(chart, data);
    }
  }

  // Colours are drawn, so a change between light and dark draws anew.
  restyle() {
    for (const chart of this.charts) {
      chart.plot?.destroy();
      chart.plot = null;
    }
  }

  destroy() {
    this.resize.disconnect();
    this.restyle();
  }
}
