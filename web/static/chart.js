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
const interval = new Map();
const known = new Map();
const verdicts = new Map();

function paint() {
  const [up, down, text, grid] = ['--up', '--down', '--muted', '--rule'].map(colour);
  chart.applyOptions({
    layout: {
      background: { type: 'solid', color: 'transparent' },
      textColor: text,
      panes: { separatorColor: grid },
    },
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
  [...lines.values()].forEach(({ series, marks }, index) => {
    series.applyOptions({ color: colour(lineTones[index % lineTones.length]) });
    for (const mark of marks) mark.applyOptions({ color: text });
  });
  for (const side of interval.values()) side.applyOptions({ color: text });
  showMarkers();
}

const minus = text => text.replace('-', '−');
/** How a unit is written, alike on the page and on the scale; the digits of a price are the instrument's. */
const writers = {
  price: number => minus(money(number)),
  percent: number => `${minus(number.toFixed(2))} %`,
  probability: number => `${minus((100 * number).toFixed(1))} %`,
  basis_points: number => `${minus(number.toFixed(2))} bp`,
  count: number => minus(number.toFixed(0)),
  ratio: number => minus(Number(number.toPrecision(4)).toString()),
};

const formatOf = unit => ({
  type: 'custom',
  minMove: unit === 'price' ? 10 ** -precision : unit === 'count' ? 1 : 0.0001,
  formatter: writers[unit],
});

function withThresholds(info, thresholds) {
  if (info === null || thresholds.length === 0) return info;
  const { minValue, maxValue } = info.priceRange;
  const priceRange = {
    minValue: Math.min(minValue, ...thresholds),
    maxValue: Math.max(maxValue, ...thresholds),
  };
  return { ...info, priceRange };
}

/** What its kind declares decides where an output is drawn, and how it is written. */
function lineOf({ name, unit, pane, thresholds }) {
  let line = lines.get(name);
  if (!line) {
    const series = chart.addSeries(
      library.LineSeries,
      {
        color: colour(lineTones[lines.size % lineTones.length]),
        lineWidth: 2,
        title: name.replaceAll('_', ' '),
        priceLineVisible: false,
        priceFormat: formatOf(unit),
        // Without its thresholds a line says nothing.
        autoscaleInfoProvider: original => withThresholds(original(), thresholds),
      },
      pane === 'own' ? 1 : 0,
    );
    const marks = thresholds.map(price =>
      series.createPriceLine({
        price,
        color: colour('--muted'),
        lineWidth: 1,
        lineStyle: library.LineStyle.Dashed,
        axisLabelVisible: true,
        title: '',
      }),
    );
    line = { series, marks, write: writers[unit] };
    lines.set(name, line);
    const panes = chart.panes();
    for (const [index, each] of panes.entries()) each.setStretchFactor(index === 0 ? 5 : 2);
    host.dataset.panes = String(panes.length);
  }
  return line.series;
}

/** The interval in which the newest forecast expects the price, dashed from the last close on. */
function showForecast(forecast) {
  const close = forecast && known.get(forecast.time)?.close;
  if (close === undefined || close === null) {
    for (const side of interval.values()) side.setData([]);
    return;
  }
  for (const side of ['low', 'high']) {
    if (!interval.has(side)) {
      const series = chart.addSeries(library.LineSeries, {
        color: colour('--muted'),
        lineWidth: 1,
        lineStyle: library.LineStyle.Dashed,
        priceLineVisible: false,
        crosshairMarkerVisible: false,
        title: `forecast ${side}`,
        priceFormat: formatOf('price'),
      });
      interval.set(side, series);
    }
    // Each bucket on the way has a point, else the scale would put the horizon next to the last candle.
    const points = Array.from({ length: forecast.horizon + 1 }, (_, step) => ({
      time: forecast.time + step * width,
      value: close + ((forecast[side] - close) * step) / forecast.horizon,
    }));
    interval.get(side).setData(points);
  }
  host.dataset.forecast = String(forecast.horizon);
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
  for (const output of data.outputs) lineOf(output).setData(output.points.map(point));
  showForecast(data.forecast);
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
  for (const output of data.outputs) {
    const series = lineOf(output);
    const last = series.data().at(-1)?.time ?? 0;
    updateSeries(series, output.points.map(point), last);
  }
  showForecast(data.forecast);
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
  const values = [...lines].map(([name, { series, write }]) => {
    const value = series.data().find(each => each.time === time)?.value;
    return `${name.replaceAll('_', ' ')}\u00a0${value === undefined ? '—' : write(value)}`;
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
