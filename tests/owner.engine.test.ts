import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { migrate } from '../db/migrate.ts';
import { ConfigError } from '../db/runtime/config.ts';
import { startOwnCluster } from './support/cluster.ts';
import { testLogger } from './support/database.ts';
import { spawnWorker, workerEnvironment } from './support/system.ts';
import { type Cluster, databaseUrl, withAdmin } from './support/template.ts';
import { expectWorks } from './support/works.ts';

const { engine, adminUrl } = inject('engine');

/** A managed service gives its customers no superuser. */
describe.skipIf(adminUrl === undefined)('An owner that is no superuser', () => {
  let own: Cluster | undefined;
  let superuser = '';
  const made: string[] = [];

  beforeAll(async () => {
    own = await startOwnCluster();
    superuser = own?.url ?? adminUrl ?? '';
  });
  afterAll(async () => {
    await withAdmin(superuser, async admin => {
      for (const name of made.reverse()) {
        await admin.query(`drop database if exists ${name} with (force)`);
        await admin.query(`drop role if exists ${name}`);
      }
    });
    await own?.stop();
  });

  /** A database and its owner, who may log in, and what else the attributes say. */
  async function createOwner(attributes: string): Promise<{ name: string; url: string }> {
    const name = `owner_${process.pid}_${randomBytes(4).toString('hex')}`;
    await withAdmin(superuser, async admin => {
      await admin.query(`create role ${name} login password 'secret' ${attributes}`);
      await admin.query(`create database ${name} template template0 owner ${name}`);
    });
    made.push(name);
    const url = new URL(databaseUrl(superuser, name));
    url.username = name;
    url.password = 'secret';
    return { name, url: url.href };
  }

  const asSuperuser = (database: string, use: (admin: pg.Client) => Promise<unknown>) =>
    withAdmin(databaseUrl(superuser, database), use);

  async function refusalOf(url: string): Promise<string> {
    const refusal = await migrate({ url, logger: testLogger }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ConfigError);
    return (refusal as Error).message;
  }

  /** Does what the refusal says that a superuser has to do. */
  async function followAdvice({ name, url }: { name: string; url: string }): Promise<void> {
    const message = await refusalOf(url);
    expect(message).toContain(`DATABASE_URL: user ${name} lacks a right`);
    const [, statements = ''] = /: As a superuser: (.*)$/.exec(message) ?? [];
    await asSuperuser(name, admin => admin.query(statements));
  }

  it('makes the roles, takes them on, and runs everything', async context => {
    if (own === undefined) return context.skip('the server that was given has the roles already');
    const { url } = await createOwner('createrole');
    await migrate({ url, logger: testLogger });
    await migrate({ url, logger: testLogger });
    await expectWorks(url);
  });

  it('is told what a superuser has to do, and runs everything when that is done', async () => {
    const owner = await createOwner('nocreaterole');
    await followAdvice(owner);
    // Somebody else may have made the extension.
    if (engine === 'timescaledb') {
      await asSuperuser(owner.name, admin => admin.query('create extension timescaledb'));
    }
    await migrate({ url: owner.url, logger: testLogger });
    await expectWorks(owner.url);
  });

  it('may not be without the right to make schemas', async () => {
    const { name, url } = await createOwner('nocreaterole');
    await followAdvice({ name, url });
    await asSuperuser(name, admin => admin.query(`alter database ${name} owner to current_user`));
    expect(await refusalOf(url)).toBe(
      `DATABASE_URL: user ${name} lacks a right on ${new URL(url).host}: permission denied for database ${name} (42501): db/README.md says which rights an owner needs`,
    );
  });

  it('and may not take on a role is told so by each process, which ends', async () => {
    const owner = await createOwner('nocreaterole');
    await followAdvice(owner);
    await migrate({ url: owner.url, logger: testLogger });
    const stranger = await createOwner('nocreaterole');
    const url = new URL(stranger.url);
    url.pathname = `/${owner.name}`;
    for (const name of ['upkeep', 'publish', 'indicators', 'ingest'] as const) {
      const worker = spawnWorker(name, workerEnvironment(url.href, 'http://127.0.0.1:9'));
      expect(await worker.gone).toMatchObject({ code: 78 });
      expect(worker.log()).toBe(
        `foresight ${name}: DATABASE_URL: user ${stranger.name} lacks a right on ${url.host}: permission denied to set role "foresight_${name}" (42501)\n`,
      );
    }
  });
});
