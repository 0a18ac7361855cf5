/** Bugs in the store of SQLite: transactions that are none, and a database that is taken for durable, whole or free. */
import type { Mutants } from './mutant.js'

export const SQLITE_MUTANTS: Mutants = {
  'sqlite-mark-apart': {
    what: 'the mark is committed behind the data, in a transaction of its own',
    breaks: 'I5',
    caughtBy: 'test:sqlite/store',
    edits: [
      {
        file: 'stores/sqlite/sqlite-store.js',
        find: "metadata.write('mark', mark);",
        replace: "writer.exec('COMMIT; BEGIN IMMEDIATE');\n        yield;\n        metadata.write('mark', mark);",
      },
    ],
  },
  'sqlite-delete-forgotten': {
    what: 'a delete leaves the entry in the database',
    breaks: 'I5',
    caughtBy: 'stores',
    args: ['--store', 'sqlite', '--no-suite'],
    edits: [{ file: 'stores/sqlite/sqlite-store.js', find: 'remove.run(bytesOf(key));', replace: ';' }],
  },
  'sqlite-written-after-failure': {
    what: 'a commit that failed is followed by others, on a log that nobody has looked at',
    breaks: 'I5',
    caughtBy: 'test:sqlite/store',
    edits: [
      {
        file: 'stores/sqlite/sqlite-store.js',
        find: 'if (this.#failure !== undefined)\n            throw stoppedError(this.#place, this.#failure);',
        replace: '',
      },
    ],
  },
  'sqlite-turns-in-transaction': {
    what: "in the caller's own database others come between the statements of a transaction",
    breaks: 'I21',
    caughtBy: 'test:sqlite/store',
    edits: [{ file: 'stores/sqlite/sqlite-store.js', find: 'if (reader !== writer)', replace: 'if (true)' }],
  },
  'sqlite-left-unsettled': {
    what: 'what a killed process has left in the cache is taken for durable',
    breaks: 'I11',
    caughtBy: 'test:sqlite/store',
    edits: [{ file: 'stores/sqlite/sqlite.js', find: 'if (checkpointed < log) {', replace: 'if (false) {' }],
  },
  'sqlite-log-thrown-away': {
    what: 'an empty database is opened, and SQLite throws its log away',
    breaks: 'I1',
    caughtBy: 'test:sqlite/store',
    edits: [{ file: 'stores/sqlite/sqlite.js', find: '(bytes > 0 || createIfMissing)', replace: 'true' }],
  },
  'sqlite-metadata-unchecked': {
    what: 'a damaged mark is taken',
    breaks: 'I17',
    caughtBy: 'test:sqlite/store',
    edits: [{ file: 'stores/sqlite/schema.js', find: '|| row.crc !== checksum(name, row.json)', replace: '' }],
  },
  'sqlite-lock-not-taken': {
    what: 'two memories have one database as their store',
    breaks: 'I12',
    caughtBy: 'test:sqlite/store',
    edits: [
      {
        file: 'stores/sqlite/sqlite.js',
        find: 'if (lock !== undefined)\n        return lock;',
        replace: 'return lock ?? { write: async () => { }, release: async () => { } };',
      },
    ],
  },
}
