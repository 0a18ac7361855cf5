/** The two calls that we use of fs-native-extensions, which brings no types of its own. */
declare module 'fs-native-extensions' {
  /** Takes the exclusive lock of a range, or of the whole file; `false` if another open file description has it. */
  export function tryLock(fd: number, offset?: number, length?: number): boolean
  export function unlock(fd: number, offset?: number, length?: number): void
}
