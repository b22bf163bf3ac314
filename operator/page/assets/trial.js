// Other settings, tried by the operator on the last hour of a service before they are applied.
import { fit, plotOf } from './charts.js';
import { element, milliseconds } from './elements.js';
import { ask } from './stream.js';

const [SECOND, ARRIVALS, MEASURED, ACTING, TRIED] = Array(5).keys();
const BUCKET_SECONDS = 10;

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
    this.chart = this.outcome.querySelector('.chart');
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
    const head = ['Settings', 'p50', 'p99', 'Late requests', 'Core-seconds', 'Changes', 'Most workers'];
    const modelled = (name, each) => each && [name, milliseconds(each.p50_ms), milliseconds(each.p99_ms), each.late, each.core_seconds,
      each.changes, each.most_workers];
    const rows = [['Measured', '–', '–', measured.late, measured.core_seconds, '–', '–'], modelled('As it is, on the model', acting),
      modelled('As tried, on the model', tried)].filter(Boolean);
    const first = element('tr', {}, ...head.map((text) => element('th', { text, scope: 'col' })));
    const row = ([name, ...values]) => element('tr', {}, element('th', { text: name, scope: 'row' }),
      ...values.map((value) => element('td', { text: `${value}` })));
    this.outcome.querySelector('table').replaceChildren(first, ...rows.map(row));
    this.outcome.querySelector('.apply').hidden = !command;
    this.outcome.querySelector('.command').textContent = command;
    this.timeline = timeline;
    this.outcome.hidden = false;
    this.restyle();
  }

  draw(title, lines, step) {
    this.chart.append(element('h3', { text: title }));
    this.plots.push(plotOf(this.chart, { lines, step, sync: 'trial' }, columns(this.timeline, lines.map(({ read }) => read))));
  }

  // Colours are drawn, so a change between light and dark draws anew.
  restyle() {
    this.destroyPlots();
    if (!this.timeline.length) return;
    this.draw('Arrivals, requests/s', [{ label: 'arrivals', read: ARRIVALS, ink: '--blue' }], false);
    const lines = [
      { label: 'measured', read: MEASURED, ink: '--muted', dash: [2, 2] },
      { label: 'as it is', read: ACTING, ink: '--blue' },
      { label: 'as tried', read: TRIED, ink: '--orange' },
    ];
    const modelled = this.timeline[0][ACTING] !== null;
    this.draw('Workers', lines.filter(({ read }) => read !== ACTING || modelled), true);
  }

  fit() {
    for (const plot of this.plots) fit(plot, this.chart);
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
    this.chart.replaceChildren();
  }

  destroy() {
    this.resize.disconnect();
    this.destroyPlots();
  }
}
