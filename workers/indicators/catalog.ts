import * as classical from './catalog/classical.ts';
import * as models from './catalog/models.ts';
import type { Kind } from './kind.ts';
import type { Service } from './service.ts';

/** The services that are built in. */
export const services: readonly Service[] = [
  {
    service: 'classical',
    description: 'Technical indicators: milliseconds for a window, forming candles too',
    isClosedOnly: false,
    kinds: Object.values(classical),
  },
  {
    service: 'models',
    description: 'Models and forecasts, which may be heavy',
    isClosedOnly: true,
    kinds: Object.values(models),
  },
];

/** Its kinds are SQL functions of operators: `indicator.define_sql_kind` registers them. */
export const sqlService: Service = {
  service: 'sql',
  description: 'Kinds that are SQL functions',
  isClosedOnly: false,
  kinds: [],
};

/** Every kind that is built in, by its name. */
export const catalog: ReadonlyMap<string, Kind> = new Map(
  services.flatMap(({ kinds }) => kinds).map(kind => [kind.kind, kind]),
);
