// The views: the list of services, and one service. Whatever comes from the operator is put in as text, never as HTML.
import { ARRIVALS, Charts, LEAVING, P50, P99, READY, STARTING, WAITING, merge, spark } from './charts.js';
import { element, milliseconds } from './elements.js';
import { follow, setToken } from './stream.js';
import { Trial } from './trial.js';

const view = document.getElementById('view');
const link = document.getElementById('link');
let leave = () => {};

const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

function show(template) {
  leave();
  leave = () => {};
  view.replaceChildren(document.getElementById(template).content.cloneNode(true));
}

function say(words, lost = false) {
  link.textContent = words;
  link.classList.toggle('lost', lost);
}

const listening = {
  open: () => say('live'),
  lost: () => say('The operator does not answer. Trying again.', true),
  refused: (status, why) => (status === 401 ? askForToken() : say(why, true)),
};

function askForToken() {
  show('token-view');
  say('locked');
  const form = view.querySelector('form');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    setToken(form.token.value);
    route();
  });
  form.token.focus();
}

const cores = (workers, cpu) => workers * (cpu.endsWith('m') ? parseInt(cpu, 10) / 1000 : parseFloat(cpu));
const rounded = (number) => (Number.isInteger(number) ? String(number) : number.toFixed(1));
const last = (samples) => samples[samples.length - 1] ?? [0, 0, 0, 0, null, 0, 0, 0, 0];
const pathOf = (row) => `#/${encodeURIComponent(row.namespace)}/${encodeURIComponent(row.name)}`;

function age(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

function workersInWords(sample) {
  const parts = [[READY, 'ready'], [STARTING, 'starting'], [LEAVING, 'leaving']];
  return parts.filter(([column]) => sample[column] > 0 || column === READY).map(([column, word]) => `${sample[column]} ${word}`).join(', ');
}

// ---- the list ----

const COLUMNS = [['name', 'Service'], ['state', 'State'], ['queue', 'Queue'], ['arrivals', 'Arrivals/s'], ['p99', 'p99'], ['workers', 'Workers']];
const asked = { sort: 'name', descending: false, filter: '' };
const SETTLED_MS = 120; // of typing and scrolling, before another stream is opened

class Row {
  constructor(parent) {
    this.samples = [];
    this.cells = COLUMNS.map(() => element('div', { class: 'cell', role: 'cell' }));
    this.name = element('a');
    this.endpoint = element('small');
    this.cells[0].append(this.name, this.endpoint);
    this.state = element('span');
    this.message = element('small');
    this.cells[1].append(this.state, this.message);
    this.sparks = this.cells.slice(2).map((cell) => {
      const number = element('span');
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      cell.classList.add('spark');
      cell.append(number, svg);
      return { number, svg };
    });
    this.root = element('div', { class: 'row', role: 'row' }, ...this.cells);
    parent.append(this.root);
  }

  take(row, now) {
    this.row = row;
    this.samples = merge(this.samples, row.samples, now);
    this.name.textContent = row.namespace === 'default' ? row.name : `${row.namespace}/${row.name}`;
    this.name.href = pathOf(row);
    this.endpoint.textContent = row.endpoint;
    this.state.textContent = row.state;
    this.state.className = row.state;
    this.message.textContent = row.message || row.reason;
    this.cells[1].title = row.message;
  }

  draw(now, place) {
    this.root.style.top = `calc(${place} * var(--row))`;
    const sample = last(this.samples);
    const { target_ms: target, worker_cpu: cpu } = this.row;
    const running = sample[READY] + sample[STARTING] + sample[LEAVING];
    const values = [sample[WAITING], sample[ARRIVALS], milliseconds(sample[P99]), `${sample[READY]}/${this.row.desired}`];
    const reads = [(s) => s[WAITING], (s) => s[ARRIVALS], (s) => s[P99], (s) => s[READY] + s[STARTING] + s[LEAVING]];
    this.sparks.forEach(({ number, svg }, i) => {
      number.textContent = values[i];
      spark(svg, this.samples, now, reads[i], i === 2 ? target : undefined);
    });
    this.sparks[2].number.classList.toggle('late', sample[P99] !== null && sample[P99] > target);
    this.cells[5].title = `${workersInWords(sample)}; ${rounded(cores(running, cpu))} cores`;
  }
}

function showList() {
  show('list-view');
  document.title = 'Elastic Inference';
  const scroll = view.querySelector('.scroll');
  const space = view.querySelector('.space');
  const count = view.querySelector('#count');
  const filter = view.querySelector('#filter');
  const head = view.querySelector('.head');
  const rows = new Map();
  let end = () => {};
  let timer = 0;
  let ask = '';

  function query() {
    const height = space.firstElementChild?.getBoundingClientRect().height || 56;
    const fits = Math.ceil(scroll.clientHeight / height);
    // As many again above and below, so that a turn of the wheel finds them there.
    const offset = Math.max(0, Math.floor(scroll.scrollTop / height) - fits);
    return new URLSearchParams({ ...asked, offset, limit: Math.min(100, 3 * fits) }).toString();
  }

  function take(data) {
    const all = data.total === 1 ? '1 service' : `${data.total} services`;
    count.textContent = data.matching === data.total ? all : `${data.matching} of ${all}`;
    space.style.height = `calc(${data.matching} * var(--row))`;
    for (const row of data.rows) {
      const key = `${row.namespace}/${row.name}`;
      if (!rows.has(key)) rows.set(key, new Row(space));
      rows.get(key).take(row, data.now);
    }
    for (const [key, row] of rows) {
      const place = data.order.indexOf(key);
      if (place >= 0) {
        row.draw(data.now, data.offset + place);
      } else {
        row.root.remove();
        rows.delete(key);
      }
    }
    if (!data.total) count.textContent = 'No services. Apply an InferenceService and it appears here.';
  }

  function open() {
    const wanted = query();
    if (wanted === ask) return;
    ask = wanted;
    end();
    end = follow(`api/v1/streams/services?${ask}`, { ...listening, gone: say, data: take });
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(open, SETTLED_MS);
  }

  for (const [column, title] of COLUMNS) {
    const button = element('button', { text: title, type: 'button' });
    const cell = element('div', { role: 'columnheader', 'aria-sort': 'none' }, button);
    button.addEventListener('click', () => {
      // Numbers are looked at from the largest down.
      asked.descending = asked.sort === column ? !asked.descending : !['name', 'state'].includes(column);
      asked.sort = column;
      mark();
      scroll.scrollTop = 0;
      later();
    });
    head.append(cell);
  }
  function mark() {
    COLUMNS.forEach(([column], i) => {
      const sorted = asked.sort === column;
      head.children[i].setAttribute('aria-sort', !sorted ? 'none' : asked.descending ? 'descending' : 'ascending');
      head.children[i].firstElementChild.textContent = COLUMNS[i][1] + (!sorted ? '' : asked.descending ? ' ↓' : ' ↑');
    });
  }
  mark();
  filter.value = asked.filter;
  filter.addEventListener('input', () => {
    asked.filter = filter.value;
    scroll.scrollTop = 0;
    later();
  });
  scroll.addEventListener('scroll', later, { passive: true });
  addEventListener('resize', later);
  open();
  leave = () => {
    removeEventListener('resize', later);
    clearTimeout(timer);
    end();
  };
}

// ---- one service ----

const MOST_NOTES = 50; // as many as the operator keeps of a service

function facts(parent, pairs) {
  parent.replaceChildren(...pairs.map(([name, value]) => element('div', {}, element('dt', { text: name }), element('dd', { text: value }))));
}

function explain(parent, decision, newest) {
  if (!decision) {
    parent.replaceChildren(element('p', { text: 'No decision yet.' }));
    return;
  }
  const moved = decision.from === decision.to ? `stays at ${decision.to}` : `goes from ${decision.from} to ${decision.to}`;
  const parts = [element('p', {}, element('strong', { text: `${decision.reason}: ${moved}` }),
    ` (${newest ? 'the newest' : dateAndTime.format(decision.time)}, decision ${decision.id})`)];
  const add = (name, words) => words && parts.push(element('p', {}, element('strong', { text: `${name} ` }), words));
  add('Measured:', decision.measured);
  if (decision.terms.length) {
    const most = Math.max(...decision.terms.map((term) => term.workers));
    parts.push(element('p', {}, element('strong', { text: 'Asked for, in workers:' })));
    for (const term of decision.terms) {
      const bar = element('div', { class: 'bar', text: `${term.workers}` });
      bar.style.width = `${(100 * term.workers) / most}%`;
      const won = term.name === decision.term;
      parts.push(element('div', { class: won ? 'term won' : 'term' }, element('span', { text: won ? `${term.name} (won)` : term.name }), bar));
    }
  }
  add('Rule:', decision.formula);
  add('Bound:', decision.bound);
  add('Why not more:', decision.why_not_more);
  add('Why not fewer:', decision.why_not_less);
  parent.replaceChildren(...parts);
}

// The acting policy, and each advisor beside it: see docs/scaling.md, "Advisors".
function advise(parent, advice, policy) {
  parent.hidden = !advice;
  if (!advice) return;
  const { acting } = advice;
  const missing = advice.unmeasuredSeconds ? ` Not measured, and counted for nobody: ${advice.unmeasuredSeconds} s.` : '';
  parent.querySelector('p').textContent =
    `Since ${dateAndTime.format(new Date(advice.since))}: ${advice.requests} requests in ${advice.measuredSeconds} s.${missing}`;
  const head = ['Policy', 'Workers now', 'Core-seconds', 'of ours', 'Late requests'].map((text) => element('th', { scope: 'col', text }));
  const rows = [{ ...acting, name: `${policy} (acts)` }, ...advice.advisors].map((each) => {
    const share = acting.coreSeconds ? `${Math.round((100 * each.coreSeconds) / acting.coreSeconds)} %` : '–';
    const cells = [each.replicas, each.coreSeconds, share, each.lateRequests].map((text) => element('td', { text: `${text}` }));
    return element('tr', {}, element('th', { scope: 'row', text: each.name }), ...cells);
  });
  parent.querySelector('table').replaceChildren(element('tr', {}, ...head), ...rows);
}

function showService(namespace, name) {
  show('service-view');
  document.title = `${name} – Elastic Inference`;
  const part = (selector) => view.querySelector(selector);
  part('h2').textContent = namespace === 'default' ? name : `${namespace}/${name}`;
  let samples = [];
  let decisions = [];
  let events = [];
  let chosen = null;
  let newest = null;
  const charts = new Charts(part('.charts'), (decision) => choose(decision));
  const trial = new Trial(part('.trial'), `api/v1/services/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/trial`);

  function choose(decision) {
    chosen = decision;
    drawDecisions();
  }

  function drawDecisions() {
    const list = part('.decisions');
    const buttons = [...decisions].reverse().map((decision) => {
      const button = element('button', { type: 'button', 'aria-pressed': String(decision.id === chosen?.id),
        text: `${time.format(decision.time)}  ${decision.from} → ${decision.to}  ${decision.reason}` });
      button.addEventListener('click', () => choose(decision));
      return element('li', {}, button);
    });
    const now = element('button', { type: 'button', 'aria-pressed': String(!chosen), text: `now  ${newest ? newest.reason : ''}` });
    now.addEventListener('click', () => choose(null));
    const focused = [...list.querySelectorAll('button')].indexOf(document.activeElement);
    list.replaceChildren(element('li', {}, now), ...buttons);
    if (focused >= 0) list.querySelectorAll('button')[focused]?.focus();
    explain(part('.explanation div'), chosen ?? newest, !chosen);
  }

  function take(data) {
    samples = merge(samples, data.samples, data.now);
    const before = decisions.length ? decisions[decisions.length - 1].id : '';
    decisions = decisions.concat(data.decisions).slice(-MOST_NOTES);
    const changed = data.decisions.length > 0 || newest?.reason !== data.newest?.reason || before === '';
    newest = data.newest ?? null;
    if (changed) drawDecisions();
    else if (!chosen) explain(part('.explanation div'), newest, true);
    events = events.concat(data.events).slice(-MOST_NOTES);
    const sample = last(samples);
    part('.state').textContent = data.message ? `${data.state}: ${data.message}` : data.state;
    part('.state').className = `state ${data.state}`;
    facts(part('.facts'), [
      ['Endpoint', data.endpoint || '–'],
      ['Policy', data.policy],
      ['Waiting', `${sample[WAITING]} of ${data.queue_target} wanted at most`],
      ['Arrivals', `${sample[ARRIVALS]}/s`],
      ['p50', milliseconds(sample[P50])],
      ['p99', `${milliseconds(sample[P99])}, target ${milliseconds(data.target_ms)}`],
      ['Workers', `${workersInWords(sample)}; ${data.desired} wanted, ${data.min} to ${data.max}`],
      ['Cores', rounded(cores(sample[READY] + sample[STARTING] + sample[LEAVING], data.worker_cpu))],
    ]);
    advise(part('.advice'), data.advice, data.policy);
    charts.draw(samples, data.now, data.target_ms, decisions, chosen?.id ?? '');
    part('.workers').replaceChildren(...data.workers.map((worker) => element('li', {
      text: `${worker.name}: ${worker.state}, ${age(worker.age_s)} old${worker.outdated ? ', of an older template' : ''}${worker.message ? `. ${worker.message}` : ''}` })));
    part('.conditions').replaceChildren(...data.conditions.map((condition) => element('li', {
      text: `${condition.type} is ${condition.status} (${condition.reason}): ${condition.message}` })));
    part('.events').replaceChildren(...[...events].reverse().map((event) => element('li', {
      class: event.warning ? 'warning' : '', text: `${time.format(event.time)} ${event.warning ? 'Warning ' : ''}${event.reason}: ${event.message}` })));
    if (data.manifest) {
      const spec = JSON.parse(data.manifest);
      part('.manifest').textContent = JSON.stringify(spec, null, 2);
      trial.inForce(spec.scaling);
    }
  }

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const restyle = () => {
    charts.restyle();
    trial.restyle();
  };
  dark.addEventListener('change', restyle);
  const start = () => {
    samples = [];
    decisions = [];
    events = [];
    listening.open();
  };
  const end = follow(`api/v1/streams/services/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`, {
    ...listening,
    open: start,
    gone: (why) => say(`${why}.`, true),
    data: take,
  });
  leave = () => {
    end();
    dark.removeEventListener('change', restyle);
    charts.destroy();
    trial.destroy();
  };
}

function route() {
  const [, namespace, name] = location.hash.split('/').map(decodeURIComponent);
  if (namespace && name) showService(namespace, name);
  else showList();
  view.focus({ preventScroll: true });
}

addEventListener('hashchange', route);
route();
