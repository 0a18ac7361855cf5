/** The drivers that are here: what Node has built in, the drop-in for it, and with `npm run test:drivers` better-sqlite3. */
import { type DriverName, driverNamed, findDriver } from '../../src/stores/sqlite/driver.js'

const NAMES: readonly DriverName[] = ['node:sqlite', 'better-sqlite3', '@photostructure/sqlite']

export const DRIVERS: readonly DriverName[] = NAMES.filter(isHere)

/** The one that a location takes. */
export const DRIVER = findDriver()

function isHere(name: DriverName): boolean {
  try {
    return driverNamed(name) !== undefined
  } catch {
    return false
  }
}
