/** A log on a disk in RAM, without an engine: frames are written to it, and it is read back as recovery does. */
import type { FileSystem } from '../../src/io/file-system.js'
import { LogFolder, segmentName } from '../../src/log/folder.js'
import { FrameType } from '../../src/log/format.js'
import { Log, type LogConfig } from '../../src/log/log.js'
import { readRecords } from '../../src/log/record.js'
import { closeSegments, type LogScan, openSegments, scanSegments } from '../../src/log/scan.js'
import { ManualClock } from '../../src/testing/manual-clock.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'

export interface Written {
  key: string
  lsn: number
  value: string | undefined
}

export interface ReadLog {
  scan: LogScan
  records: Written[]
}

export const FOLDER = '/log'
export const CONFIG: LogConfig = {
  clock: new ManualClock(),
  storeId: '11'.repeat(16),
  logId: '22'.repeat(16),
  epoch: 1,
  firstFreeLsn: 1,
  mark: { lsn: 0, position: 0 },
  segmentBytesMin: 5 * 4096,
  segmentBytesMax: 5 * 4096,
}

/** Starts a log in a new folder, or behind what a scan has found. */
export async function startLog(disk: FileSystem, config: Partial<LogConfig> = {}, scan?: LogScan): Promise<Log> {
  if (scan === undefined) {
    await disk.makeFolder(FOLDER)
    await disk.syncFolder('/')
  }
  return Log.start(new LogFolder(disk, FOLDER), scan, { ...CONFIG, ...config })
}

/** Appends one frame with the given records. */
export async function appendFrame(log: Log, records: readonly Written[]): Promise<number> {
  const lsns = { first: Math.min(...records.map(each => each.lsn)), last: Math.max(...records.map(each => each.lsn)) }
  const bytes = records.reduce((sum, { key, value }) => sum + 24 + key.length + (value?.length ?? 0), 0)
  if (!log.fits(bytes)) await log.makeRoom(bytes)
  log.builder.begin(bytes)
  for (const { key, lsn, value } of records) log.builder.add(key, lsn, 1, value)
  const sealed = log.seal(FrameType.writes, lsns, { lsn: 0, position: 0 })
  await log.append(sealed)
  log.noteLastLsn(lsns.last)
  return sealed.position
}

/** Appends the frame of a clean close. */
export async function appendClose(log: Log, lastLsn: number): Promise<void> {
  log.builder.begin(0)
  await log.append(log.seal(FrameType.close, { first: lastLsn + 1, last: lastLsn }, { lsn: 0, position: 0 }))
}

/** One set a frame, with a value each. */
export function frames(...values: (string | undefined)[]): Written[][] {
  return values.map((value, index) => [{ key: `k${index}\0`, lsn: index + 1, value }])
}

/** A disk with a log of these frames. */
export async function diskWith(written: readonly Written[][], config: Partial<LogConfig> = {}): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  const log = await startLog(disk, config)
  for (const records of written) await appendFrame(log, records)
  await log.close()
  return disk
}

/** Everything that the log on a disk holds. Rejects if it is refused. */
export async function readLog(disk: FileSystem, from = 0): Promise<ReadLog> {
  const segments = await openSegments(new LogFolder(disk, FOLDER))
  try {
    const records: Written[] = []
    const scan = await scanSegments(segments, from, frame => {
      for (const { key, lsn, value } of readRecords(frame.body)) {
        records.push({ key, lsn, value: value?.toString('latin1') })
      }
    })
    return { scan, records }
  } finally {
    await closeSegments(segments)
  }
}

export function segmentPath(sequence: number): string {
  return `${FOLDER}/${segmentName(sequence)}`
}

/** Changes bytes of a file in place. */
export async function edit(disk: FileSystem, path: string, change: (bytes: Buffer) => void): Promise<void> {
  const file = await disk.open(path, 'write')
  const bytes = Buffer.alloc(await file.size())
  await file.read(bytes, 0)
  change(bytes)
  await file.write(bytes, 0)
  await file.close()
}
