/* A member of a consumer group by kafkajs; see group_member.py.
 *   group_member.js BOOTSTRAP GROUP TOPIC
 * It does not look for another coordinator while the one it knows refuses connections: it tries five
 * times, crashes, and begins anew as another member, for which the group waits until the session of its
 * former self is over. */
const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, groupId, topic] = process.argv.slice(2)
const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING,
    requestTimeout: 2000 })
const consumer = kafka.consumer({ groupId, sessionTimeout: 8000, heartbeatInterval: 500,
    maxWaitTimeInMs: 200 })

function say(event, more) {
    console.log(JSON.stringify({ event, ...more }))
}

let owned = []

consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    owned = payload.memberAssignment[topic] || []
    say('assigned', { partitions: owned })
})
consumer.on(consumer.events.REBALANCING, () => say('revoked', { partitions: owned }))

/* kafkajs commits behind each batch; it tells of success only. */
consumer.on(consumer.events.COMMIT_OFFSETS, ({ payload }) => {
    const offsets = {}
    for (const { partitions } of payload.topics)
        for (const { partition, offset } of partitions) offsets[partition] = Number(offset)
    if (Object.keys(offsets).length > 0) say('committed', { offsets })
})
consumer.on(consumer.events.CRASH, ({ payload }) => say('crashed', { why: String(payload.error) }))

async function main() {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ eachMessage: async () => {} })
}

main().catch((error) => {
    say('crashed', { why: String(error) })
    process.exit(1)
})
