/** Says on stderr what is going on, so that stdout stays clean for the results. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

export function progressEnd(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}
