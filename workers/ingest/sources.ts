import { type Config, ConfigError } from '../../db/runtime/config.ts';
import type { Source } from './source.ts';
import { createOanda } from './sources/oanda/source.ts';
import { createSimulated } from './sources/simulated/source.ts';

/** Every live source by its name; a new one is a file in `sources/` and an entry here. */
const sources: Record<string, (config: Config, options: { historyHours: number }) => Source> = {
  simulated: (_, { historyHours }) => createSimulated({ seed: 1, historyHours }),
  oanda: ({ oanda }) => {
    const missing = [
      ...(oanda.token === undefined ? ['OANDA_API_TOKEN'] : []),
      ...(oanda.accountId === undefined ? ['OANDA_ACCOUNT_ID'] : []),
    ];
    const { token, accountId, environment, streamUrl, apiUrl } = oanda;
    if (token === undefined || accountId === undefined) {
      throw new ConfigError(`wrong configuration: the source oanda needs ${missing.join(' and ')}`);
    }
    return createOanda({
      token,
      accountId,
      environment,
      ...(streamUrl === undefined ? {} : { streamUrl }),
      ...(apiUrl === undefined ? {} : { apiUrl }),
    });
  },
};

export const sourceNames = Object.keys(sources);

/** @throws {ConfigError} when the source needs settings that are absent. */
export function createSource(
  name: string,
  config: Config,
  options: { historyHours: number },
): Source {
  const create = sources[name];
  if (create === undefined)
    throw new ConfigError(`wrong configuration: there is no source ${name}`);
  return create(config, options);
}
