/**
 * Files of zeros that become segments: one is made ahead, off the path of the writes, and waits as the spare.
 *
 * Failing to make one harms nothing: it is told as DISK_FULL or IO_ERROR and may be tried again.
 */
import { AgentMemoryError, systemCode } from '../core/errors.js'
import type { Blank, LogFolder } from './folder.js'

export class Blanks {
  readonly #folder: LogFolder
  #spare: Blank | undefined
  #making: Promise<void> | undefined
  #syncs = 0

  constructor(folder: LogFolder) {
    this.#folder = folder
  }

  get hasSpare(): boolean {
    return this.#spare !== undefined
  }

  /** How often a file has been synced. */
  get syncs(): number {
    return this.#syncs
  }

  /** Makes the spare if there is none. */
  async prepare(bytes: number): Promise<void> {
    if (this.#spare !== undefined) return
    this.#making ??= this.#makeSpare(bytes).finally(() => {
      this.#making = undefined
    })
    await this.#making
  }

  /** The spare, if it is large enough; else it stays for ordinary frames, and one of `bytes` is made under `name`. */
  async take(bytes: number, name: string): Promise<Blank> {
    await this.#making
    const spare = this.#spare
    if (spare === undefined || spare.bytes < bytes) return this.make(bytes, name)
    this.#spare = undefined
    return spare
  }

  /** Makes a file of zeros under a temporary name. */
  async make(bytes: number, name?: string): Promise<Blank> {
    try {
      const blank = await this.#folder.makeBlank(bytes, name)
      this.#syncs += 1
      return blank
    } catch (cause) {
      throw blankFailed(bytes, cause)
    }
  }

  /** Resolves once no spare is being made. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#making])
  }

  /** Lets go of the spare, so that its name is free. */
  async close(): Promise<void> {
    await this.idle()
    const spare = this.#spare
    this.#spare = undefined
    await Promise.allSettled([spare?.file.close()])
  }

  async #makeSpare(bytes: number): Promise<void> {
    this.#spare = await this.make(bytes)
  }
}

function blankFailed(bytes: number, cause: unknown): AgentMemoryError {
  const code = systemCode(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new AgentMemoryError('DISK_FULL', {
      message: `There is no room on the disk for a log segment of ${bytes} bytes (${code})`,
      next: 'Free some space; writes go on by themselves then',
      cause,
    })
  }
  return new AgentMemoryError('IO_ERROR', {
    message: `A log segment could not be made (${code ?? String(cause)})`,
    next: 'Look at the disk and at the rights of the folder; the cause says what the system answered',
    cause,
  })
}
