/* kafkajs seeks by committing the offset and asking where its group is. A member seeks back to 5 in
 * a group that is further. Prints what it read first, and where the group is afterwards, as one line
 * of JSON.
 *   kafkajs_seek.js BOOTSTRAP TOPIC GROUP */
const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, topic, groupId] = process.argv.slice(2)
const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
const admin = kafka.admin()

async function committed() {
    return Number((await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset)
}

/* The first record that a member gets which seeks before it reads. */
async function firstAfterSeek(offset) {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500,
        maxWaitTimeInMs: 200 })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    const first = new Promise((resolve) => {
        consumer.run({
            autoCommitThreshold: 1000,
            eachMessage: async ({ message }) => resolve(Number(message.offset)),
        })
    })
    consumer.seek({ topic, partition: 0, offset })
    const found = await first
    await consumer.disconnect()
    return found
}

async function main() {
    const seen = {}
    await admin.connect()
    seen.sought = await firstAfterSeek('5')
    seen.afterwards = await committed()
    await admin.disconnect()
    console.log(JSON.stringify(seen))
}

main().then(() => process.exit(0), (error) => {
    console.error(error)
    process.exit(1)
})
