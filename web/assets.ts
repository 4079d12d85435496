import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Hono } from 'hono';
import { etag } from 'hono/etag';

const packages = createRequire(import.meta.url);
const inPackage = (name: string, path: string) =>
  join(dirname(packages.resolve(`${name}/package.json`)), path);
const own = (name: string) => join(import.meta.dirname, 'static', name);

/** Every file a browser may have; whatever is not in this list does not exist. */
const files = {
  'style.css': [own('style.css')],
  'page.js': [own('page.js')],
  'chart.js': [own('chart.js')],
  // In one file: htmx starts by a timer, which on a slow line fires before a second file is there,
  // and an extension that registers later never sees the elements.
  'htmx.js': [
    inPackage('htmx.org', 'dist/htmx.min.js'),
    inPackage('htmx.org', 'dist/ext/hx-sse.min.js'),
  ],
  'lightweight-charts.js': [
    inPackage('lightweight-charts', 'dist/lightweight-charts.standalone.production.mjs'),
  ],
};

export type AssetName = keyof typeof files;

interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly version: string;
}

function load(name: string, paths: readonly string[]): Asset {
  const file = paths.map(path => readFileSync(path, 'utf8')).join('\n');
  return {
    body: new TextEncoder().encode(file),
    type: name.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8',
    version: createHash('sha256').update(file).digest('hex').slice(0, 10),
  };
}

const assets = new Map(Object.entries(files).map(([name, paths]) => [name, load(name, paths)]));

/** The URL of a file, which changes whenever its content does. */
export function assetUrl(name: AssetName): string {
  return `/static/${name}?v=${assets.get(name)?.version}`;
}

/** Serves the listed files; a URL that carries the right version may be kept for a year. */
export function assetRoutes(): Hono {
  const routes = new Hono();
  routes.get('/static/:name', etag(), context => {
    const asset = assets.get(context.req.param('name'));
    if (asset === undefined) return context.notFound();
    const isVersioned = context.req.query('v') === asset.version;
    return context.body(asset.body, 200, {
      'Content-Type': asset.type,
      'Cache-Control': isVersioned ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
  });
  return routes;
}
