import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import { html } from 'hono/html';
import { type AssetName, assetUrl } from './assets.ts';

/** What the `html` template makes: escaped, ready to be put into another template. */
export type Html = ReturnType<typeof html>;

const themes = ['light', 'dark'] as const;

export interface PageOptions {
  readonly context: Context;
  readonly title: string;
  readonly content: Html;
  /** Query of the page's stream, as in `/events?indicator=7`; absent: the page is not live. */
  readonly stream?: string;
  /** What is wrong now, in a sentence: what the page shows is what was last known. */
  readonly fault?: string | null;
  readonly scripts?: readonly AssetName[];
  readonly credits?: Html;
}

const htmxConfig = JSON.stringify({
  // The indicator style would be an injected style sheet, which the policy forbids.
  includeIndicatorCSS: false,
  // Plain links navigate; the browser's own history is right for them.
  history: false,
  extensions: 'sse',
  // htmx 4 swaps error answers into the page unless told not to.
  noSwap: [204, 304, '4xx', '5xx'],
  // Marks that page.js sets and a morph must leave alone.
  morphIgnore: ['data-htmx-powered', 'data-filtered'],
});

const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#12344d"/><path d="M3 11l3-4 3 2 4-5" fill="none" stroke="#7cc4ff" stroke-width="1.8"/></svg>',
)}`;

/** The theme of the cookie, so that the first paint already has it; undefined follows the system. */
function chosenTheme(context: Context) {
  const chosen = getCookie(context, 'theme');
  return themes.find(theme => theme === chosen);
}

const navigation = [
  ['/', 'Market'],
  ['/status', 'Status'],
] as const;

function header(context: Context, isLive: boolean): Html {
  const path = context.req.path;
  return html`<header class="top">
    <a class="brand" href="/">Foresight</a>
    <nav aria-label="Main">
      ${navigation.map(
        ([href, name]) =>
          html`<a href="${href}" ${href === path ? html`aria-current="page"` : ''}>${name}</a>`,
      )}
    </nav>
    <div class="tools">
      ${isLive ? liveTools(context) : ''}
      <button type="button" id="theme" class="js-only" title="Theme: as the system, light or dark" hidden aria-keyshortcuts="t">◐ auto</button>
    </div>
  </header>`;
}

function liveTools(context: Context): Html {
  const { pathname, search } = new URL(context.req.url);
  return html`<noscript><a href="${pathname + search}">Refresh</a></noscript>
    <span id="connection" class="badge connection js-only" role="status" data-state="connecting" hidden>connecting</span>
    <button type="button" id="pause" class="js-only" hidden aria-pressed="false" aria-keyshortcuts="p">Pause</button>`;
}

function stream(query: string, fault: string | null): Html {
  // The extension retries only after a first good stream: the second trigger covers a failed one.
  return html`<div id="stream" hidden hx-sse:connect="/events?${query}" hx-trigger="load, every 5s"
    hx-swap="none" hx-config="sse.reconnectMaxDelay:5000"></div>
    <p id="fault" class="fault" role="alert" ${fault === null ? 'hidden' : ''}>${fault ?? ''}</p>
    <p id="announcement" class="visually-hidden" aria-live="polite"></p>`;
}

/** The shell of every page. */
export function page(options: PageOptions): Html {
  const { context } = options;
  const theme = chosenTheme(context);
  // page.js first: it must hear already when htmx connects.
  const scripts: AssetName[] = ['page.js', 'htmx.js'];
  return html`<!doctype html>
<html lang="en" ${theme === undefined ? '' : html`data-theme="${theme}"`}>
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="htmx-config" content="${htmxConfig}">
  <title>${options.title} · Foresight</title>
  <link rel="icon" href="${icon}">
  <link rel="stylesheet" href="${assetUrl('style.css')}">
  ${scripts.map(name => html`<script src="${assetUrl(name)}" defer></script>`)}
  ${(options.scripts ?? []).map(name => html`<script type="module" src="${assetUrl(name)}"></script>`)}
</head>
<body data-now="${Date.now()}">
  <a class="skip" href="#content">Skip to content</a>
  ${header(context, options.stream !== undefined)}
  ${options.stream === undefined ? '' : stream(options.stream, options.fault ?? null)}
  <main id="content" tabindex="-1" ${options.fault ? 'data-past' : ''}>${options.content}</main>
  <footer>
    <p>Verdicts are arithmetic on past prices, not advice. All times are UTC. ${options.credits ?? ''}</p>
    <details id="keys" class="js-only" hidden><summary>Keys</summary>
      <p><kbd>/</kbd> filter · <kbd>1</kbd>–<kbd>8</kbd> timeframe · <kbd>p</kbd> pause · <kbd>t</kbd> theme · <kbd>↑</kbd> <kbd>↓</kbd> move in the grid · <kbd>?</kbd> this list</p>
    </details>
  </footer>
</body>
</html>`;
}

/** A page that says what went wrong and no more. */
export function errorPage(context: Context, title: string, message: string): Html {
  return page({
    context,
    title,
    content: html`<h1>${title}</h1><p>${message}</p><p><a href="/">Back to the market</a></p>`,
  });
}
