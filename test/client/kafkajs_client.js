/* One use of kafkajs from beginning to end; prints what it saw as one line of JSON.
 *   kafkajs_client.js BOOTSTRAP TOPIC GROUP
 * kafkajs comes from build/clients/node, by NODE_PATH. */
const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = require('kafkajs')

const [bootstrap, topic, groupId] = process.argv.slice(2)
const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
const admin = kafka.admin()
const RECORDS = 300

function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms))
}

async function createTopic(seen) {
    const options = { topic, numPartitions: 3, replicationFactor: 3 }
    const wanted = { topics: [options], waitForLeaders: true, timeout: 20000 }
    seen.created = await admin.createTopics(wanted)
    seen.createdAgain = await admin.createTopics(wanted)
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    seen.partitions = topics[0].partitions.length
    const cluster = await admin.describeCluster()
    seen.brokers = cluster.brokers.length
}

async function produce(seen) {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
        const messages = []
        for (let i = 0; i < RECORDS / 2; i++)
            messages.push({ key: `k${i}`, value: `${compression} ${i}`, headers: { h: 'v' } })
        const answers = await producer.send({ topic, acks: -1, compression, messages })
        seen.errors = answers.filter((answer) => answer.errorCode !== 0).length
    }
    await producer.disconnect()
}

/* Reads in the group until `count` records came or the time is over, then commits by leaving, when
 * its last fetch has been answered: that waits half a second at most, not five. */
async function consume(count) {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500,
        maxWaitTimeInMs: 500 })
    const messages = []
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
        eachMessage: async ({ partition, message }) => {
            messages.push([partition, Number(message.offset), message.key.toString(),
                message.value.toString(), message.headers.h.toString()])
        },
    })
    const giveUp = Date.now() + 30000
    while (messages.length < count && Date.now() < giveUp) await sleep(20)
    await consumer.stop()
    await consumer.disconnect()
    return messages
}

async function administer(seen) {
    seen.committed = (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions
        .reduce((sum, partition) => sum + Number(partition.offset), 0)
    seen.ends = (await admin.fetchTopicOffsets(topic))
        .reduce((sum, partition) => sum + Number(partition.high), 0)
    seen.listed = (await admin.listGroups()).groups.some((group) => group.groupId === groupId)
    seen.state = (await admin.describeGroups([groupId])).groups[0].state
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }]
    const configs = (await admin.describeConfigs({ resources })).resources[0].configEntries
    seen.retention = configs.find((entry) => entry.configName === 'retention.ms').configValue
    const altered = [{ ...resources[0], configEntries: [{ name: 'retention.ms', value: '7000' }] }]
    seen.altered = (await admin.alterConfigs({ resources: altered })).resources[0].errorCode
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '-1' }] })
    const left = await admin.fetchTopicOffsets(topic)
    seen.emptied = left.filter((p) => p.partition === 0).every((p) => p.low === p.high)
    await admin.deleteGroups([groupId])
    seen.listedAfter = (await admin.listGroups()).groups.some((g) => g.groupId === groupId)
    await admin.deleteTopics({ topics: [topic] })
}

async function main() {
    const seen = {}
    await admin.connect()
    await createTopic(seen)
    await produce(seen)
    seen.first = await consume(RECORDS)
    await produce(seen)
    seen.second = await consume(RECORDS)
    await administer(seen)
    await admin.disconnect()
    console.log(JSON.stringify(seen))
}

main().then(() => process.exit(0), (error) => {
    console.error(error)
    process.exit(1)
})
