import { Hono } from 'hono';
import { html } from 'hono/html';
import { age, simulatedBadge } from '../components.ts';
import type { Dashboard, Status } from '../dashboard.ts';
import * as format from '../format.ts';
import { type Html, page } from '../layout.ts';
import type { Topic } from '../live/events.ts';
import type { Reader } from '../reader.ts';

const readyWithin = 1_000;

type Rows<K extends keyof Status> = NonNullable<Status[K]>;

const passed = (time: string | null, now: number) => (time === null ? format.none : age(time, now));

const titleOf = ({ is_healthy }: Status) => (is_healthy ? 'Status' : 'Status: faults');

function health(status: Status): Html {
  const faults = status.faults ?? [];
  const notes = status.notes ?? [];
  return html`<section id="health" data-title="${titleOf(status)} · Foresight">
    <p class="large claim">${
      status.is_healthy
        ? html`<span class="verdict good"><span aria-hidden="true">✓</span> healthy</span>`
        : html`<span class="verdict down"><span aria-hidden="true">✗</span> ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}</span>`
    }</p>
    ${faults.length === 0 ? '' : html`<ul class="faults">${faults.map(fault => html`<li>${fault}</li>`)}</ul>`}
    ${notes.map(note => html`<p class="detail">${note}</p>`)}
    <dl class="facts">
      <div><dt>Engine</dt><dd>${status.engine_version ?? status.engine}</dd></div>
      <div><dt>PostgreSQL</dt><dd>${status.postgres_version}</dd></div>
      <div><dt>Database up since</dt><dd>${format.utc(status.started_at).replace(/\.\d+/, '')}</dd></div>
    </dl>
  </section>`;
}

function section(id: string, title: string, head: readonly string[], rows: readonly Html[]): Html {
  return html`<section id="${id}"><h2>${title}</h2>${
    rows.length === 0
      ? html`<p class="detail">None yet.</p>`
      : html`<div class="grid" tabindex="0" role="region" aria-label="${title}, scrolls sideways"><table>
      <thead><tr>${head.map(name => html`<th scope="col" class="${name.startsWith('#') ? 'num' : ''}">${name.replace('#', '')}</th>`)}</tr></thead>
      <tbody>${rows}</tbody></table></div>`
  }</section>`;
}

function processes(rows: Rows<'processes'>, now: number): Html {
  return section(
    'processes',
    'Processes',
    ['Process', 'State', 'Last seen'],
    rows.map(
      row => html`<tr><th scope="row">${row.process}</th>
        <td>${row.is_alive ? html`<span class="claim good">● alive</span>` : html`<span class="claim down">○ not seen</span>`}</td>
        <td>${passed(row.last_seen_at, now)}</td></tr>`,
    ),
  );
}

function services(rows: Rows<'services'>, now: number): Html {
  return section(
    'services',
    'Services',
    [
      'Service',
      'State',
      'Processes',
      'Queue',
      '#Indicators',
      '#To send',
      '#To compute',
      'Oldest',
      '#Histories',
    ],
    rows.map(
      row => html`<tr><th scope="row">${row.service}<span class="detail">${row.description}${row.closed_only ? ' (closed candles only)' : ''}</span></th>
        <td>${row.is_running ? html`<span class="claim good">● running</span>` : html`<span class="claim down">○ not running</span>`}<span class="detail">${passed(row.last_seen_at, now)}</span></td>
        <td>${row.processes.length === 0 ? format.none : row.processes.join(', ')}</td>
        <td>${row.queue}</td><td class="num">${format.count(row.indicators)}</td>
        <td class="num">${format.count(row.to_send)}</td><td class="num">${format.count(row.pending)}</td>
        <td>${passed(row.pending_since ?? row.behind_since, now)}</td><td class="num">${format.count(row.histories)}</td></tr>`,
    ),
  );
}

function lag(rows: Rows<'lag'>): Html {
  return section(
    'lag',
    'Lag of each step',
    ['Step', '#Behind', '#Waiting'],
    rows.map(
      row => html`<tr><th scope="row">${row.step}</th>
        <td class="num">${row.seconds === null ? format.none : row.seconds < 10 ? `${row.seconds.toFixed(2)} s` : format.duration(row.seconds)}</td>
        <td class="num">${format.count(row.pending)}</td></tr>`,
    ),
  );
}

function sources(rows: Rows<'sources'>, now: number): Html {
  return section(
    'sources',
    'Sources',
    ['Source', 'State', 'Last message', '#Stored', '#Duplicate', '#Conflicting', '#Rejected'],
    rows.map(
      row => html`<tr><th scope="row">${row.source} ${simulatedBadge(row.is_simulated)}</th>
        <td>${row.state ?? format.none}${row.reason ? html`<span class="detail">${row.reason}</span>` : ''}</td><td>${passed(row.last_message_at, now)}</td>
        <td class="num">${format.count(row.stored)}</td><td class="num">${format.count(row.duplicate)}</td>
        <td class="num">${format.count(row.conflicting)}</td><td class="num">${format.count(row.rejected)}</td></tr>`,
    ),
  );
}

function queues(rows: Rows<'queues'>, now: number): Html {
  return section(
    'queues',
    'Queues',
    ['Subscription', 'Queue', '#Waiting', 'Oldest', 'Last sent', '#Dead letters', 'Last error'],
    rows.map(
      row => html`<tr><th scope="row">${row.subscription}</th><td>${row.queue}</td>
        <td class="num">${format.count(row.pending)}</td><td>${passed(row.oldest_pending_at, now)}</td>
        <td>${passed(row.last_sent_at, now)}</td><td class="num">${format.count(row.dead_letters)}</td>
        <td>${row.last_error ?? format.none}</td></tr>`,
    ),
  );
}

function alerts(rows: Rows<'alerts'>, now: number): Html {
  return section(
    'alerts',
    'Alerts',
    ['Rule', 'About', 'Told last', 'When', '#Waiting', '#Given up'],
    rows.map(
      row => html`<tr><th scope="row">${row.name}${row.is_paused ? html`<span class="detail">paused</span>` : ''}</th>
        <td>${row.about}</td>
        <td>${row.last_event === null ? format.none : `${row.last_event}: ${row.last_state ?? format.none}`}</td>
        <td>${passed(row.last_event_at, now)}</td>
        <td class="num">${format.count(row.waiting)}</td><td class="num">${format.count(row.given_up)}</td></tr>`,
    ),
  );
}

function sections(status: Status, now: number) {
  return [
    {
      id: 'health',
      of: { ...status, processes: 0, services: 0, lag: 0, sources: 0, queues: 0, alerts: 0 },
      html: () => health(status),
    },
    { id: 'lag', of: status.lag, html: () => lag(status.lag ?? []) },
    { id: 'processes', of: status.processes, html: () => processes(status.processes ?? [], now) },
    {
      id: 'services',
      of: status.services,
      html: () => services(status.services ?? [], now),
    },
    { id: 'sources', of: status.sources, html: () => sources(status.sources ?? [], now) },
    { id: 'queues', of: status.queues, html: () => queues(status.queues ?? [], now) },
    { id: 'alerts', of: status.alerts, html: () => alerts(status.alerts ?? [], now) },
  ];
}

const whole = (status: Status, now: number) =>
  html`<div id="status">${sections(status, now).map(part => part.html())}</div>`;

/** What the stream of the status page carries. */
export function statusTopic(): Topic {
  return {
    key: 'status',
    source: 'status',
    render: (status, now) => ({
      id: 'status',
      shape: 'status',
      whole: () => String(whole(status, now)),
      parts: new Map(
        sections(status, now).map(part => [
          part.id,
          { signature: JSON.stringify(part.of), html: () => String(part.html()) },
        ]),
      ),
    }),
  };
}

/** Why the process should get no requests now; empty when it should. */
async function notReady(dashboard: Pick<Dashboard, 'status'>): Promise<readonly string[]> {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), readyWithin);
  try {
    const status = await Promise.race([dashboard.status(), late]);
    if (status === 'late') return ['the database does not answer within 1 s'];
    return status.is_healthy ? [] : (status.faults ?? ['unhealthy']);
  } catch {
    return ['the database cannot be read'];
  } finally {
    clearTimeout(timer);
  }
}

export function statusScreen(dashboard: Pick<Reader, 'status' | 'latest'>): Hono {
  const routes = new Hono();
  routes.get('/status', async context => {
    const { answer: status, fault } = await dashboard.latest('status');
    return context.html(
      page({
        context,
        title: titleOf(status),
        stream: 'page=status',
        fault,
        content: html`<div class="heading"><h1>Status</h1></div>${whole(status, Date.now())}`,
      }),
    );
  });
  routes.get('/healthz', context => context.text('up\n'));
  routes.get('/readyz', async context => {
    const faults = await notReady(dashboard);
    context.header('Cache-Control', 'no-store');
    return faults.length === 0
      ? context.text('ready\n')
      : context.text(`${faults.join('\n')}\n`, 503);
  });
  return routes;
}
