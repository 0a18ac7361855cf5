/** Bugs at the borders: who may open, which store belongs, what bytes mean, what is refused. */
import type { Mutants } from './mutant.js'

export const BORDER_MUTANTS: Mutants = {
  'lock-not-taken': {
    what: 'a second process may open the memory',
    breaks: 'I12',
    caughtBy: 'test:api/owners',
    edits: [
      {
        file: 'engine/memory-folder.js',
        find: 'if (lock === undefined)\n        throw ownedElsewhere(folder, await readText(fs, path));',
        replace: 'lock ??= { write: async () => { }, release: async () => { } };',
      },
    ],
  },
  'any-store-taken': {
    what: 'the store of another memory is taken',
    breaks: 'I13',
    caughtBy: 'test:api/folders',
    edits: [
      {
        file: 'engine/matching.js',
        find: 'if (found === undefined || found.storeId !== log.storeId)\n        return false;',
        replace: 'if (true)\n        return true;',
      },
    ],
  },
  'older-store-taken': {
    what: 'an older copy of the store is taken',
    breaks: 'I13',
    caughtBy: 'test:api/folders',
    edits: [
      {
        file: 'engine/matching.js',
        find: 'if (mark.appliedLsn < scan.mark.lsn || epoch < scan.epoch) {',
        replace: 'if (false) {',
      },
      { file: 'engine/matching.js', find: 'if (base > mark.appliedPosition)', replace: 'if (false)' },
    ],
  },
  'older-log-taken': {
    what: 'an older copy of the log is taken',
    breaks: 'I13',
    caughtBy: 'test:api/folders',
    edits: [
      {
        file: 'engine/matching.js',
        find: 'if (mark.appliedPosition <= scan.end && mark.appliedLsn <= scan.lastLsn)',
        replace: 'if (true)',
      },
    ],
  },
  'taken-over-unseen': {
    what: 'a folder goes on with a store that another one has had since it was closed',
    breaks: 'I13',
    caughtBy: 'test:engine/detach',
    edits: [{ file: 'engine/matching.js', find: 'found.epoch <= log.epoch', replace: 'true' }],
  },
  'detached-too-early': {
    what: 'a close detaches a log that has more than the store',
    breaks: 'I13',
    caughtBy: 'test:engine/detach',
    edits: [{ file: 'engine/engine.js', find: '&& this.checkpointer.isDrained)', replace: ')' }],
  },
  'unmatched-store-taken': {
    what: 'a store that was away when its memory was opened is taken as it is when it comes back',
    breaks: 'I34',
    caughtBy: 'test:engine/store-away',
    edits: [
      {
        file: 'engine/store-keeper.js',
        find: 'matched(this.#unmatched, identity, mark)',
        replace: 'matched === undefined ? identity : this.#identity',
      },
    ],
  },
  'stored-value-unchecked': {
    what: 'a value of the store is taken without a look at its checksum',
    breaks: 'I17',
    caughtBy: 'flip',
    args: ['--quick', '--of', 'folder'],
    edits: [{ file: 'codec/stored-value.js', find: 'if (actual !== expected)', replace: 'if (false)' }],
  },
  'level-log-unchecked': {
    what: "damage in LevelDB's own log, which LevelDB passes over, is not looked for",
    breaks: 'I17',
    caughtBy: 'flip',
    args: ['--quick', '--of', 'folder'],
    edits: [{ file: 'stores/level/level.js', find: 'refuseDamaged(path, logs);', replace: '' }],
  },
  'value-not-kept': {
    what: '-0 comes back as 0',
    breaks: 'I15',
    caughtBy: 'fuzz',
    edits: [{ file: 'codec/special.js', find: 'return -0;', replace: 'return 0;' }],
  },
  'leftover-bytes-taken': {
    what: 'bytes behind a value are passed over',
    breaks: 'I15',
    caughtBy: 'fuzz',
    edits: [{ file: 'codec/codec.js', find: 'if (!blobs.isAtEnd)', replace: 'if (false)' }],
  },
  'form-forgotten': {
    what: 'a checkpoint forgets by what a value is compressed and of which version it is',
    breaks: 'I15',
    caughtBy: 'power',
    edits: [
      {
        file: 'engine/checkpoint-run.js',
        find: 'lsn, form, value, expiresAt }, memory?.take',
        replace: 'lsn, form: form & 0xff, value, expiresAt }, memory?.take',
      },
    ],
  },
  'stream-cut-taken': {
    what: 'a compressed value that gives other bytes than it had is taken',
    breaks: 'I17',
    caughtBy: 'test:codec/compression',
    edits: [
      {
        file: 'codec/compression.js',
        find: 'if (buffer.length === rawBytes && engine.bytesWritten === stream.length)',
        replace: 'if (true)',
      },
    ],
  },
  'values-shared': {
    what: 'two reads give the same object',
    breaks: 'I14',
    caughtBy: 'test:api/values-and-maps',
    edits: [
      {
        file: 'values.js',
        find: 'buffer.latin1Write(value, 0);',
        replace:
          'const known = (globalThis.sharedValues ??= new Map());\n    if (known.has(value)) return known.get(value);\n    buffer.latin1Write(value, 0);\n    known.set(value, decodeValue(buffer, 0, value.length));\n    return known.get(value);',
      },
    ],
  },
  'queue-unbounded': {
    what: 'calls that wait for room take any amount of memory',
    breaks: 'I18',
    caughtBy: 'test:engine/queues',
    edits: [{ file: 'engine/write.js', find: 'if (this.#queuedBytes + bytes > limit)', replace: 'if (false)' }],
  },
  'full-disk-final': {
    what: 'a disk that is full stops the memory for good',
    breaks: 'I19',
    caughtBy: 'test:crash/full-disk',
    edits: [
      {
        file: 'engine/engine.js',
        find: 'onNoSegment: error => this.#onDiskFull(error),',
        replace: 'onNoSegment: error => this.#fail(error),',
      },
    ],
  },
  'down-reads-as-absent': {
    what: 'a read of a store that is down says "absent"',
    breaks: 'I20',
    caughtBy: 'test:crash/store-faults',
    edits: [
      {
        file: 'engine/store-keeper.js',
        find: 'return Promise.reject(storeDownError(this.#down));',
        replace: 'return Promise.resolve(undefined);',
      },
    ],
  },
  'prefix-of-letters': {
    what: 'a scope shows what is in another one whose name begins alike',
    breaks: 'I16',
    caughtBy: 'test:engine/scans',
    edits: [{ file: 'core/key.js', find: '{prefix}\\xff`', replace: '{prefix.slice(0, -1)}\\xff`' }],
  },
  'expired-still-scanned': {
    what: 'a scan shows what has expired',
    breaks: 'I24',
    caughtBy: 'test:engine/expiry',
    edits: [
      {
        file: 'engine/scan.js',
        find: 'this.#reader.live(this.#scanned(stored))',
        replace: 'this.#scanned(stored)',
      },
    ],
  },
  'expiry-forgotten': {
    what: 'recovery forgets when an entry expires',
    breaks: 'I24',
    caughtBy: 'test:engine/expiry',
    edits: [{ file: 'engine/recovery.js', find: 'value, record.expiresAt, position', replace: 'value, 0, position' }],
  },
  'wall-clock-believed': {
    what: 'a clock that is set back brings back what has expired',
    breaks: 'I24',
    caughtBy: 'test:engine/expiry',
    edits: [
      {
        file: 'io/expiry-clock.js',
        find: 'this.#nowMs = Math.max(Math.floor(this.#clock.wallMs()), this.#nowMs + passedMs);',
        replace: 'this.#nowMs = Math.floor(this.#clock.wallMs());',
      },
    ],
  },
}
