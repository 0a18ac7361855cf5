/** Bugs in the store of Postgres: owners that are not kept apart, and transactions that are none. */
import type { Mutants } from './mutant.js'

export const POSTGRES_MUTANTS: Mutants = {
  'postgres-stale-owner-taken': {
    what: 'a change of an owner that has been followed is taken: its token, identity and mark are not looked at',
    breaks: 'I32',
    caughtBy: 'test:postgres/owners',
    edits: [
      {
        file: 'stores/postgres/postgres-store.js',
        find: 'WHERE memory = $1 AND owner_token = $2 AND (store_id',
        replace: 'WHERE memory = $1 OR owner_token = $2 AND (store_id',
      },
      {
        file: 'stores/postgres/postgres-store.js',
        find: 'if (!(await lease.renew(connections)))',
        replace: 'if (!(await lease.renew(connections)) && false)',
      },
    ],
  },
  'postgres-mark-apart': {
    what: 'the mark is committed before the data, in a transaction of its own',
    breaks: 'I33',
    caughtBy: 'test:postgres/cuts',
    edits: [
      {
        file: 'stores/postgres/postgres-store.js',
        find: 'await writeChanges(session, this.#parts, changes, mark.appliedLsn);',
        replace:
          "await session.query('COMMIT');\n                await session.query('BEGIN');\n                await writeChanges(session, this.#parts, changes, mark.appliedLsn);",
      },
    ],
  },
}
