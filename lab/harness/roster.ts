import { services } from '../../workers/indicators/catalog.ts';

/** A process as it is started. */
export interface Program {
  /** Its name among the others, and of its log. */
  readonly name: string;
  /** The script, from the root on. */
  readonly script: string;
  readonly args: readonly string[];
}

/** What has to go on: a process, or a service of indicators. */
export interface Role {
  /** As the database knows it. */
  readonly name: string;
  readonly isService: boolean;
  /** What `ops.status` says when nobody has it. */
  readonly fault: string;
  /** Those that have it, by name; one is enough. */
  readonly holders: readonly string[];
}

export interface Roster {
  readonly programs: readonly Program[];
  readonly roles: readonly Role[];
}

/**
 * Every process that Foresight needs, each service of indicators in one of its own.
 *
 * @param twins Two of each that can be there twice, and one more that does the work of all services.
 */
export function createRoster({
  twins = false,
  ingestArgs = [],
}: {
  twins?: boolean;
  ingestArgs?: readonly string[];
} = {}): Roster {
  const programs: Program[] = [];
  const roles: Role[] = [];
  const add = (role: string, script: string, args: readonly string[] = []): void => {
    const holders = twins ? [role, `${role}-2`] : [role];
    programs.push(...holders.map(name => ({ name, script, args })));
    roles.push({ name: role, isService: false, fault: `process ${role} is not running`, holders });
  };
  add('ingest', 'workers/ingest/main.ts', ingestArgs);
  add('upkeep', 'workers/upkeep/main.ts');
  add('publish', 'workers/publish/main.ts');
  const script = 'workers/indicators/main.ts';
  const all = 'indicators-all';
  for (const { service } of services) {
    const holders = [service, ...(twins ? [all] : [])];
    programs.push({ name: service, script, args: ['--service', service] });
    roles.push({
      name: service,
      isService: true,
      fault: `service ${service} is not running`,
      holders,
    });
  }
  // Not for SQL functions, of which there are none.
  const args = services.flatMap(({ service }) => ['--service', service]);
  if (twins) programs.push({ name: all, script, args });
  add('web', 'web/main.ts');
  return { programs, roles };
}

/** The processes that have a role. */
export function holdersOf({ roles }: Roster, name: string): readonly string[] {
  return roles.find(role => role.name === name)?.holders ?? [];
}
