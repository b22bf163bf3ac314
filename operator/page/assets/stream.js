// Asks the operator, and follows its streams. By fetch and not by EventSource, which cannot send a token.

const TOKEN = 'elastic-inference-token';
const LONGEST_PAUSE_MS = 10_000; // an operator that restarts is back by then
const SILENCE_MS = 10_000; // it sends every second: whoever is silent for so long is gone

export function setToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// One answer: { status, body }. The body of a refusal has `detail` in words.
export async function ask(path) {
  const response = await fetch(path, { headers: headers(), cache: 'no-store' });
  return { status: response.status, body: await response.json().catch(() => ({})) };
}

async function* eventsOf(response, alive) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      yield { kind: field('event') ?? 'message', data: JSON.parse(field('data')) };
    }
  }
}

// on.data(object), on.gone(why), on.refused(status, why), on.lost(), on.open(). Gives a function that ends it.
export function follow(path, on) {
  let ended = false;
  let abort = null;
  let pause = 500;
  let timer = 0;

  // 'over': asking again is of no use. 'told': why it ended is on the page. Nothing: the operator is away.
  async function once() {
    let told = '';
    abort = new AbortController();
    let watchdog = 0;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    alive();
    try {
      const response = await fetch(path, { headers: headers(), signal: abort.signal, cache: 'no-store' });
      if (!response.ok) {
        const problem = await response.json().catch(() => ({}));
        if (!ended) on.refused(response.status, problem.detail ?? response.statusText);
        return response.status === 401 || response.status === 400 ? 'over' : 'told';
      }
      on.open();
      for await (const { kind, data } of eventsOf(response, alive)) {
        if (ended) return 'over';
        pause = 500;
        if (kind === 'gone') {
          told = 'told';
          on.gone(data);
        } else {
          on.data(data);
        }
      }
    } finally {
      clearTimeout(watchdog);
    }
    return told;
  }

  async function run() {
    const how = await once().catch(() => '');
    if (ended || how === 'over') return;
    if (!how) on.lost();
    timer = setTimeout(run, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  run();
  return () => {
    ended = true;
    clearTimeout(timer);
    abort?.abort();
  };
}
