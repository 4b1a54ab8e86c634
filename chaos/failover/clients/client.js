/* Producers of one site, on kafkajs; what it says: voices.py.
 *   client.js BOOTSTRAP TOPIC PRODUCERS 0 GROUP_PREFIX SITE
 *
 * kafkajs keeps neither order nor sequence numbers when a second send to a partition begins while the first
 * is tried again, and sends once more what lies at two brokers when one of them fails. So each record
 * is a send of its own and each partition has one under way, as whoever needs order must do. Members it has
 * none here: after a rebalance they go on where they were, whatever is committed. */
const { Kafka, logLevel } = require('kafkajs')
const readline = require('readline')

const [bootstrap, topic, producerCount, , , site] = process.argv.slice(2)

function say(...words) {
    process.stdout.write(`${process.hrtime.bigint() / 1000n} ${words.join(' ')}\n`)
}

function reason(error) {
    return String(error.name || error).split(/\s+/).join('_')
}

const kafka = new Kafka({ clientId: `${site}-kafkajs`, brokers: bootstrap.split(','),
    logLevel: logLevel.ERROR, logCreator: () => ({ log }) => console.error(JSON.stringify(log)) })

function partitioner() {
    return ({ message }) => message.partition
}

class Producer {
    constructor(partitions) {
        this.producer = kafka.producer({ idempotent: true, createPartitioner: partitioner })
        this.queues = Array.from({ length: partitions }, () => Promise.resolve())
    }

    /* Behind what goes to the same partition. */
    send(number, partition, key, value) {
        this.queues[partition] = this.queues[partition].then(async () => {
            try {
                const [answer] = await this.producer.send({ topic, acks: -1,
                    messages: [{ key, value, partition }] })
                say('ok', number, partition, answer.baseOffset)
            } catch (error) {
                say('unknown', number, reason(error))
            }
        })
    }
}

async function connected(one) {
    for (;;)
        try {
            return await one.connect()
        } catch (error) {
            console.error(`not connected: ${error}`)
        }
}

async function main() {
    const admin = kafka.admin()
    await connected(admin)
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partitions = topics[0].partitions.length
    const producers = Array.from({ length: Number(producerCount) }, () => new Producer(partitions))
    await Promise.all(producers.map(({ producer }) => connected(producer)))
    say('ready')
    let count = 0
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [, index, number, partition, key, value] = line.split(' ')
        producers[index].send(number, partition < 0 ? count++ % partitions : Number(partition),
            key === '-' ? null : Buffer.from(key, 'base64'), Buffer.from(value, 'base64'))
    }
    process.stdout.write('', () => process.exit(0)) // behind all that was said
}

main()
