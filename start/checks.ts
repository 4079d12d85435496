import { createServer } from 'node:net';
import pg from 'pg';
import { type Config, ConfigError, requireSafePage } from '../db/runtime/config.ts';
import { connectionFault } from '../db/runtime/database.ts';

/** Before anything is started: a page that cannot open would only be found out at the end. */
export function checkPort(config: Config): Promise<void> {
  const { host, port } = config;
  requireSafePage(config);
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const told: Record<string, string> = {
        EADDRINUSE: `PORT ${port} is taken on ${host}: stop what listens there, or set PORT to another one`,
        EACCES: `PORT ${port} is not open to this user: set PORT to one above 1023`,
      };
      fail(
        new ConfigError(
          told[error.code ?? ''] ?? `HOST ${host} is no address of this machine (${error.code})`,
        ),
      );
    });
    server.listen(port, host, () => server.close(() => done()));
  });
}

/** @throws {ConfigError} one line that names DATABASE_URL and host, never the password. */
export async function checkDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
  } catch (error) {
    throw new ConfigError(connectionFault(error, url).message);
  } finally {
    await client.end().catch(() => undefined);
  }
}
