/* Producers and members of one site, on kafkajs; what it says: voices.py.
 *   client.js BOOTSTRAP TOPIC PRODUCERS MEMBERS GROUP_PREFIX SITE
 *
 * kafkajs keeps neither order nor sequence numbers when a second send to a partition begins while the first
 * is tried again, and sends once more what lies at two brokers when one of them fails. So each record
 * is a send of its own and each partition has one under way, as whoever needs order must do. After a
 * rebalance its members go on where they were, whatever is committed: they are timed, not judged.
 *
 * Its waits are those that docs/router.md advises and gives the reasons for. */
const { Kafka, logLevel } = require('kafkajs')
const readline = require('readline')

const [bootstrap, topic, producerCount, memberCount, groupPrefix, site] = process.argv.slice(2)
const SESSION_MS = 6000, HEARTBEAT_MS = 1000
const LEAVE_MS_MAX = 10000
const RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 20 }
const MEMBER_RETRIES = 3, FETCH_WAIT_MS = 500

function say(...words) {
    process.stdout.write(`${process.hrtime.bigint() / 1000n} ${words.join(' ')}\n`)
}

function reason(error) {
    return String(error.name || error).split(/\s+/).join('_')
}

const kafka = new Kafka({ clientId: `${site}-kafkajs`, brokers: bootstrap.split(','),
    retry: RETRY, logLevel: logLevel.ERROR,
    logCreator: () => ({ log }) => console.error(JSON.stringify(log)) })

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

function told(data) {
    return data === null ? '-' : data.toString('base64')
}

class Member {
    constructor(index) {
        this.index = index
        this.partitions = []
        this.consumer = kafka.consumer({ groupId: `${groupPrefix}${index}`, rackId: site,
            sessionTimeout: SESSION_MS, heartbeatInterval: HEARTBEAT_MS,
            maxWaitTimeInMs: FETCH_WAIT_MS, retry: { retries: MEMBER_RETRIES } })
        this.consumer.on(this.consumer.events.GROUP_JOIN,
            ({ payload }) => this.change(payload.memberAssignment[topic] || []))
    }

    change(partitions) {
        this.tell('revoke', this.partitions.filter(one => !partitions.includes(one)))
        this.tell('assign', partitions.filter(one => !this.partitions.includes(one)))
        this.partitions = partitions
    }

    tell(kind, partitions) {
        if (partitions.length > 0)
            say(kind, this.index, ...partitions)
    }

    async run() {
        await persistently(() => this.consumer.connect())
        await persistently(() => this.consumer.subscribe({ topics: [topic], fromBeginning: true }))
        await this.consumer.run({ eachBatch: async ({ batch }) => {
            for (const { offset, key, value } of batch.messages)
                say('read', this.index, batch.partition, offset, told(key), told(value))
            say('polled', this.index)
        } })
    }
}

async function persistently(act) {
    for (;;)
        try {
            return await act()
        } catch (error) {
            console.error(`tried again: ${error}`)
        }
}

function after(ms) {
    return new Promise(resolve => setTimeout(resolve, ms))
}

async function main() {
    const admin = kafka.admin()
    await persistently(() => admin.connect())
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partitions = topics[0].partitions.length
    const producers = Array.from({ length: Number(producerCount) }, () => new Producer(partitions))
    await Promise.all(producers.map(({ producer }) => persistently(() => producer.connect())))
    const members = Array.from({ length: Number(memberCount) }, (_, index) => new Member(index))
    members.forEach(member => member.run())
    say('ready')
    let count = 0
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [, index, number, partition, key, value] = line.split(' ')
        producers[index].send(number, partition < 0 ? count++ % partitions : Number(partition),
            key === '-' ? null : Buffer.from(key, 'base64'), Buffer.from(value, 'base64'))
    }
    await Promise.race([after(LEAVE_MS_MAX),
        Promise.allSettled(members.map(({ consumer }) => consumer.disconnect()))])
    process.stdout.write('', () => process.exit(0)) // behind all that was said
}

main()
