// What users have set, by user and key. Written through to the data store; read from there when memory does not hold it.
import { AgentMemory } from 'holdfast'

const memory = await AgentMemory.open('./agent-memory')
try {
  const preferences = memory.preferences()
  await preferences.set('user-1', 'language', 'zh-CN')
  await preferences.set('user-1', 'notifications', { email: true, sms: false })
  await preferences.set('user-2', 'language', 'de')

  console.log(await preferences.get('user-1', 'language'))
  console.log(await preferences.all('user-1'))

  await preferences.delete('user-1', 'notifications')
  await preferences.delete('user-2')
  console.log(await preferences.all('user-1'), await preferences.all('user-2'))
} finally {
  await memory.close()
}

// Prints:
// zh-CN
// { language: 'zh-CN', notifications: { email: true, sms: false } }
// { language: 'zh-CN' } {}
