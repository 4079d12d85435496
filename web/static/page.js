// What the pages do beyond htmx: connection badge, pause, theme, ages, flashes, filter, keys.

const byId = id => document.getElementById(id);
const stillness = matchMedia('(prefers-reduced-motion: reduce)');

for (const element of document.querySelectorAll('.js-only')) element.hidden = false;

// --- Time: the server's clock, as a machine's own may be wrong.

let clockOffset = Number(document.body.dataset.now) - Date.now();
const serverNow = () => Date.now() + clockOffset;

function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** As dashboard.freshness says it. */
function freshness(newestAt, everySeconds) {
  const age = (serverNow() - newestAt) / 1000 / everySeconds;
  return age > 10 ? 'dead' : age > 2 ? 'stale' : 'live';
}

/** What the server does not tell anew grows old all the same. */
function growOld() {
  for (const element of document.querySelectorAll('[data-every]')) {
    const { at, every, state } = element.dataset;
    const next = freshness(Date.parse(at), Number(every));
    if (next === state) continue;
    element.dataset.state = next;
    for (const word of element.querySelectorAll('.oldness')) {
      if (word.closest('[data-every]') !== element) continue;
      word.textContent = next === 'dead' ? word.dataset.dead : next === 'stale' ? next : '';
    }
  }
}

function showAges() {
  growOld();
  for (const time of document.querySelectorAll('time[data-age]')) {
    const text = duration((serverNow() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

// --- Connection

const stream = byId('stream');
const badge = byId('connection');
const pauseButton = byId('pause');
const fault = byId('fault');
let connection = null;
let state = 'connecting';
let lastMessage = Date.now();
let isPaused = false;
let isSnapshot = true;
/** What the server says is wrong, in a sentence. */
let serverFault = fault?.textContent ?? '';
let title = document.title;

/** The server pings every 5 s, and two pings were missed. */
const longestSilence = 11000;
/** A restart of the server is over by then. */
const longestReconnect = 3000;

const clockTime = time => new Date(time + clockOffset).toISOString().slice(11, 19);

/** One truth: badge, sentence, title and what is dimmed say the same. */
function showConnection() {
  if (!badge) return;
  const isCut = !navigator.onLine || state === 'reconnecting';
  const lost = !navigator.onLine ? 'offline' : isCut ? state : serverFault ? 'not live' : null;
  const shown = lost ?? (state === 'live' && isPaused ? 'paused' : state);
  if (badge.dataset.state !== shown) {
    badge.dataset.state = shown;
    badge.textContent = shown;
  }
  badge.title = `last message ${clockTime(lastMessage)} UTC`;
  const isLong = !navigator.onLine || Date.now() - lastMessage > longestReconnect;
  const sentence =
    isCut && isLong
      ? `Nothing was heard since ${clockTime(lastMessage)} UTC. What you see is of then; it is tried again by itself.`
      : serverFault;
  if (fault.textContent !== sentence) fault.textContent = sentence;
  fault.hidden = sentence === '';
  byId('content').toggleAttribute('data-past', lost !== null || isPaused);
  const shownTitle = lost === null ? title : `⚠ ${title}`;
  if (document.title !== shownTitle) document.title = shownTitle;
}

function setState(next) {
  state = next;
  showConnection();
}

/** Makes the server send everything anew: a full snapshot follows each connect. */
function reconnect() {
  connection?.reader?.cancel();
}

function watchStream() {
  stream.addEventListener('htmx:sse:after:connection', event => {
    connection = event.detail.connection;
    isSnapshot = true;
    lastMessage = Date.now();
    setState('live');
  });
  stream.addEventListener('htmx:sse:before:connection', event => {
    if (event.detail.connection.attempt > 0) setState('reconnecting');
  });
  for (const name of ['htmx:sse:error', 'htmx:sse:close', 'htmx:error', 'htmx:response:error']) {
    stream.addEventListener(name, () => setState('reconnecting'));
  }
  stream.addEventListener('htmx:sse:before:message', event => {
    lastMessage = Date.now();
    const { message } = event.detail;
    if (message.event === 'ping') clockOffset = Number(message.data) - Date.now();
    if (message.event === 'fault') {
      serverFault = message.data;
      showConnection();
    }
    if (isPaused && (message.event === '' || message.event === 'changed')) event.preventDefault();
  });
  stream.addEventListener('recovered', () => {
    serverFault = '';
    showConnection();
  });
  stream.addEventListener('changed', () => {
    isSnapshot = false;
    title = document.querySelector('[data-title]')?.dataset.title ?? title;
    showConnection();
  });
  document.addEventListener('htmx:after:swap', () => {
    showAges();
    applyFilter();
  });
  for (const name of ['online', 'offline']) addEventListener(name, showConnection);
}

/** A half-open connection, and a server that was stopped, give no error: a silence does. */
function checkStream() {
  if (state === 'live' && Date.now() - lastMessage > longestSilence) {
    setState('reconnecting');
    reconnect();
  }
  showConnection();
}

pauseButton?.addEventListener('click', () => {
  isPaused = !isPaused;
  pauseButton.setAttribute('aria-pressed', String(isPaused));
  pauseButton.textContent = isPaused ? 'Resume' : 'Pause';
  if (!isPaused) reconnect();
  showConnection();
});

// --- Changes: a short flash for eyes, a throttled sentence for screen readers.

const announcement = byId('announcement');
const news = new Map();

function flash(cell) {
  if (stillness.matches || isSnapshot || document.hidden) return;
  const colour = getComputedStyle(document.documentElement).getPropertyValue('--flash-rgb');
  cell.animate(
    [{ backgroundColor: `rgb(${colour} / 0.35)` }, { backgroundColor: `rgb(${colour} / 0)` }],
    {
      duration: 700,
      easing: 'ease-out',
    },
  );
}

function noteVerdict(element) {
  const column = element.closest('[data-label]')?.dataset.label ?? '';
  const symbol = element.closest('tr')?.querySelector('th a')?.textContent ?? '';
  const verdict = element.querySelector('.verdict')?.textContent.trim() ?? '';
  news.set(element.dataset.name ?? `${symbol} ${column}`, verdict);
}

function announce() {
  if (news.size === 0 || !announcement) return;
  const sentences = [...news].slice(0, 3).map(([name, verdict]) => `${name}: ${verdict}`);
  const rest = news.size - sentences.length;
  announcement.textContent =
    sentences.join('. ') + (rest > 0 ? `. And ${rest} more changes.` : '.');
  news.clear();
}

function watchChanges() {
  const cells = new Set();
  const observer = new MutationObserver(mutations => {
    for (const { type, target } of mutations) {
      const element = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
      if (type === 'attributes') {
        if (!isSnapshot) noteVerdict(element);
      } else if (!element?.closest('time, .oldness')) {
        const cell = element?.closest('[data-flash]');
        if (cell) cells.add(cell);
      }
    }
    for (const cell of cells) flash(cell);
    cells.clear();
  });
  observer.observe(byId('content'), {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
    attributeFilter: ['data-verdict'],
  });
}

// --- Filter

const filter = byId('filter');

function applyFilter() {
  if (!filter) return;
  const wanted = filter.value.trim().toLowerCase();
  for (const row of document.querySelectorAll('tr[data-text]')) {
    row.toggleAttribute('data-filtered', !row.dataset.text.includes(wanted));
  }
}

filter?.addEventListener('input', applyFilter);

// --- Theme: the cookie lets the server send the next page in it, without a flash.

const themeButton = byId('theme');
const nextTheme = { auto: 'light', light: 'dark', dark: 'auto' };

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? 'auto';
  themeButton.textContent = `◐ ${theme}`;
  themeButton.setAttribute('aria-label', `Theme: ${theme}`);
}

themeButton.addEventListener('click', () => {
  const theme = nextTheme[document.documentElement.dataset.theme ?? 'auto'];
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store is missing over plain HTTP.
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  showTheme();
  document.dispatchEvent(new Event('theme'));
});

// --- Keys

function moveInGrid(event, step) {
  const cell = document.activeElement?.closest('td, th');
  let row = cell?.parentElement;
  do row = step > 0 ? row?.nextElementSibling : row?.previousElementSibling;
  while (row?.hasAttribute('data-filtered'));
  const link = row?.children[cell.cellIndex]?.querySelector('a');
  if (!link) return;
  event.preventDefault();
  link.focus();
}

const keys = {
  '/': event => {
    if (!filter) return;
    event.preventDefault();
    filter.focus();
  },
  '?': () => {
    byId('keys').open = !byId('keys').open;
    if (byId('keys').open) byId('keys').scrollIntoView({ block: 'end' });
  },
  p: () => pauseButton?.click(),
  t: () => themeButton.click(),
  ArrowDown: event => moveInGrid(event, 1),
  ArrowUp: event => moveInGrid(event, -1),
};

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest('input, textarea, select')) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (/^[1-9]$/.test(event.key)) document.querySelector(`[data-key="${event.key}"]`)?.click();
  else if (Object.hasOwn(keys, event.key)) keys[event.key](event);
});

showTheme();
if (stream) {
  watchStream();
  watchChanges();
  showConnection();
  setInterval(checkStream, 1000);
  setInterval(announce, 15000);
}
setInterval(showAges, 1000);
