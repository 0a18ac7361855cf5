/** Bugs in the store of files: an apply that is not one, and files that are taken for what they are not. */
import type { Mutants } from './mutant.js'

export const FILES_MUTANTS: Mutants = {
  'files-journal-unnamed': {
    what: 'files are changed before the journal of their apply has a durable name',
    breaks: 'I5',
    caughtBy: 'test:stores/files-crash',
    edits: [
      {
        file: 'stores/files/files.js',
        find: 'encodeJournal({ changes, after }));\n        await this.#fs.syncFolder(this.#folder);',
        replace: 'encodeJournal({ changes, after }));',
      },
    ],
  },
  'files-journal-gone-early': {
    what: 'the journal goes before its files are there',
    breaks: 'I5',
    caughtBy: 'test:stores/files-crash',
    edits: [
      {
        file: 'stores/files/files.js',
        find: 'await this.#files.carryOut(prepared);\n        await this.#replaceState(state);\n        await this.#fs.unlink(journal);',
        replace:
          'await this.#fs.unlink(journal);\n        await this.#files.carryOut(prepared);\n        await this.#replaceState(state);',
      },
    ],
  },
  'files-apply-not-redone': {
    what: 'an open passes over the journal of an apply that was cut short',
    breaks: 'I5',
    caughtBy: 'kill',
    args: ['--store', 'files', '--lives', '30', '--seed', '7'],
    edits: [{ file: 'stores/files/open.js', find: 'if (after.applies !== state.applies) {', replace: 'if (false) {' }],
  },
  'files-content-unsynced': {
    what: 'a file gets its name before its content is on the disk',
    breaks: 'I1',
    caughtBy: 'test:stores/files-crash',
    edits: [{ file: 'stores/files/durable-file.js', find: 'await file.sync();', replace: '' }],
  },
  'files-seen-unsynced': {
    what: 'an open goes by names that a killed process has not synced',
    breaks: 'I11',
    caughtBy: 'test:stores/files-crash',
    edits: [
      {
        file: 'stores/files/entry-files.js',
        find: 'await this.#fs.syncFolder(join(this.#path, folder));\n            for',
        replace: 'for',
      },
    ],
  },
  'files-changed-under-readers': {
    what: 'an apply changes files that readers of an earlier moment have yet to read',
    breaks: 'I21',
    caughtBy: 'test:stores/files-crash',
    edits: [{ file: 'stores/files/files.js', find: 'await Promise.allSettled(readers);', replace: '' }],
  },
  'files-written-after-failure': {
    what: 'a write that failed is followed by others, on a disk that nobody has looked at',
    breaks: 'I5',
    caughtBy: 'test:stores/files-crash',
    edits: [
      {
        file: 'stores/files/files.js',
        find: 'if (this.#failure !== undefined)\n            throw stoppedError(this.#folder, this.#failure);',
        replace: '',
      },
    ],
  },
  'files-edit-served': {
    what: 'a file that was changed by hand, or is damaged, is taken',
    breaks: 'I17',
    caughtBy: 'test:stores/files-checksum',
    edits: [
      {
        file: 'stores/files/value-head.js',
        find: 'return crc === hexOf(checksum(text, bytes)) ? text : undefined;',
        replace: 'return text;',
      },
    ],
  },
  'files-gone-unnoticed': {
    what: 'an entry whose file is gone reads as absent',
    breaks: 'I20',
    caughtBy: 'test:stores/files',
    edits: [{ file: 'stores/files/open.js', find: 'if (!isSame(tally, state.tally))', replace: 'if (false)' }],
  },
  'files-names-folded': {
    what: 'keys that differ in upper and lower case share a file',
    breaks: 'I15',
    caughtBy: 'stores',
    args: ['--store', 'files', '--no-suite', '--case', 'names'],
    edits: [
      {
        file: 'stores/files/file-name.js',
        find: 'return /[A-Z]/.test(char) ?',
        replace: 'if (/[A-Z]/.test(char))\n        return char.toLowerCase();\n    return false ?',
      },
    ],
  },
}
