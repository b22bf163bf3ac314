// Other settings, tried by the operator on the last hour of a service before they are applied.
import { clockAt, colour, stepped } from './charts.js';
import { ask } from './stream.js';

const [SECOND, ARRIVALS, MEASURED, ACTING, TRIED] = Array(5).keys();
const BUCKET_SECONDS = 10;

const milliseconds = (value) => (value === null ? '–' : `${value} ms`);

function cell(tag, text, scope) {
  const out = document.createElement(tag);
  out.textContent = text;
  if (scope) out.scope = scope;
  return out;
}

// A value for every ten seconds, with null where nothing was measured, so that no line goes over a gap.
function columns(timeline, reads) {
  const at = new Map(timeline.map((bucket) => [bucket[SECOND], bucket]));
  const seconds = [];
  for (let second = timeline[0][SECOND]; second <= timeline[timeline.length - 1][SECOND]; second += BUCKET_SECONDS) seconds.push(second);
  return [seconds, ...reads.map((read) => seconds.map((second) => at.get(second)?.[read] ?? null))];
}

export class Trial {
  constructor(parent, path) {
    this.path = path;
    this.form = parent.querySelector('form');
    this.said = parent.querySelector('.said');
    this.outcome = parent.querySelector('.outcome');
    this.timeline = [];
    this.plots = [];
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.run();
    });
    this.outcome.querySelector('button').addEventListener('click', (event) => this.copy(event.target));
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.outcome);
  }

  // What holds stands in the empty fields.
  inForce(scaling) {
    for (const input of this.form.querySelectorAll('input')) input.placeholder = `${scaling[input.name]}`;
    this.form.policy.options[0].textContent = `as it is (${scaling.policy})`;
  }

  say(words, wrong = false) {
    this.said.textContent = words;
    this.said.classList.toggle('wrong', wrong);
  }

  async run() {
    const button = this.form.querySelector('button');
    const wanted = [...new FormData(this.form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
    button.disabled = true;
    this.say('The model runs.');
    const { status, body } = await ask(`${this.path}?${new URLSearchParams(wanted)}`).catch(() => ({ status: 0, body: {} }));
    button.disabled = false;
    if (status !== 200) {
      this.outcome.hidden = true;
      this.say(body.detail ?? 'The operator does not answer.', true);
      return;
    }
    this.show(body);
  }

  show({ measured, acting, acting_message: why, tried, timeline, command }) {
    const minutes = Math.round(measured.seconds / 60);
    this.say(`${measured.requests} requests in ${minutes < 2 ? `${Math.round(measured.seconds)} s` : `${minutes} min`} that were measured, ` +
      `${measured.service_ms} ms of a worker each, ${measured.start_s} s until a worker serves.${why ? ` No model of what acts: ${why}.` : ''}`);
    const head = ['', 'p50', 'p99', 'Late requests', 'Core-seconds', 'Changes', 'Most workers'];
    const modelled = (name, each) => each && [name, milliseconds(each.p50_ms), milliseconds(each.p99_ms), each.late, each.core_seconds,
      each.changes, each.most_workers];
    const rows = [['Measured', '–', '–', measured.late, measured.core_seconds, '–', '–'], modelled('As it is, on the model', acting),
      modelled('As tried, on the model', tried)].filter(Boolean);
    const row = (cells) => {
      const out = document.createElement('tr');
      out.append(cell('th', cells[0], 'row'), ...cells.slice(1).map((text) => cell('td', `${text}`)));
      return out;
    };
    const first = document.createElement('tr');
    first.append(...head.map((text) => (text ? cell('th', text, 'col') : cell('td', ''))));
    this.outcome.querySelector('table').replaceChildren(first, ...rows.map(row));
    this.outcome.querySelector('.apply').hidden = !command;
    this.outcome.querySelector('.command').textContent = command;
    this.timeline = timeline;
    this.outcome.hidden = false;
    this.restyle();
  }

  width() {
    return Math.max(240, this.outcome.clientWidth);
  }

  draw(title, lines, step) {
    const parent = this.outcome.querySelector('.chart');
    parent.append(cell('h3', title));
    const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const series = lines.map(([label, , ink, dash]) => ({
      label, stroke: colour(ink), width: 2, dash, points: { show: false }, ...(step ? { paths: stepped } : {}),
    }));
    this.plots.push(new uPlot({
      width: this.width(),
      height: 150,
      cursor: { sync: { key: 'trial' }, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(2, high * 1.1)] } },
      axes: [{ ...axis, size: 28, space: 90, values: (u, seconds) => seconds.map(clockAt) }, { ...axis, size: 56 }],
      series: [{ label: 'time', value: (u, second) => clockAt(second) }, ...series],
    }, columns(this.timeline, lines.map(([, read]) => read)), parent));
  }

  // Colours are drawn, so a change between light and dark draws anew.
  restyle() {
    this.destroyPlots();
    if (!this.timeline.length) return;
    this.draw('Arrivals, requests/s', [['arrivals', ARRIVALS, '--blue']], false);
    const lines = [['measured', MEASURED, '--muted', [2, 2]], ['as it is', ACTING, '--blue'], ['as tried', TRIED, '--orange']];
    const modelled = this.timeline[0][ACTING] !== null;
    this.draw('Workers', lines.filter(([, read]) => read !== ACTING || modelled), true);
  }

  fit() {
    for (const plot of this.plots) plot.setSize({ width: this.width(), height: 150 });
  }

  async copy(button) {
    const command = this.outcome.querySelector('.command');
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(command); // no right to the clipboard: selected, for the reader to copy
      button.textContent = 'Selected';
    }
  }

  destroyPlots() {
    for (const plot of this.plots) plot.destroy();
    this.plots = [];
    this.outcome.querySelector('.chart').replaceChildren();
  }

  destroy() {
    this.resize.disconnect();
    this.destroyPlots();
  }
}
