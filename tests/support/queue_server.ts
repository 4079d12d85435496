import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Logger } from '../../db/runtime/logger.ts';
import { writeCredentials } from '../../start/emulator/credentials.ts';
import { type Emulator, startEmulator } from '../../start/emulator/emulator.ts';
import { openQueueGate, type QueueGate } from './queue_gate.ts';

/** What the processes of tests are given, in place of credentials that are made at random. */
export const queueCredentials = { accessKeyId: 'test', secretAccessKey: 'test' };

/** The SQS emulator with a gate before it; it can go down, and lose what is in it. */
export interface QueueServer {
  /** Past the gate. */
  readonly sqs: SQSClient;
  readonly gate: QueueGate;
  isRunning(): boolean;
  stop(): Promise<void>;
  /** On the same port, with what was in it unless it is to lose that. */
  start(options?: { losesState: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** Starts one that is empty. */
export async function openQueueServer(
  logger: Logger,
  onRequest?: (operation: string, body: Buffer) => void,
): Promise<QueueServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-queue-'));
  await writeCredentials(dataDir, queueCredentials);
  let emulator: Emulator | undefined = await startEmulator({ dataDir, logger });
  const { endpoint } = emulator;
  const gate = await openQueueGate(endpoint, onRequest);
  const sqs = new SQSClient({
    region: 'us-east-1',
    endpoint,
    credentials: queueCredentials,
  });
  const stop = async (): Promise<void> => {
    await emulator?.stop();
    emulator = undefined;
  };
  return {
    sqs,
    gate,
    isRunning: () => emulator !== undefined,
    stop,
    async start({ losesState } = { losesState: false }) {
      if (emulator !== undefined) return;
      if (losesState) await rm(join(dataDir, 'queue'), { recursive: true, force: true });
      emulator = await startEmulator({ dataDir, port: Number(new URL(endpoint).port), logger });
    },
    async close() {
      sqs.destroy();
      await gate.close();
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
