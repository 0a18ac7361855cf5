/** `holdfast doctor [FOLDER]`: whether a memory's promises can be kept in this place. Leaves no trace. */
import { findPlace } from '../disk/place.js'
import { EXIT_CODE_OF, verdictOf } from '../doctor/checks.js'
import { examine, type Findings } from '../doctor/examine.js'
import { durabilityRows, NOT_PROVEN, reportText } from '../doctor/report.js'
import { type DoctorOptions, ExitCode, Progress, printResult } from '../output.js'

export async function doctor(path: string, options: DoctorOptions): Promise<ExitCode> {
  const place = await findPlace(path)
  const progress = new Progress()
  let findings: Findings
  try {
    findings = await examine(place, options.lives, progress.say)
  } finally {
    progress.clear()
  }
  const verdict = verdictOf(findings.checks)
  const exitCode = EXIT_CODE_OF[verdict.level]
  const { fileSystem, checks, syncUs, kills } = findings
  const durabilities = durabilityRows(findings)
  const ok = exitCode === ExitCode.fine
  const result = { ok, verdict, ...place, fileSystem, checks, syncUs, kills, durabilities, notProven: NOT_PROVEN }
  printResult(options, result, () => reportText(place, findings, verdict))
  return exitCode
}
