import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks again and again until the answer is the wanted one (absent: any that is not false or
 * undefined).
 * @returns the answer.
 * @throws after the deadline, with the last answer or error in the message.
 */
export async function waitFor<Answer>(
  what: string,
  ask: () => Promise<Answer> | Answer,
  options: {
    readonly deadlineMs?: number;
    readonly until?: (answer: Answer) => boolean;
    readonly explain?: () => string;
  } = {},
): Promise<Answer> {
  const { deadlineMs = 30_000, explain } = options;
  const until = options.until ?? (answer => answer !== false && answer !== undefined);
  const deadline = Date.now() + deadlineMs;
  let last = 'never answered';
  for (;;) {
    try {
      const answer = await ask();
      if (until(answer)) return answer;
      last = JSON.stringify(answer) ?? 'undefined';
    } catch (error) {
      last = String(error);
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${deadlineMs} ms until ${what}: ${last}\n${explain?.() ?? ''}`);
    }
    await sleep(100);
  }
}
