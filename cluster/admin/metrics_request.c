/* Metrics of clients: connections, requests by API, errors by kind, and the memory they hold. */
#include "admin/metrics.h"
#include "protocol/error.h"
#include "server/client_shard.h"

/* ---- summed over shards ---- */

struct request_sum {
    uint64_t begun, answered, closed, worked_ms;
};

static struct request_sum sum_of(struct broker *b, size_t place)
{
    struct request_sum sum = {0};
    for (unsigned i = 0; i < b->shard_count; i++) {
        struct request_count *count = &b->clients[i].count;
        /* What ended is read before what began: the difference is never below 0. */
        sum.answered += atomic_load(&count->apis[place].answered);
        sum.closed += atomic_load(&count->apis[place].closed);
        sum.worked_ms += atomic_load(&count->apis[place].worked_ms);
        sum.begun += atomic_load(&count->apis[place].begun);
    }
    return sum;
}

static const char *name_of(size_t place)
{
    return place < kafka_api_count ? kafka_apis[place].name : "unknown";
}

enum request_value { BEGUN, CLOSED, IN_PROGRESS, WORKED };

static void add_requests(struct metric_text *t, struct broker *b, enum request_value which)
{
    for (size_t place = 0; place < REQUEST_COUNT_APIS; place++) {
        struct request_sum sum = sum_of(b, place);
        uint64_t ended = sum.answered + sum.closed;
        if (sum.begun == 0)
            continue; /* nobody ever asked for it */
        if (which == BEGUN)
            metric_whole(t, "", sum.begun, 1, "api", name_of(place));
        else if (which == CLOSED)
            metric_whole(t, "", sum.closed, 1, "api", name_of(place));
        else if (which == IN_PROGRESS)
            metric_whole(t, "", sum.begun > ended ? sum.begun - ended : 0, 1, "api",
                         name_of(place));
        else {
            metric_sample(t, "_sum", (double)sum.worked_ms / 1000, 1, "api", name_of(place));
            metric_whole(t, "_count", ended, 1, "api", name_of(place));
        }
    }
}

static void add_errors(struct metric_text *t, struct broker *b, enum request_count_error_api api,
                       const char *name)
{
    for (int16_t code = 0; code < REQUEST_COUNT_ERRORS; code++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < b->shard_count; i++)
            sum += atomic_load(&b->clients[i].count.errors[api][code]);
        if (sum > 0)
            metric_whole(t, "", sum, 2, "api", name, "error",
                         kafka_error_name(code == REQUEST_COUNT_ERRORS - 1 ? -1 : code));
    }
}

/* ---- committed offsets ---- */

static void add_commits(struct metric_text *t, struct broker *b)
{
    static const char *const names[COMMIT_OUTCOME_COUNT] = {
        [COMMIT_STORED] = "stored",    [COMMIT_REWIND] = "rewind", [COMMIT_OUTSIDE] = "outside",
        [COMMIT_KEPT] = "kept_higher", [COMMIT_DENIED] = "denied",
    };
    metric_family(t, "trilog_offset_commits_total", METRIC_COUNTER,
                  "Offsets that consumers committed at this coordinator, by what became of them");
    for (unsigned outcome = 0; outcome < COMMIT_OUTCOME_COUNT; outcome++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < b->shard_count; i++)
            sum += atomic_load(&b->clients[i].count.commits[outcome]);
        metric_whole(t, "", sum, 1, "outcome", names[outcome]);
    }
}

/* ---- connections and memory ---- */

static void add_connections(struct metric_text *t, struct broker *b)
{
    unsigned count, count_max;
    client_count_total(b->client_count, &count, &count_max);
    metric_family(t, "trilog_connections", METRIC_GAUGE, "Client connections");
    metric_whole(t, "", count, 0);
    metric_family(t, "trilog_connections_limit", METRIC_GAUGE, "How many there may be");
    metric_whole(t, "", count_max, 0);
    metric_family(t, "trilog_connections_refused_total", METRIC_COUNTER,
                  "Connections closed at once: one of the limits was reached");
    metric_whole(t, "", atomic_load(&b->refused_connections), 0);
}

static void add_pauses(struct metric_text *t, struct broker *b)
{
    static const char *const limits[REQUEST_COUNT_PAUSES] = {
        [REQUEST_COUNT_IN_FLIGHT] = "requests_in_flight_max",
        [REQUEST_COUNT_ANSWERS] = "untaken_answers",
        [REQUEST_COUNT_MEMORY] = "memory_bytes_max",
    };
    metric_family(t, "trilog_connection_pauses_total", METRIC_COUNTER,
                  "Times that a connection was not read from for a while, by the limit it was at");
    for (unsigned why = 0; why < REQUEST_COUNT_PAUSES; why++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < b->shard_count; i++)
            sum += atomic_load(&b->clients[i].count.pauses[why]);
        metric_whole(t, "", sum, 1, "limit", limits[why]);
    }
}

static void add_memory(struct metric_text *t, struct broker *b)
{
    metric_family(t, "trilog_memory_claimed_bytes", METRIC_GAUGE,
                  "Memory held for clients, by what for; each has the limit beside it");
    metric_whole(t, "", atomic_load(&b->request_bytes), 1, "use", "requests");
    metric_whole(t, "", atomic_load(&b->answer_bytes), 1, "use", "answers");
    metric_whole(t, "", atomic_load(&b->fetched_bytes), 1, "use", "fetched");
    metric_family(t, "trilog_memory_limit_bytes", METRIC_GAUGE,
                  "Setting memory_bytes_max: at the limit connections are not read from");
    metric_whole(t, "", (uint64_t)b->conf.memory_bytes_max, 0);
    metric_family(t, "trilog_tail_memory_limit_bytes", METRIC_GAUGE,
                  "Setting tail_memory_bytes: newest batches in memory, all raft groups together");
    metric_whole(t, "", (uint64_t)b->conf.tail_memory_bytes, 0);
}

void metrics_of_requests(struct metric_text *t, struct broker *b)
{
    add_connections(t, b);
    add_pauses(t, b);
    add_memory(t, b);
    metric_family(t, "trilog_requests_total", METRIC_COUNTER, "Requests taken, by API");
    add_requests(t, b, BEGUN);
    metric_family(t, "trilog_requests_in_progress", METRIC_GAUGE,
                  "Requests that are worked on or parked (long polls), by API");
    add_requests(t, b, IN_PROGRESS);
    metric_family(t, "trilog_requests_closed_total", METRIC_COUNTER,
                  "Requests that ended with their connection: malformed, or not known");
    add_requests(t, b, CLOSED);
    metric_family(t, "trilog_request_duration_seconds", METRIC_SUMMARY,
                  "From a whole request to its answer, waits that it asked for included");
    add_requests(t, b, WORKED);
    metric_family(t, "trilog_partition_errors_total", METRIC_COUNTER,
                  "Partitions of answers with an error, by API and Kafka's name of the error");
    add_errors(t, b, REQUEST_COUNT_PRODUCE, "Produce");
    add_errors(t, b, REQUEST_COUNT_FETCH, "Fetch");
    add_errors(t, b, REQUEST_COUNT_OFFSET_COMMIT, "OffsetCommit");
    add_commits(t, b);
}
