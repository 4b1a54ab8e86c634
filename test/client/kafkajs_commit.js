/* A member that seeks to the beginning, reads on and commits by hand, once; prints how that ended as
 * one line of JSON.
 *   kafkajs_commit.js BOOTSTRAP TOPIC GROUP */
const { Kafka, logLevel } = require('kafkajs')

const [bootstrap, topic, groupId] = process.argv.slice(2)
const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })

async function main() {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500,
        maxWaitTimeInMs: 500 })
    const seen = { read: 0, crashed: false }
    let committed
    const done = new Promise((resolve) => { committed = resolve })
    consumer.on(consumer.events.CRASH, () => { seen.crashed = true })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
            seen.read++
            if (message.offset !== '9') return
            try {
                await consumer.commitOffsets([{ topic, partition, offset: '10' }])
                seen.commit = 'success'
            } catch (error) {
                seen.commit = (error.cause || error).type
                seen.retriable = error.retriable
            }
            committed()
        },
    })
    consumer.seek({ topic, partition: 0, offset: '0' })
    await done
    const giveUp = Date.now() + 10000
    while (seen.read < 100 && Date.now() < giveUp)
        await new Promise((resolve) => setTimeout(resolve, 20))
    await consumer.disconnect()
    console.log(JSON.stringify(seen))
}

main().then(() => process.exit(0), (error) => {
    console.error(error)
    process.exit(1)
})
