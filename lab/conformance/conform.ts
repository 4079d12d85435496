import { type Check, checks } from './checks.ts';
import { openScene, type Scene } from './scene.ts';
import type { World } from './world.ts';

/** What became of one part of the contract. */
export interface Verdict {
  readonly check: string;
  readonly outcome: 'pass' | 'fail' | 'not tried';
  /** What was seen. */
  readonly detail: string;
  /** Of what failed: what the contract asks for. */
  readonly rule?: string;
  /** Of what failed: what the service wrote last. */
  readonly words?: string;
}

const registration =
  'Call indicator.register_service and indicator.register_kind at each start, and indicator.beat at least every five seconds.';

export const checkNames: readonly string[] = checks.map(({ name }) => name);

/**
 * Tries the parts of the contract, one after the other; each is told as soon as it is known.
 *
 * @param chosen Only these; the registration is always looked at.
 * @throws when it is interrupted, with the reason of the signal.
 */
export async function conform(
  world: World,
  tell: (verdict: Verdict) => void,
  chosen: readonly string[] = checkNames,
): Promise<boolean> {
  const asked = checks.filter(({ name }) => chosen.includes(name));
  const { signal } = world.subject;
  const fail = (check: string, rule: string, error: unknown): void => {
    signal.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    tell({ check, outcome: 'fail', detail, rule, words: world.process.lastWords() });
  };
  const giveUp = (rest: readonly Check[], detail: string): false => {
    for (const { name } of rest) tell({ check: name, outcome: 'not tried', detail });
    return false;
  };
  let scene: Scene;
  try {
    scene = await openScene(world);
    const names = scene.kinds.map(({ kind, bars }) => `${kind} (${bars} candles)`).join(', ');
    tell({ check: 'registration', outcome: 'pass', detail: `it lives; looked at: ${names}` });
  } catch (error) {
    fail('registration', registration, error);
    return giveUp(asked, 'there is no service to look at');
  }
  let isRight = true;
  for (const [place, { name, rule, run }] of asked.entries()) {
    try {
      tell({ check: name, outcome: 'pass', detail: await run(scene) });
    } catch (error) {
      fail(name, rule, error);
      isRight = false;
      if (place + 1 < asked.length && !(await scene.beginAnew())) {
        signal.throwIfAborted();
        return giveUp(asked.slice(place + 1), 'started anew, it does not even do what is due');
      }
    }
  }
  return isRight;
}
