/** A child process that reports in lines of JSON, and is killed in the middle of what it does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/**
 * Runs `dist/test/shapes/<name>.js` and kills it with SIGKILL once `isTime` says so of a report. Returns all that it has
 * reported, also behind that moment, and whether it was killed. Throws if it fails by itself.
 */
export async function killedLife<Report>(
  name: string,
  args: readonly string[],
  isTime: (report: Report) => boolean,
): Promise<{ reports: Report[]; wasKilled: boolean }> {
  const script = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const reports: Report[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    // The last line may have been cut short by the kill.
    if (!line.endsWith('}')) continue
    const report = JSON.parse(line) as Report
    reports.push(report)
    if (isTime(report)) child.kill('SIGKILL')
  }
  const [code, signal] = await ended
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`${name} has ended with ${signal ?? code}`)
  return { reports, wasKilled: signal === 'SIGKILL' }
}
