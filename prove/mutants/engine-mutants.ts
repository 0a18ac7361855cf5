/** Bugs of the tier, the flush, the checkpoint and the promises. */
import type { Mutants } from './mutant.js'

export const ENGINE_MUTANTS: Mutants = {
  'entry-left-out': {
    what: 'a frame does not take every accepted write along',
    breaks: 'I2',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/flush.js',
        find: 'const entries = this.#parts.tier.takeDirty();',
        replace: 'const entries = this.#parts.tier.takeDirty().slice(0, 4);',
      },
    ],
  },
  'batch-split': {
    what: 'a batch may end up in two frames',
    breaks: 'I21',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/flush.js',
        find: 'this.#bodyBytes += bytesOf(this.#parts.tier.accept(key, lsn, form, value',
        replace:
          'if (this.#bodyBytes > 3000) this.#next();\n        this.#bodyBytes += bytesOf(this.#parts.tier.accept(key, lsn, form, value',
      },
    ],
  },
  'dirty-evicted': {
    what: 'an entry that exists nowhere else may be evicted',
    breaks: 'I3',
    caughtBy: 'power',
    edits: [
      {
        file: 'tier/tier.js',
        find: 'return entry.state === EntryState.clean || entry.state === EntryState.pending;',
        replace: 'return true;',
      },
    ],
  },
  'bound-not-kept': {
    what: 'write-back is acknowledged beyond the writes that it may lose',
    breaks: 'I4',
    caughtBy: 'power',
    edits: [{ file: 'policy/loss-budget.js', find: 'if (writes > this.max.writes ||', replace: 'if (' }],
  },
  'bound-in-time-not-kept': {
    what: 'write-back is never flushed for its age alone',
    breaks: 'I4',
    caughtBy: 'test:engine/loss-bound',
    edits: [
      {
        file: 'policy/loss-budget.js',
        find: 'return this.#open.writes === 0 ? undefined :',
        replace: 'return true ? undefined :',
      },
    ],
  },
  'older-value-coalesced': {
    what: 'of two writes of a key before one frame the older one is kept',
    breaks: 'I2',
    caughtBy: 'power',
    edits: [
      {
        file: 'tier/tier.js',
        find: '            entry.value = value;\n            entry.isDeleted',
        replace: '            if (entry.state !== EntryState.dirty) entry.value = value;\n            entry.isDeleted',
      },
    ],
  },
  'older-value-applied': {
    what: 'of two records of a key in one run of a checkpoint the older one is applied',
    breaks: 'I5',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/checkpoint-run.js',
        find: 'run.set(record.key, stored);',
        replace: 'if (!run.has(record.key)) run.set(record.key, stored);',
      },
    ],
  },
  'delete-not-logged': {
    what: 'a delete of a key that the tier does not hold is not logged',
    breaks: 'I2',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/flush.js',
        find: 'const before = this.#parts.tier.get(key);',
        replace:
          'const before = this.#parts.tier.get(key);\n        if (before === undefined && value === undefined) return lsn;',
      },
    ],
  },
  'applied-apart': {
    what: 'the store commits how far it is before it commits the data',
    breaks: 'I5',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/checkpoint-run.js',
        find: 'await store.apply(changes, gathered.mark);',
        replace: 'await store.apply([], gathered.mark);\n    await store.apply(changes, gathered.mark);',
      },
    ],
  },
  'mark-ahead-of-store': {
    what: 'the log says that the store has what it is about to be given',
    breaks: 'I10',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/checkpoint.js',
        find: 'const outcome = await this.#parts.keeper.apply({',
        replace:
          'this.#parts.flusher.setMark({ lsn: this.#frames.at(-1)?.lastLsn ?? 0, position: this.#frames.at(-1)?.end ?? 0 }, true);\n                const outcome = await this.#parts.keeper.apply({',
      },
    ],
  },
  'released-unflushed': {
    what: 'segments go although the store has not flushed what they hold',
    breaks: 'I10',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/checkpoint.js',
        find: 'const flushedLsn = await this.#parts.keeper.flush();',
        replace: 'const flushedLsn = mark.appliedLsn;',
      },
      {
        file: 'engine/store-keeper.js',
        find: 'if (!this.#store.capabilities.durableCommit)',
        replace: 'if (false)',
      },
    ],
  },
  'through-unflushed': {
    what: 'a write-through is acknowledged when the store has it, but not for good',
    breaks: 'I1',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/store-keeper.js',
        find: 'if (!this.#store.capabilities.durableCommit)',
        replace: 'if (false)',
      },
    ],
  },
  'through-at-the-log': {
    what: 'a write-through is acknowledged as one when only the log has it',
    breaks: 'I1',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/write.js',
        find: 'resolve: () => this.#whenStored(lsn, resolve, reject, key)',
        replace: 'resolve',
      },
    ],
  },
  'close-forgets': {
    what: 'close does not log what was accepted',
    breaks: 'I22',
    caughtBy: 'power',
    edits: [
      { file: 'engine/engine.js', find: 'await this.#drainBefore(ends);', replace: '{}' },
      { file: 'engine/engine.js', find: 'const lost = this.tier.dirtyCount;', replace: 'const lost = 0;' },
    ],
  },
  'in-flight-skipped': {
    what: 'reopen does not log again the frame that was in flight',
    breaks: 'I9',
    caughtBy: 'faults',
    edits: [{ file: 'engine/flush.js', find: 'else if (frame !== undefined) {', replace: 'else if (false) {' }],
  },
  'old-read-fills': {
    what: 'a read of the store that comes late brings an old value back',
    breaks: 'I6',
    caughtBy: 'power',
    edits: [
      { file: 'engine/read.js', find: 'load.isStale ? undefined : this.live(found)', replace: 'this.live(found)' },
    ],
  },
  'pending-not-scanned': {
    what: 'a scan does not show what is in the log and not in the store yet',
    breaks: 'I2',
    caughtBy: 'power',
    edits: [
      {
        file: 'tier/tier.js',
        find: 'return entry !== undefined && entry.state !== EntryState.clean;',
        replace:
          'return entry !== undefined && entry.state !== EntryState.clean && entry.state !== EntryState.pending;',
      },
    ],
  },
  'stored-too-new': {
    what: 'an entry that was written anew while its older value went to the store counts as stored',
    breaks: 'I5',
    caughtBy: 'power',
    edits: [
      {
        file: 'tier/tier.js',
        find: 'if (entry.state !== EntryState.pending || entry.lsn > lastLsn)',
        replace: 'if (entry.state !== EntryState.pending)',
      },
    ],
  },
  'synced-too-new': {
    what: 'an entry that was written anew while its frame was in flight counts as logged, and may be evicted',
    breaks: 'I3',
    caughtBy: 'power',
    edits: [
      {
        file: 'tier/tier.js',
        find: 'if (entry.lsn <= lastLsn && entry.state === EntryState.framed)',
        replace: 'if (entry.state === EntryState.framed || entry.state === EntryState.dirty)',
      },
    ],
  },
  'refused-too-early': {
    what: 'a compare-and-set is refused for what is not as durable yet as was asked',
    breaks: 'I1',
    caughtBy: 'power',
    edits: [{ file: 'engine/write.js', find: 'await this.reach(state.lsn, MILESTONE[durability]);', replace: '' }],
  },
  'update-overwrites': {
    what: 'an update does not notice that its key was written while its function ran',
    breaks: 'I21',
    caughtBy: 'test:engine/conditional-writes',
    edits: [
      {
        file: 'engine/write.js',
        find: 'it may have written the very key.\n            if (!areCurrent(states))',
        replace: 'it may have written the very key.\n            if (false)',
      },
    ],
  },
  'condition-ignored': {
    what: 'a compare-and-set writes whatever the version is',
    breaks: 'I21',
    caughtBy: 'model',
    edits: [
      {
        file: 'engine/write.js',
        find: 'const conflict = writes.find(write => !holds(write, known.get(write.key)));',
        replace: 'const conflict = undefined;',
      },
    ],
  },
  'load-overwrites': {
    what: 'what was loaded is kept although its key was written, or deleted, meanwhile',
    breaks: 'I25',
    caughtBy: 'test:engine/read-through',
    edits: [{ file: 'read-through.js', find: 'if (watch.isStale || changesNothing)', replace: 'if (changesNothing)' }],
  },
  'old-load-joined': {
    what: 'a reader is given what a load brings that began before its key was deleted',
    breaks: 'I25',
    caughtBy: 'test:engine/read-through',
    edits: [
      {
        file: 'read-through.js',
        find: 'running === undefined || running.watch.isStale',
        replace: 'running === undefined',
      },
    ],
  },
}
