import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { compress } from 'hono/compress';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { isPassing } from '../db/runtime/errors.ts';
import type { Logger } from '../db/runtime/logger.ts';
import { clientOf } from './access/client.ts';
import { guardDoor } from './access/door.ts';
import { assetRoutes } from './assets.ts';
import { errorPage } from './layout.ts';
import type { Events, Topic } from './live/events.ts';
import type { Reader } from './reader.ts';
import { indicatorScreen, indicatorTopic } from './screens/indicator.ts';
import { instrumentScreen, instrumentTopic } from './screens/instrument.ts';
import { marketScreen, marketTopic } from './screens/market.ts';
import { ratingScreen, ratingTopic } from './screens/rating.ts';
import { statusScreen, statusTopic } from './screens/status.ts';

export interface AppOptions {
  readonly dashboard: Reader;
  readonly events: Events;
  readonly logger: Logger;
  /** Names that it answers to, in lower case, beside addresses and localhost. */
  readonly hosts?: readonly string[];
  /** Then X-Forwarded-For says who asks. */
  readonly isBehindProxy?: boolean;
}

const topics: Readonly<
  Record<string, (query: (name: string) => string | undefined) => Topic | null>
> = {
  market: marketTopic,
  indicator: indicatorTopic,
  instrument: instrumentTopic,
  rating: ratingTopic,
  status: statusTopic,
};

const securityHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    connectSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: 'DENY',
  // Whether there is TLS at all is known to the proxy in front, not here.
  strictTransportSecurity: false,
});

/** The stream of one page. Never behind etag, which would wait for its end. */
function serveEvents(context: Context, events: Events, client: string) {
  const name = context.req.query('page') ?? 'market';
  const choose = Object.hasOwn(topics, name) ? topics[name] : undefined;
  const topic = choose?.(parameter => context.req.query(parameter)) ?? null;
  if (topic === null) return context.notFound();
  // Hono answers HEAD through GET and drops the body, which then nobody would ever close.
  if (context.req.raw.method === 'HEAD') {
    return context.body(null, 200, { 'Content-Type': 'text/event-stream' });
  }

  const refusal = events.refusal(client);
  if (refusal !== null) {
    return context.text(`${refusal}\n`, 503, { 'Retry-After': '10' });
  }

  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const response = streamSSE(context, async stream => {
    const leave = events.join(topic, bytes => stream.write(bytes), end, client);
    // Either may be the only one to fire, depending on how the connection ended.
    stream.onAbort(end);
    context.req.raw.signal.addEventListener('abort', () => end(), { once: true });
    await ended;
    leave?.();
    // An orderly close waits for a browser that reads; one that does not is cut off.
    setTimeout(() => stream.abort(), 1_000).unref();
  });
  response.headers.set('Cache-Control', 'no-store, no-transform');
  // nginx would otherwise collect the stream in its buffer.
  response.headers.set('X-Accel-Buffering', 'no');
  return response;
}

/** Puts the screens together; opens nothing. */
export function createApp(options: AppOptions): Hono {
  const { dashboard, events, logger, hosts = [], isBehindProxy = false } = options;
  const app = new Hono();

  app.use(securityHeaders);
  app.use(guardDoor(hosts));
  app.use(compress());
  app.get('/events', context => serveEvents(context, events, clientOf(context, isBehindProxy)));
  app.route('/', assetRoutes());
  app.route('/', marketScreen(dashboard));
  app.route('/', indicatorScreen(dashboard));
  app.route('/', instrumentScreen(dashboard));
  app.route('/', ratingScreen(dashboard));
  app.route('/', statusScreen(dashboard));

  app.notFound(context =>
    context.html(errorPage(context, 'Not found', 'There is nothing at this address.'), 404),
  );
  app.onError((error, context) => {
    const requestId = randomUUID().slice(0, 8);
    const outage = dashboard.describeFault();
    const fault =
      outage ?? (isPassing(error) ? 'The database took too long for this page. Try again.' : null);
    // Of an outage the reader has told already.
    const level = outage !== null ? 'debug' : fault !== null ? 'warn' : 'error';
    logger[level]({ err: error, requestId, path: context.req.path }, 'request failed');
    if (fault !== null) {
      context.header('Retry-After', '5');
      return context.html(errorPage(context, 'This page cannot be shown now', fault), 503);
    }
    return context.html(
      errorPage(
        context,
        'This page cannot be shown now',
        `Something behind it failed at ${new Date().toISOString()}. Try again, or look for request ${requestId} in the log of process web.`,
      ),
      500,
    );
  });
  return app;
}
