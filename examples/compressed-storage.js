// Values of a map may be compressed: those that are large enough, and only where it saves. What is stored says how it is to
// be read, so that the setting may change at any time.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const pages = memory.map('pages', { compression: 'brotli' })
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(200)
  await pages.set('page-1', { url: 'https://example.com', text })
  await pages.set('page-2', { url: 'https://example.org', text: 'short' })

  const page = await pages.get('page-1')
  console.log('as it was:', page.text === text)

  const { bytesBefore, bytesAfter } = memory.status().compression
  console.log('less than a tenth:', bytesAfter < bytesBefore / 10)
} finally {
  await memory.close()
}

// Prints:
// as it was: true
// less than a tenth: true
