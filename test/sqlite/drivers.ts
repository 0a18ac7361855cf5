/** The drivers that run under this Node. One of them is there at least: a devDependency. */
import { type DriverName, driverNamed } from '../../src/stores/sqlite/driver.js'

export const DRIVERS: readonly DriverName[] = (['node:sqlite', '@photostructure/sqlite'] as const).filter(name => {
  return name !== 'node:sqlite' || process.getBuiltinModule?.('node:sqlite') !== undefined
})

export const DRIVER = driverNamed(DRIVERS[0]!)
