/** Bugs of what is done with writes that the data store refuses. */
import type { Mutants } from './mutant.js'

export const DEAD_LETTER_MUTANTS: Mutants = {
  'letters-behind-mark': {
    what: 'dead letters are written after the mark has moved past what they are of',
    breaks: 'I30',
    caughtBy: 'test:crash/dead-letters',
    edits: [
      {
        file: 'engine/checkpoint.js',
        find: 'const why = await this.#applyPart(lettersFor(refused, parked), mark);',
        replace:
          'await this.#applyPart([], mark);\n        const why = await this.#applyPart(lettersFor(refused, parked), mark);',
      },
    ],
  },
  'mark-with-a-part': {
    what: 'a part of a refused frame moves the mark past all of it',
    breaks: 'I30',
    caughtBy: 'test:crash/dead-letters',
    edits: [
      {
        file: 'engine/checkpoint.js',
        find: 'const applyPart = changes => this.#applyPart(changes, this.#mark);',
        replace: 'const applyPart = changes => this.#applyPart(changes, mark);',
      },
    ],
  },
  'letter-outlives-newer-version': {
    what: 'what supersedes a refused version leaves its dead letter',
    breaks: 'I30',
    caughtBy: 'test:crash/dead-letters',
    edits: [
      {
        file: 'engine/checkpoint-run.js',
        find: 'changes.push({ key: letter, value: undefined });',
        replace: 'void letter;',
      },
    ],
  },
  'parked-forgotten': {
    what: 'an open does not read what the store has refused before',
    breaks: 'I30',
    caughtBy: 'test:engine/dead-letters',
    edits: [{ file: 'engine/opening.js', find: 'await parkedIn(store)', replace: '[]' }],
  },
  'lost-answer-not-settled': {
    what: 'a store that has come up is not asked which letters it has',
    breaks: 'I30',
    caughtBy: 'test:crash/dead-letters',
    edits: [
      {
        file: 'engine/checkpoint.js',
        find: 'this.#parts.parked.settle(parked, lsn => this.#firstLsnOf(lsn));',
        replace: '',
      },
    ],
  },
  'batch-parked-in-part': {
    what: 'the log does not say which writes were one batch',
    breaks: 'I30',
    caughtBy: 'test:engine/dead-letters',
    edits: [
      {
        file: 'engine/batches.js',
        find: 'return batch === undefined ? lsn : this.#oldest(batch);',
        replace: 'return lsn;',
      },
    ],
  },
  'superseding-write-not-joined': {
    what: 'batches that share a key are parked apart',
    breaks: 'I30',
    caughtBy: 'test:engine/dead-letters',
    edits: [
      { file: 'engine/batches.js', find: 'this.#joined.set(Math.max(from, to), Math.min(from, to));', replace: ';' },
    ],
  },
  'refused-acknowledged': {
    what: 'a write-through that the store has refused resolves',
    breaks: 'I1',
    caughtBy: 'test:engine/dead-letters',
    edits: [
      {
        file: 'engine/parked-writes.js',
        find: 'return found && storeRefusedError(lsn, found);',
        replace: 'return undefined;',
      },
    ],
  },
}
