/**
 * The shim that stands between a real process and its file calls: built from prove/shim/ where there is a C compiler,
 * and loaded into a process by its environment. prove/shim/README.md is the manual of what it records and injects.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readTrace, SHIM_CALLS, type ShimCall } from './trace.js'

export { readTrace, SHIM_CALLS, type ShimCall, type TraceCall } from './trace.js'

/** In the order of their numbers in the control file, from 1. */
export const SHIM_FAULTS = ['EIO', 'ENOSPC', 'short', 'kill', 'kill-after', 'lie', 'drop'] as const
export type ShimFault = (typeof SHIM_FAULTS)[number]

export interface ShimSetting {
  /** What befalls a call; without it calls are counted only. */
  fault?: ShimFault
  /** The call that it befalls, counted from 0. @defaultValue 0 */
  at?: number
  /** It befalls every call from there on. */
  sticky?: boolean
  /** Opens that neither make nor empty a file are counted as well. */
  opens?: boolean
  /** Reads are counted as well. */
  reads?: boolean
  /** Only calls are counted whose path below the root holds this. */
  match?: string
  /** Whether the trace is written. @defaultValue true */
  recording?: boolean
  /** Syncs that nothing befalls are not made, and succeed: the kernel keeps what was written, as nobody cuts the power. */
  unsynced?: boolean
  /** Every sync takes so much longer, in microseconds, so that other calls come between. */
  syncUs?: number
}

export interface ShimCount {
  /** Calls counted since the setting was written. */
  calls: number
  /** Faults that took effect. */
  hits: number
  last: { call: ShimCall; path: string } | undefined
  /** The newest call that a fault befell. */
  hit: { call: ShimCall; path: string } | undefined
}

export interface ShimPlaces {
  /** The folder whose calls count. It must be there. */
  root: string
  /** The file that calls are appended to; outside the root. */
  trace?: string
  /** The file that `writeControl` has made; outside the root. */
  control?: string
}

const SOURCE = fileURLToPath(new URL('../../prove/shim/', import.meta.url))
const BUILT = fileURLToPath(new URL('./shim/', import.meta.url))
const COMPILERS = [process.env.CC ?? '', 'cc', 'gcc', 'clang']
const MAGIC = 0x4346_4c48
const VERSION = 1
const CONTROL_BYTES = 704

/** Why there is no shim on this machine. */
export interface NoShim {
  notRun: string
}

export class Shim {
  readonly notRun = undefined
  readonly #library: string

  private constructor(library: string) {
    this.#library = library
  }

  /** Compiles the shim, unless that has been done before, and tries it out. */
  static build(): Shim | NoShim {
    if (process.platform !== 'linux') return { notRun: `the shim is for Linux, not ${process.platform}` }
    const library = compile()
    if (typeof library !== 'string') return library
    const shim = new Shim(library)
    return shim.#sees() ? shim : { notRun: 'this Node.js makes file calls that do not go through the C library' }
  }

  /** The environment of a process whose calls under a folder are to be seen. */
  env({ root, trace, control }: ShimPlaces): NodeJS.ProcessEnv {
    return {
      ...process.env,
      LD_PRELOAD: [this.#library, process.env.LD_PRELOAD].filter(Boolean).join(':'),
      HOLDFAST_SHIM_ROOT: realpathSync(root),
      HOLDFAST_SHIM_TRACE: trace,
      HOLDFAST_SHIM_CONTROL: control,
      // With io_uring, calls would pass by the C library, and a trace without syncs would look like lost data.
      UV_USE_IO_URING: '0',
    }
  }

  /** Whether the calls of this Node.js show up at all: one that is linked statically would pass by the shim. */
  #sees(): boolean {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-shim-'))
    try {
      const trace = join(folder, 'trace')
      mkdirSync(join(folder, 'root'))
      const program = `const fs = require('fs'), fd = fs.openSync(${JSON.stringify(join(realpathSync(folder), 'root', 'file'))}, 'w')
        fs.write(fd, 'a', () => fs.fdatasync(fd, () => fs.closeSync(fd)))`
      spawnSync(process.execPath, ['-e', program], { env: this.env({ root: join(folder, 'root'), trace }) })
      const calls = existsSync(trace) ? [...readTrace(trace)].map(({ call }) => call) : []
      return calls.join() === 'open,write,dataSync,dataSync,close'
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** Says what is to befall which call, and counts from 0. The process that it is about should make no calls meanwhile. */
export function writeControl(path: string, setting: ShimSetting): void {
  const bytes = Buffer.alloc(CONTROL_BYTES)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(VERSION, 4)
  bytes.writeBigUInt64LE(BigInt(setting.at ?? 0), 24)
  bytes.writeUInt32LE(setting.fault === undefined ? 0 : SHIM_FAULTS.indexOf(setting.fault) + 1, 32)
  bytes.writeUInt32LE(setting.sticky ? 1 : 0, 36)
  bytes.writeUInt32LE(1 + (setting.opens ? 2 : 0) + (setting.reads ? 4 : 0), 40)
  bytes.writeUInt32LE(setting.recording === false ? 0 : 1, 44)
  bytes.writeUInt32LE(setting.syncUs ?? 0, 48)
  bytes.writeUInt32LE(setting.unsynced ? 1 : 0, 60)
  const match = Buffer.from(setting.match ?? '')
  if (match.length > 127) throw new RangeError(`"${setting.match}" is longer than 127 bytes`)
  match.copy(bytes, 64)
  // The file is mapped by the process, so it is written where it is, and never made shorter.
  const fd = openSync(path, existsSync(path) ? 'r+' : 'w', 0o600)
  try {
    writeSync(fd, bytes, 0, bytes.length, 0)
  } finally {
    closeSync(fd)
  }
}

/** What the shim has counted; also after the process was killed. */
export function readControl(path: string): ShimCount {
  const bytes = Buffer.alloc(CONTROL_BYTES)
  const fd = openSync(path, 'r')
  try {
    readSync(fd, bytes, 0, bytes.length, 0)
  } finally {
    closeSync(fd)
  }
  return {
    calls: Number(bytes.readBigUInt64LE(8)),
    hits: Number(bytes.readBigUInt64LE(16)),
    last: callAt(bytes, 56, 448),
    hit: callAt(bytes, 52, 192),
  }
}

function callAt(bytes: Buffer, kindAt: number, pathAt: number): { call: ShimCall; path: string } | undefined {
  const kind = bytes.readUInt32LE(kindAt)
  if (kind === 0) return undefined
  const path = bytes.subarray(pathAt, pathAt + 256)
  return { call: SHIM_CALLS[kind - 1]!, path: path.subarray(0, path.indexOf(0)).toString() }
}

/** The path of the library, next to this module: nobody else can have put one there. */
function compile(): string | NoShim {
  const hash = createHash('sha256').update(process.arch)
  for (const name of readdirSync(SOURCE).sort()) if (/\.[ch]$/.test(name)) hash.update(readFileSync(join(SOURCE, name)))
  const library = join(BUILT, `${hash.digest('hex').slice(0, 16)}.so`)
  if (existsSync(library)) return library
  mkdirSync(BUILT, { recursive: true })
  const made = `${library}.${process.pid}`
  for (const compiler of COMPILERS.filter(each => each !== '')) {
    // It may come with flags of its own.
    const [program, ...own] = compiler.split(' ')
    const flags = ['-shared', '-fPIC', '-O2', '-o', made, join(SOURCE, 'shim.c'), '-ldl', '-lpthread']
    const { error, status, stderr } = spawnSync(program!, [...own, ...flags], { encoding: 'utf8' })
    if (error !== undefined) continue
    if (status !== 0) return { notRun: `${compiler} cannot compile the shim: ${stderr.split('\n')[0]}` }
    // Others may build it at the same time: each puts a whole one there.
    renameSync(made, library)
    return library
  }
  return { notRun: 'there is no C compiler (cc, gcc or clang)' }
}
