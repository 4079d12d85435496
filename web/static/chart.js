// The chart of an indicator: draws what chart.json says, and follows it when the stream says so.

const host = document.getElementById('chart');
const legend = document.getElementById('legend');
const source = host.dataset.source;
const precision = Number(host.dataset.precision);
const width = Number(host.dataset.width);
/** Requests follow changes at once, but not more often than this, in milliseconds. */
const restBetweenReads = 400;
const lineTones = ['--line-1', '--line-2', '--line-3', '--line-4'];

const library = await import(host.dataset.library);

/** The colour behind a custom property, as the canvas needs it. */
function colour(property) {
  const probe = document.createElement('span');
  probe.className = `probe probe${property}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const utc = time => `${new Date(time * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
const money = number => number.toFixed(precision);

const chart = library.createChart(host, {
  autoSize: true,
  layout: { attributionLogo: false },
  localization: { timeFormatter: utc },
  timeScale: { timeVisible: true, secondsVisible: width < 60, rightOffset: 4 },
  crosshair: { mode: library.CrosshairMode.Normal },
});
const candles = chart.addSeries(library.CandlestickSeries, {
  priceFormat: { type: 'price', precision, minMove: 10 ** -precision },
});
const markers = library.createSeriesMarkers(candles, []);
const lines = new Map();
const known = new Map();
const verdicts = new Map();

function paint() {
  const [up, down, text, grid] = ['--up', '--down', '--muted', '--rule'].map(colour);
  chart.applyOptions({
    layout: { background: { type: 'solid', color: 'transparent' }, textColor: text },
    grid: { vertLines: { color: grid }, horzLines: { color: grid } },
    timeScale: { borderColor: grid },
    rightPriceScale: { borderColor: grid },
  });
  // Rising candles are hollow: the direction shows without colour as well.
  candles.applyOptions({
    upColor: 'transparent',
    downColor: down,
    borderUpColor: up,
    borderDownColor: down,
    wickUpColor: up,
    wickDownColor: down,
  });
  [...lines.values()].forEach((line, index) => {
    line.applyOptions({ color: colour(lineTones[index % lineTones.length]) });
  });
  showMarkers();
}

/** An oscillator has a scale of its own: it goes into a pane below the candles. */
function paneOf(points) {
  const closes = [...known.values()].map(candle => candle.close);
  const values = points.map(point => point.value).filter(value => value !== null);
  if (closes.length === 0 || values.length === 0) return 0;
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  const [low, high] = [Math.min(...closes), Math.max(...closes)];
  return middle < low - (high - low) - low * 0.2 || middle > high + (high - low) + high * 0.2
    ? 1
    : 0;
}

function lineOf(name, points) {
  let line = lines.get(name);
  if (!line) {
    const tone = lineTones[lines.size % lineTones.length];
    line = chart.addSeries(
      library.LineSeries,
      {
        color: colour(tone),
        lineWidth: 2,
        title: name,
        priceLineVisible: false,
        priceFormat: { type: 'price', precision, minMove: 10 ** -precision },
      },
      paneOf(points),
    );
    lines.set(name, line);
  }
  return line;
}

const point = ({ time, value }) => (value === null ? { time } : { time, value });

function showMarkers() {
  const changes = [];
  let last = null;
  for (const [time, verdict] of [...verdicts].sort((a, b) => a[0] - b[0])) {
    if (verdict === null) continue;
    if (last !== null && verdict !== last && known.has(time)) {
      changes.push({
        time,
        position: verdict > 0 ? 'belowBar' : 'aboveBar',
        shape: verdict > 0 ? 'arrowUp' : verdict < 0 ? 'arrowDown' : 'square',
        color: colour(verdict > 0 ? '--up' : verdict < 0 ? '--down' : '--muted'),
      });
    }
    last = verdict;
  }
  markers.setMarkers(changes);
}

function remember(data) {
  for (const candle of data.candles) known.set(candle.time, candle);
  for (const { time, verdict } of data.verdicts) verdicts.set(time, verdict);
}

function drawAll(data) {
  known.clear();
  verdicts.clear();
  remember(data);
  candles.setData(data.candles);
  for (const [name, points] of Object.entries(data.lines))
    lineOf(name, points).setData(points.map(point));
  showMarkers();
  host.dataset.drawn = String(known.size);
}

/** The library throws for a point older than its newest, unless told that this is meant. */
function updateSeries(series, points, newest) {
  for (const each of points) series.update(each, each.time < newest);
}

function drawChanges(data, newest) {
  // A candle that was never drawn and lies in the past cannot be put in between.
  if (data.candles.some(candle => candle.time < newest && !known.has(candle.time))) return false;
  remember(data);
  updateSeries(candles, data.candles, newest);
  for (const [name, points] of Object.entries(data.lines)) {
    const line = lineOf(name, points);
    const last = line.data().at(-1)?.time ?? 0;
    updateSeries(line, points.map(point), last);
  }
  showMarkers();
  return true;
}

async function read(from) {
  const answer = await fetch(from === null ? source : `${source}?from=${from}`);
  if (!answer.ok) throw new Error(`chart data: status ${answer.status}`);
  return answer.json();
}

let isReading = false;
let isWanted = false;
let needsAll = true;

async function refresh() {
  if (isReading) {
    isWanted = true;
    return;
  }
  isReading = true;
  isWanted = false;
  try {
    const newest = needsAll || known.size === 0 ? null : Math.max(...known.keys());
    // Two buckets more than the newest, for ticks that came late.
    const data = await read(newest === null ? null : newest - 2 * width);
    if (newest === null) drawAll(data);
    else if (!drawn(data, newest)) drawAll(await read(null));
    needsAll = known.size === 0;
    host.dataset.updates = String(Number(host.dataset.updates ?? 0) + 1);
    showLegend();
  } catch {
    // The next change, or the badge that says so, takes care of it; all is read again then.
    needsAll = true;
  }
  setTimeout(() => {
    isReading = false;
    if (isWanted) void refresh();
  }, restBetweenReads);
}

function drawn(data, newest) {
  try {
    return drawChanges(data, newest);
  } catch {
    return false;
  }
}

function showLegend(time = Math.max(...known.keys())) {
  const candle = known.get(time);
  if (!candle) return;
  const values = [...lines].map(([name, line]) => {
    const value = line.data().find(each => each.time === time)?.value;
    return `${name}\u00a0${value === undefined ? '—' : line.priceFormatter().format(value)}`;
  });
  const figures = ['open', 'high', 'low', 'close'].map(
    name => `${name[0].toUpperCase()}\u00a0${money(candle[name])}`,
  );
  legend.textContent = [
    utc(time),
    ...figures,
    ...values,
    `${candle.tick_count} ticks`,
    candle.is_closed ? 'closed' : 'forming',
  ].join('  ');
}

chart.subscribeCrosshairMove(({ time }) => showLegend(time ?? undefined));
document
  .getElementById('latest')
  .addEventListener('click', () => chart.timeScale().scrollToRealTime());
document.getElementById('fit').addEventListener('click', () => chart.timeScale().fitContent());

const stream = document.getElementById('stream');
stream.addEventListener('changed', () => void refresh());
stream.addEventListener('htmx:sse:after:connection', () => {
  needsAll = true;
  void refresh();
});
document.addEventListener('theme', paint);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);

paint();
await refresh();
