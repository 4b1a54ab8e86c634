/* Producers and members of one site, on Kafka's own Java client; what it says: voices.py.
 *   Client.java BOOTSTRAP TOPIC PRODUCERS MEMBERS GROUP_PREFIX SITE */
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Client {
    static final int SESSION_MS = 6000, HEARTBEAT_MS = 1000, POLL_MS = 100;
    static final long COMMIT_EVERY_NS = 1_000_000_000L;
    static volatile boolean isOver;

    static synchronized void say(Object... words) {
        StringBuilder line = new StringBuilder().append(System.nanoTime() / 1000);
        for (Object word : words)
            line.append(' ').append(word);
        System.out.println(line);
    }

    static String told(byte[] data) {
        return data == null ? "-" : Base64.getEncoder().encodeToString(data);
    }

    static byte[] heard(String word) {
        return word.equals("-") ? null : Base64.getDecoder().decode(word);
    }

    // It connects to dead brokers again and again, and while it connects to anybody it asks nobody new for
    // metadata: docs/router.md.
    static final Map<String, Object> RARELY = Map.of("reconnect.backoff.ms", 500);

    // ---- producers ----

    static KafkaProducer<byte[], byte[]> producer(String bootstrap) {
        Map<String, Object> settings = new HashMap<>(RARELY);
        settings.putAll(Map.of("bootstrap.servers", bootstrap, "acks", "all",
            "enable.idempotence", true));
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, String[] words) {
        String number = words[2];
        Integer partition = words[3].equals("-1") ? null : Integer.valueOf(words[3]);
        try {
            producer.send(new ProducerRecord<>(topic, partition, heard(words[4]), heard(words[5])),
                (at, error) -> {
                    if (error == null)
                        say("ok", number, at.partition(), at.offset());
                    else
                        say("unknown", number, error.getClass().getSimpleName());
                });
        } catch (RuntimeException error) {
            say("fail", number, error.getClass().getSimpleName());
        }
    }

    // ---- members ----

    static class Member extends Thread implements ConsumerRebalanceListener {
        final int index;
        final String topic;
        final KafkaConsumer<byte[], byte[]> consumer;
        final Map<TopicPartition, OffsetAndMetadata> progress = new HashMap<>();
        int commits;
        long nextCommitNs;

        Member(int index, String bootstrap, String topic, String group, String site) {
            this.index = index;
            this.topic = topic;
            Map<String, Object> settings = new HashMap<>(RARELY);
            settings.putAll(Map.of("bootstrap.servers", bootstrap,
                "group.id", group, "client.rack", site, "enable.auto.commit", false,
                "auto.offset.reset", "earliest", "session.timeout.ms", SESSION_MS,
                "heartbeat.interval.ms", HEARTBEAT_MS));
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        }

        static String words(Collection<TopicPartition> places) {
            return places.stream().map(p -> String.valueOf(p.partition()))
                .collect(Collectors.joining(" "));
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> places) {
            if (!places.isEmpty())
                say("assign", index, words(places));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> places) {
            commit();
            onPartitionsLost(places);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> places) {
            progress.keySet().removeAll(places);
            if (!places.isEmpty())
                say("revoke", index, words(places));
        }

        void commit() {
            if (progress.isEmpty())
                return;
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(progress);
            int count = ++commits;
            progress.clear();
            nextCommitNs = System.nanoTime() + COMMIT_EVERY_NS;
            say("commit", index, count, offsets.entrySet().stream()
                .map(e -> e.getKey().partition() + ":" + e.getValue().offset())
                .collect(Collectors.joining(" ")));
            try {
                consumer.commitSync(offsets);
                say("committed", index, count, "ok");
            } catch (RuntimeException error) {
                say("committed", index, count, "unknown", error.getClass().getSimpleName());
            }
        }

        void take(ConsumerRecords<byte[], byte[]> records) {
            for (ConsumerRecord<byte[], byte[]> r : records) {
                say("read", index, r.partition(), r.offset(), told(r.key()), told(r.value()));
                progress.put(new TopicPartition(topic, r.partition()),
                    new OffsetAndMetadata(r.offset() + 1));
            }
            if (!records.isEmpty())
                say("polled", index);
        }

        @Override
        public void run() {
            consumer.subscribe(List.of(topic), this);
            while (!isOver)
                try {
                    take(consumer.poll(Duration.ofMillis(POLL_MS)));
                    if (System.nanoTime() - nextCommitNs >= 0)
                        commit();
                } catch (RuntimeException error) {
                    System.err.println("a member's poll: " + error);
                }
            consumer.close();
        }
    }

    public static void main(String[] words) throws Exception {
        String bootstrap = words[0], topic = words[1];
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(words[2]); i++)
            producers.add(producer(bootstrap));
        for (int i = 0; i < Integer.parseInt(words[3]); i++)
            members.add(new Member(i, bootstrap, topic, words[4] + i, words[5]));
        members.forEach(Thread::start);
        producers.forEach(one -> one.partitionsFor(topic));
        say("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null;) {
            String[] said = line.split(" ");
            send(producers.get(Integer.parseInt(said[1])), topic, said);
        }
        isOver = true;
        for (Member member : members)
            member.join();
        System.exit(0);
    }
}
