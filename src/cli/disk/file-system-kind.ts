/** Which file system a folder is on, how much room it has, and what its kind means for a memory. */
import { readFile, realpath, statfs } from 'node:fs/promises'
import { systemCode } from '../../core/errors.js'
import { nodeFileSystem } from '../../io/node-file-system.js'

export interface FileSystemFacts {
  /** As the system names it, such as `ext4`, `xfs`, `tmpfs`, `overlay`; `unknown` where it cannot be told. */
  kind: string
  mountPoint: string | undefined
  /** The device or the server, such as `/dev/sda1`. */
  source: string | undefined
  mountOptions: string[]
  bytesFree: number
  bytesTotal: number
  /** Files that may still be made; `undefined` where there is no limit. */
  filesFree: number | undefined
}

/** What may become of a memory on such a file system. */
export interface Meaning {
  /** `volatile`: it ends with the machine's run or the container. `other`: it is as good as something not seen here. */
  risk: 'none' | 'volatile' | 'other'
  text: string
}

export interface Mount {
  mountPoint: string
  kind: string
  source: string
  options: string[]
}

export async function fileSystemFacts(folder: string): Promise<FileSystemFacts> {
  const real = await realpath(folder)
  const mount = mountOf(await mountInfo(), real)
  const { bsize, bavail, blocks, files, ffree } = await statfs(real)
  return {
    kind: mount?.kind ?? (await nodeFileSystem.kindOf(real)),
    mountPoint: mount?.mountPoint,
    source: mount?.source,
    mountOptions: mount?.options ?? [],
    bytesFree: bavail * bsize,
    bytesTotal: blocks * bsize,
    // Btrfs and others make files as they need them, and say 0 of 0.
    filesFree: files === 0 ? undefined : ffree,
  }
}

/** The mount that a path is on: the last one of those with the longest mount point that the path is in. */
export function mountOf(mountInfoText: string, path: string): Mount | undefined {
  let best: Mount | undefined
  for (const line of mountInfoText.split('\n')) {
    const mount = parseMount(line)
    if (mount === undefined || !isWithin(path, mount.mountPoint)) continue
    if (best === undefined || mount.mountPoint.length >= best.mountPoint.length) best = mount
  }
  return best
}

const RAM = ['tmpfs', 'ramfs', 'rootfs', 'devtmpfs']
const CONTAINER = ['overlay', 'aufs', 'fuse.fuse-overlayfs']
const NETWORK = ['nfs', 'nfs4', 'cifs', 'smb', 'smb2', 'smb3', 'smbfs', 'ceph', 'lustre', 'glusterfs', 'afs']
const SHARED = ['9p', 'virtiofs', 'vboxsf', 'prl_fs', 'drvfs', 'fakeowner']
const WITHOUT_JOURNAL = ['vfat', 'msdos', 'fat', 'exfat', 'ext2']
const KNOWN_WELL = ['ext', 'ext3', 'ext4', 'xfs', 'btrfs']

/** What the kind and the mount options mean. */
export function meaningOf({ kind, mountOptions }: Pick<FileSystemFacts, 'kind' | 'mountOptions'>): Meaning {
  if (RAM.includes(kind)) {
    return {
      risk: 'volatile',
      text: `${kind} is in RAM: a power cut or a restart of the machine loses all of it, whatever was synced`,
    }
  }
  if (CONTAINER.includes(kind)) {
    const text = `${kind} is the container's own layer: what is in it goes with the container`
    return {
      risk: 'volatile',
      text: mountOptions.includes('volatile') ? `${text}, and it is mounted so that syncs do nothing` : text,
    }
  }
  if (mountOptions.includes('nobarrier') || mountOptions.includes('barrier=0')) {
    return {
      risk: 'other',
      text: `${kind} is mounted without barriers: a sync does not empty the disk's cache, which a power cut may lose`,
    }
  }
  if (NETWORK.includes(kind)) {
    return {
      risk: 'other',
      text: `${kind} is on another machine: a sync and a lock are as good as its server makes them`,
    }
  }
  if (SHARED.includes(kind) || kind === 'fuse' || kind.startsWith('fuse.') || kind === 'fuseblk') {
    return { risk: 'other', text: `${kind} is kept by another program or the host: a sync is as good as they make it` }
  }
  if (WITHOUT_JOURNAL.includes(kind)) {
    return { risk: 'other', text: `${kind} has no journal: a power cut may damage the file system itself` }
  }
  if (KNOWN_WELL.includes(kind)) return { risk: 'none', text: `${kind} keeps what was synced, if the disk does` }
  if (kind === 'unknown') return { risk: 'none', text: 'its kind cannot be told on this system' }
  return {
    risk: 'none',
    text: `${kind} keeps what was synced, if the disk does; docs/durability.md says what the data store assumes of it`,
  }
}

/** `undefined` for a line that is none. See proc(5), /proc/pid/mountinfo. */
function parseMount(line: string): Mount | undefined {
  const [place, kinds] = line.split(' - ')
  const [, , , , mountPoint, options] = place?.split(' ') ?? []
  const [kind, source, superOptions] = kinds?.split(' ') ?? []
  if (mountPoint === undefined || kind === undefined) return undefined
  return {
    mountPoint: unescaped(mountPoint),
    kind,
    source: unescaped(source ?? ''),
    options: [...(options?.split(',') ?? []), ...(superOptions?.split(',') ?? [])],
  }
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}

async function mountInfo(): Promise<string> {
  try {
    return await readFile('/proc/self/mountinfo', 'utf8')
  } catch (error) {
    // Only Linux has it.
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  }
}
