/* libtrilog: a client that goes on when its datacenter dies.
 *
 * An application names a topic. Site, environment and addresses come from one small file:
 *
 *     site: b
 *     bootstrap: [router-b:9192, router-a:9192, router-c:9192]
 *     spool_directory: /var/lib/my-application/spool      # optional
 *
 * (all settings with their meaning: conf/samples/client.yaml). TRILOG_CLIENT_CONFIG names the file,
 * or is the settings themselves: `{site: b, bootstrap: [router-b:9192]}`. The library stands on
 * librdkafka.
 *
 * Ownership: what you pass is borrowed until the call returns, and copied where it is needed
 * longer, but for your own pointers `data` and `opaque`, which are only handed back. Errors: 0 is
 * success, TRILOG_SPOOLED (1) is "on disk, will be sent"; negative numbers are errors, which
 * trilog_error_text() puts into words. No call ends the process for what it was given. Threads: all
 * functions may be called from any thread at once, but for open, close and destroy of the same
 * object. Callbacks run on the library's own thread, one after the other; they should be short, and
 * may call trilog_send(), not what waits (TRILOG_ERR_WRONG_THREAD). Units: milliseconds and bytes,
 * as names say. */
#ifndef TRILOG_TRILOG_H
#define TRILOG_TRILOG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRILOG_API __attribute__((visibility("default")))

#define TRILOG_RESULT_TABLE(X)                                                                     \
    X(TRILOG_OK, 0, "acknowledged by a majority of sites")                                         \
    X(TRILOG_SPOOLED, 1, "in the spool on disk, and sent when a site takes it")                    \
    X(TRILOG_LOGGED, 2, "refused; in the failure log on disk, and tried again later")              \
    X(TRILOG_ERR_NULL, -1, "a pointer is NULL that must not be")                                   \
    X(TRILOG_ERR_TOPIC, -2, "not a topic's name: 1 to 249 letters, digits, '.', '_' and '-'")      \
    X(TRILOG_ERR_TOO_LARGE, -3, "the record is larger than record_bytes_max or the topic's limit") \
    X(TRILOG_ERR_UNKNOWN_TOPIC, -4, "the cluster has no such topic")                               \
    X(TRILOG_ERR_CLOSED, -5, "it is closed")                                                       \
    X(TRILOG_ERR_QUEUE_FULL, -6, "too many records wait to be acknowledged")                       \
    X(TRILOG_ERR_SPOOL_FULL, -7, "no site takes the record, and the spool is full")                \
    X(TRILOG_ERR_SPOOL_DISK, -8, "no site takes the record, and the spool's disk failed")          \
    X(TRILOG_ERR_DISK_FULL, -9, "no site takes the record, and the spool's disk is full")          \
    X(TRILOG_ERR_TIMED_OUT, -10, "not known in time; the record may have been taken, or yet be")   \
    X(TRILOG_ERR_REFUSED, -11, "the cluster refused the record")                                   \
    X(TRILOG_ERR_FATAL, -12, "it can not go on; close it and open another")                        \
    X(TRILOG_ERR_SETTINGS, -13, "the settings can not be used")                                    \
    X(TRILOG_ERR_SPOOL_IN_USE, -14, "another producer has this spool open")                        \
    X(TRILOG_ERR_MEMORY, -15, "no memory")                                                         \
    X(TRILOG_ERR_WRONG_THREAD, -16, "a callback must not wait")                                    \
    X(TRILOG_ERR_SYSTEM, -17, "the system refused what the library needs")                         \
    X(TRILOG_ERR_EMPTY, -18, "no record came in time")                                             \
    X(TRILOG_ERR_IN_HAND, -19, "too many records are in hand; be done with some first")            \
    X(TRILOG_ERR_NOT_IN_HAND, -20, "the record is not in hand, or not any more")                   \
    X(TRILOG_ERR_GROUP, -21, "not a group's or instance's name: 1 to 100 letters, digits, ._-")    \
    X(TRILOG_ERR_NOT_ASSIGNED, -22, "the partition is not this consumer's now")                    \
    X(TRILOG_ERR_NO_LOG, -23, "there is no failure log: failure_directory is not set")             \
    X(TRILOG_ERR_LOG_FULL, -24, "the failure log is full")                                         \
    X(TRILOG_ERR_LOG_DISK, -25, "the failure log's disk failed")                                   \
    X(TRILOG_ERR_OFFSET, -26, "not an offset")                                                     \
    X(TRILOG_ERR_END, -27, "all that was there has been handed out")

enum trilog_result {
#define TRILOG_RESULT_ENUM(name, code, text) name = (code),
    TRILOG_RESULT_TABLE(TRILOG_RESULT_ENUM)
#undef TRILOG_RESULT_ENUM
};

/* The sentence for a result. Static memory, never NULL. */
TRILOG_API const char *trilog_error_text(int result);

#define TRILOG_TEXT_SIZE 512

struct trilog_producer; /* opaque */

struct trilog_header {
    const char *name;  /* not NULL */
    const void *value; /* may be NULL */
    size_t value_size; /* 0 where value is NULL */
};

/* Zero what you do not use. */
struct trilog_record {
    const char *topic; /* not NULL */
    const void *key;   /* NULL: none. Records of one topic with the same key keep their order */
    size_t key_size;
    const void *value; /* NULL: none, which deletes the key where a topic is compacted */
    size_t value_size;
    const struct trilog_header *headers;
    size_t header_count;     /* at most 1000 */
    int64_t timestamp_ms;    /* since 1970; 0: now */
    int64_t expires_at_ms;   /* since 1970; consumers skip it from then on. 0: never */
    const char *traceparent; /* of the W3C's trace context, as a text; NULL: none */
    const char *tracestate;  /* NULL: none */
};

/* What became of a record. */
struct trilog_delivery {
    int result;        /* TRILOG_OK, TRILOG_SPOOLED or an error */
    const char *text;  /* the reason in words; borrowed during the callback */
    void *opaque;      /* yours, of trilog_send() */
    int32_t partition; /* with TRILOG_OK; else -1 */
    int64_t offset;    /* with TRILOG_OK; else -1 */
};
typedef void (*trilog_delivery_cb)(void *data, const struct trilog_delivery *delivery);

enum trilog_event_kind {
    TRILOG_EVENT_SPOOL_USED,    /* the first record went to the spool */
    TRILOG_EVENT_SPOOL_EMPTY,   /* all that was in the spool was taken */
    TRILOG_EVENT_SPOOL_FOUND,   /* records of an earlier run are in the spool */
    TRILOG_EVENT_SPOOL_DAMAGED, /* some that were in the spool are lost, by the disk */
    TRILOG_EVENT_SPOOL_REFUSED, /* the cluster refused for good what was in the spool: it is lost */
    TRILOG_EVENT_FATAL,         /* it can't go on; what is in the spool stays there */
    TRILOG_EVENT_SETTINGS_CHANGED, /* other ones: site and addresses are in use; later, an
                                      environment */
    TRILOG_EVENT_SETTINGS_REFUSED, /* other ones that can't be used: all is as before; or not yet */
    TRILOG_EVENT_SITE_CHANGED,     /* another site: "site=b from=a failover_epoch=7 cause=…" */
    TRILOG_EVENT_FAILURE_LOGGED,   /* the first record that is refused went to the failure log */
    TRILOG_EVENT_FAILURES_FOUND,   /* records of an earlier run are in the failure log */
    TRILOG_EVENT_FAILURES_LOST,    /* some that were in the failure log are lost, by the disk */
    TRILOG_EVENT_FAILURE_GIVEN_UP  /* a record was refused too often, or once when an earlier try of
                                    * what was SPOOLED may have been taken: it stays in the log */
};
/* `text` is borrowed during the callback. What was FOUND or DAMAGED is told within open, on the
 * caller's thread, all else on the library's. Without a callback, a line goes to standard error. */
typedef void (*trilog_event_cb)(void *data, enum trilog_event_kind kind, const char *text);

/* Zero what you do not use. */
struct trilog_producer_options {
    const char
        *config_path; /* NULL: what TRILOG_CLIENT_CONFIG names, else /etc/trilog/client.yaml */
    trilog_delivery_cb on_delivery; /* of trilog_send(); NULL: nobody is told */
    trilog_event_cb on_event;
    void *data; /* handed to both */
};

/* Opens a producer; *producer is returned owned (trilog_producer_destroy). It does not wait for the
 * cluster. What an earlier run has left in the spool is sent from now on.
 *   why  NULL, or TRILOG_TEXT_SIZE bytes: on an error the reason in words
 * Errors: NULL, SETTINGS, SPOOL_IN_USE, SPOOL_DISK, DISK_FULL, MEMORY, SYSTEM. */
TRILOG_API int trilog_producer_open(struct trilog_producer **producer,
                                    const struct trilog_producer_options *options, char *why);

/* Sends a record without waiting for a site; only while none takes records, for the spool's disk.
 * On 0 the delivery callback runs once, later, after send_timeout_ms and a little more at the
 * latest, with one of:
 *  - TRILOG_OK: it is in the log, once
 *  - TRILOG_SPOOLED: no site took it in four fifths of that time, or earlier records with its key
 * are in the spool: it is on disk and is sent later, in order
 *  - TRILOG_LOGGED: the cluster refused it; it is in the failure log and is sent again later
 *  - an error: it is not known to be in the log (TIMED_OUT, SPOOL_…: it may be, or may yet be
 *    taken, in its place and once, as long as the producer is open), or it is not (TOO_LARGE,
 *    UNKNOWN_TOPIC, REFUSED). Nothing more is told of it; sent again it may be there twice
 *
 * On an error the callback does not run and the record is not sent: NULL, TOPIC, TOO_LARGE, CLOSED,
 * QUEUE_FULL, SPOOL_FULL, SPOOL_DISK, DISK_FULL, FATAL, MEMORY. */
TRILOG_API int trilog_send(struct trilog_producer *producer, const struct trilog_record *record,
                           void *opaque);

/* Sends a record and waits: TRILOG_OK, TRILOG_SPOOLED or an error, as above, within timeout_ms (and
 * what the disk takes, if the spool has to). The callback does not run.
 *   delivery  NULL, or filled in on TRILOG_OK; its text is static
 * Errors also: TIMED_OUT, WRONG_THREAD. A timeout above send_timeout_ms is that one. */
TRILOG_API int trilog_send_and_wait(struct trilog_producer *producer,
                                    const struct trilog_record *record, int timeout_ms,
                                    struct trilog_delivery *delivery);

/* Waits until all records sent so far have been told of. TIMED_OUT, NULL, CLOSED, WRONG_THREAD. */
TRILOG_API int trilog_flush(struct trilog_producer *producer, int timeout_ms);

struct trilog_spool_state {
    uint64_t record_count; /* that no site has acknowledged yet */
    uint64_t bytes;        /* of its files */
};
/* What is in the spool; zeros without one. Errors: NULL, CLOSED. */
TRILOG_API int trilog_spool_state(struct trilog_producer *producer,
                                  struct trilog_spool_state *state);

/* The failure log: what the cluster refuses for good, if the settings name a failure_directory. It
 * is sent again after a while, later and later, and after retry_count_max failures kept until
 * trilog_failures_retry() or an operator's word (`trilog spool`). Later records of its key do not
 * wait for it. */
struct trilog_failure_state {
    uint64_t record_count;   /* all of them */
    uint64_t given_up_count; /* of these, not tried again by themselves */
    uint64_t bytes;          /* of its files */
};
/* Zeros without one. Errors: NULL, CLOSED. */
TRILOG_API int trilog_failure_state(struct trilog_producer *producer,
                                    struct trilog_failure_state *state);
/* All of it is due at once, as if it had never failed. Errors: NULL, CLOSED, NO_LOG, LOG_DISK,
 * DISK_FULL, LOG_FULL, MEMORY. */
TRILOG_API int trilog_failures_retry(struct trilog_producer *producer);

/* What an application that has ended keeps on disk: its spool, its failure log of sends, and the
 * failure logs of its consumers, of which each process has one. */
enum trilog_kept { TRILOG_KEPT_IN_SPOOL, TRILOG_KEPT_IN_FAILURES, TRILOG_KEPT_CONSUMED };
struct trilog_kept_record {
    enum trilog_kept where;
    uint64_t order; /* its name there */
    struct trilog_record record;
    uint32_t failure_count; /* in the failure log */
    int is_given_up;        /* likewise: it is not sent again by itself */
    const char *reason;     /* likewise; else "" */
    const char *log;        /* a consumer's: its folder, "consumed-GROUP.NUMBER"; else "" */
    int32_t partition;      /* likewise: where it came from */
    int64_t offset;
};
/* What is to become of it: stays; is gone for good; or, in a failure log, is as if it had never
 * failed, so that the application's next run tries it at once. */
enum trilog_kept_fate { TRILOG_KEEP, TRILOG_THROW_AWAY, TRILOG_TRY_AGAIN };
/* Returns a trilog_kept_fate. */
typedef int (*trilog_kept_cb)(void *data, const struct trilog_kept_record *record);

/* Goes over all of it, by the settings of that file (NULL: as in open), in order; all is borrowed
 * during the callback.
 *   why  as in open
 * Errors: NULL, SETTINGS, SPOOL_IN_USE (the application runs; where only consumers do, all that is
 * not theirs was gone over), SPOOL_DISK, LOG_DISK, MEMORY. */
TRILOG_API int trilog_kept_records(const char *config_path, trilog_kept_cb cb, void *data,
                                   char *why);

/* Where an application's records go. Addresses that are routers: to those of one site, the own one
 * first, others by the policy and by what answers. Addresses that are nodes: to whichever leads a
 * partition, wherever that is; the site is then the one that the policy names first. */
struct trilog_site_state {
    char site[64];
    int has_routers;         /* 1: through this site's routers; 0: to nodes */
    int is_heard;            /* 1: some address answers */
    uint64_t failover_epoch; /* of the cluster, as it was when sites were judged; 0: not known */
    uint64_t verdict_epoch;  /* of the judgement: one more with each change; 0: none is known */
};
/* Errors: NULL, CLOSED. */
TRILOG_API int trilog_site_state(struct trilog_producer *producer, struct trilog_site_state *state);

/* Reads the settings again, now. Without this a changed file is seen within a second or two. Site
 * and addresses change while the producer runs, and its identity at the cluster stays. The
 * environment changes once all that was sent before is settled, or its time is over: until then
 * records go to the spool, or are QUEUE_FULL, and the producer then has a new identity. What is in
 * the spool or the failure log goes to the new one; what was not settled may be there twice. All
 * else changes when it is opened. A producer that was FATAL goes on in another environment.
 *   why  as in open
 * Errors: NULL, CLOSED, SETTINGS (all is as before), MEMORY. */
TRILOG_API int trilog_producer_reload(struct trilog_producer *producer, char *why);

/* Flushes for at most timeout_ms, then puts the rest into the spool, or tells of it as CLOSED, and
 * stops; all callbacks have run when this returns. Every later call gives TRILOG_ERR_CLOSED.
 * Errors: NULL, CLOSED (it was closed before), WRONG_THREAD. */
TRILOG_API int trilog_producer_close(struct trilog_producer *producer, int timeout_ms);

/* Closes without waiting, if that was not done, and frees. NULL is allowed. Not in a callback. */
TRILOG_API void trilog_producer_destroy(struct trilog_producer *producer);

/* ---- consuming --------------------------------------------------------------------------------
 *
 * An application names topics and a group:
 *
 *     while (…)
 *         if (trilog_consumer_take(consumer, 1000, &message) == TRILOG_OK) {
 *             … message->record …
 *             trilog_message_done(consumer, message);
 *         }
 *
 * A record is IN HAND from take until the application is done with it or says that it failed. The
 * group goes on behind a record once that and all before it in its partition are out of hand: so
 * each is worked on at least once, whatever dies. Capacity is the application's own: it takes what
 * it can work on, and beyond consumer_records_max and consumer_bytes_max nothing is fetched. As
 * long as the library's thread lives, no rebalance comes from slow work. Several threads may take;
 * the records of a partition are handed out in order. */
struct trilog_consumer; /* opaque */

/* A record in hand, with all it points to, is the library's memory. It stays until it is done or
 * has failed, and no longer than until trilog_consumer_destroy(). */
struct trilog_message {
    struct trilog_record record; /* without the library's own headers; can be sent on as it is */
    int32_t partition;
    int64_t offset;
    uint32_t failure_count; /* so often it has failed before; then it is from the failure log */
};

enum trilog_consumer_event_kind {
    TRILOG_CONSUMER_EVENT_PARTITIONS, /* which partitions are this consumer's now: told before a
                                       * record of theirs is handed out, and once none is of those
                                       * that went */
    TRILOG_CONSUMER_EVENT_STUCK,   /* a record is long in hand, or nobody takes: which, how long */
    TRILOG_CONSUMER_EVENT_UNSTUCK, /* that is over */
    TRILOG_CONSUMER_EVENT_BEHIND, /* a broker says less than was committed here: not gone back to */
    TRILOG_CONSUMER_EVENT_GONE, /* records are gone that were not read: by the topic's retention */
    TRILOG_CONSUMER_EVENT_REPEATS,        /* records were dropped that are there twice: how many */
    TRILOG_CONSUMER_EVENT_EXPIRED,        /* records were skipped that had expired: how many */
    TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC,  /* the cluster has no such topic; it is asked on */
    TRILOG_CONSUMER_EVENT_NOT_COMMITTED,  /* a commit was refused, and why; it is tried again */
    TRILOG_CONSUMER_EVENT_FAILURES_FOUND, /* the failure log has records of an earlier run */
    TRILOG_CONSUMER_EVENT_FAILURES_LOST,  /* some that were in the failure log are lost, by the disk
                                           */
    TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, /* a record failed too often, and stays in the log */
    TRILOG_CONSUMER_EVENT_SETTINGS,     /* other addresses or another environment, from its file */
    TRILOG_CONSUMER_EVENT_LEFT_SITE,    /* nothing comes from its own site: it reads from others */
    TRILOG_CONSUMER_EVENT_REFUSED,      /* the cluster refuses the consumer, and why; tried on */
    TRILOG_CONSUMER_EVENT_FATAL,        /* the consumer can't go on: another has its name, … */
    TRILOG_CONSUMER_EVENT_SITE_CHANGED, /* as the producer's: "site=b from=a failover_epoch=7 …" */
    TRILOG_CONSUMER_EVENT_BACK_AT_SITE  /* it was LEFT, and is read from again */
};
/* As trilog_event_cb. Failures that were found or lost are told within open. */
typedef void (*trilog_consumer_event_cb)(void *data, enum trilog_consumer_event_kind kind,
                                         const char *text);

/* Where a consumer starts in a partition of which nobody knows a position. One that is added to a
 * topic which is read already starts at its beginning. */
enum trilog_start {
    TRILOG_START_BY_SETTINGS, /* group_start or broadcast_start */
    TRILOG_START_BEGINNING,
    TRILOG_START_END,
    TRILOG_START_OFFSET,     /* at start_at, or at the nearer end where that is not there */
    TRILOG_START_BEFORE_END, /* start_at offsets before its end */
    TRILOG_START_TIME        /* at the first record of start_at (ms since 1970) or later */
};

/* Zero what you do not use. */
struct trilog_consumer_options {
    const char *config_path; /* as of trilog_producer_options */
    const char *const *topics;
    size_t topic_count; /* 1 to 100 */
    const char *group;  /* who shares the topics' partitions; starts at group_start */
    /* NULL: partitions are shared within the group. Else BROADCAST: this consumer gets all records,
     * as every other instance does. Its position is kept by the cluster under group and this name,
     * for when it comes back; a new one starts at broadcast_start. Two at once under one name: the
     * one that came first ends with FATAL. */
    const char *broadcast_instance;
    trilog_consumer_event_cb on_event;
    void *data;
    enum trilog_start start;
    int64_t start_at;
    /* 1: no position is kept, and a group without any ends with its last member: to look at a
     * topic. What a rebalance brings from another member starts as `start` says. There is no
     * failure log. */
    int commits_nothing;
    /* 1: once all that was there when its partitions came to it has been handed out, take gives
     * END; what came meanwhile may have been handed out too. */
    int stops_at_end;
};

/* Opens a consumer; *consumer is returned owned (trilog_consumer_destroy). It does not wait for the
 * cluster. `why` as of trilog_producer_open(). Errors: NULL, TOPIC, GROUP, OFFSET (`start`),
 * SETTINGS, LOG_DISK, MEMORY, SYSTEM. */
TRILOG_API int trilog_consumer_open(struct trilog_consumer **consumer,
                                    const struct trilog_consumer_options *options, char *why);

/* The next record, into the caller's hand; waits for timeout_ms at most. *message is NULL on
 * errors: EMPTY, IN_HAND, UNKNOWN_TOPIC (as EMPTY, and the cluster has not one of the topics), END,
 * FATAL, CLOSED, NULL, WRONG_THREAD. */
TRILOG_API int trilog_consumer_take(struct trilog_consumer *consumer, int timeout_ms,
                                    const struct trilog_message **message);

/* Its work is done; the message is no more. Errors: NULL; NOT_IN_HAND: done before, or none of this
 * consumer's; NOT_ASSIGNED: its partition went to another consumer meanwhile, which may get it too
 * (the message is no more); CLOSED: the same, by close; LOG_DISK: it comes from the failure log,
 * which may hand it out once more (the message is no more). */
TRILOG_API int trilog_message_done(struct trilog_consumer *consumer,
                                   const struct trilog_message *message);

/* Its work failed, for this reason (NULL: none): it goes into the failure log, durable when this
 * returns 0, and is handed out again when retry_wait_ms is over, then after twice that and so on,
 * at most retry_count_max times. The message is no more. Records behind it do not wait for it.
 * Errors, with the message in hand as before: NULL, NOT_IN_HAND, NO_LOG, LOG_FULL, LOG_DISK,
 * MEMORY; NOT_ASSIGNED and CLOSED as of done (what comes from the failure log stays there). */
TRILOG_API int trilog_message_failed(struct trilog_consumer *consumer,
                                     const struct trilog_message *message, const char *reason);

/* The record is to carry the message's trace on. Borrows from the message. NULLs are let be. */
TRILOG_API void trilog_trace_copy(struct trilog_record *record,
                                  const struct trilog_message *message);

#define TRILOG_OFFSET_BEGINNING (-2) /* of what the partition has */
#define TRILOG_OFFSET_END       (-1)

/* Goes on at this offset, forwards or back: the one way to go behind what is committed. What is in
 * hand of the partition is no longer counted: done gives NOT_ASSIGNED. It is committed at once; the
 * cluster may keep a higher one (commit_policy), and then a restart goes on there. Errors: NULL,
 * TOPIC, OFFSET, NOT_ASSIGNED, TIMED_OUT, CLOSED, FATAL, WRONG_THREAD. */
TRILOG_API int trilog_consumer_seek(struct trilog_consumer *consumer, const char *topic,
                                    int32_t partition, int64_t offset, int timeout_ms);

/* Commits what is done so far, and waits for it. Errors: NULL, TIMED_OUT (it is tried on),
 * NOT_ASSIGNED (since this was called last partitions went before all that was done of them was
 * committed: whoever has them gets it again), CLOSED, FATAL, WRONG_THREAD. */
TRILOG_API int trilog_consumer_commit(struct trilog_consumer *consumer, int timeout_ms);

/* Which partitions of a topic are this consumer's now, in rising order: the first `count_max` of
 * them are written to `partitions` (NULL: none are). Returns how many there are. May be called in a
 * callback. Errors: NULL, TOPIC, CLOSED. */
TRILOG_API int trilog_consumer_partitions(struct trilog_consumer *consumer, const char *topic,
                                          int32_t *partitions, int count_max);

struct trilog_consumer_state {
    uint64_t taken_count; /* handed out, from the failure log too */
    uint64_t done_count;
    uint64_t failed_count;
    uint64_t repeat_count;                 /* dropped */
    uint64_t expired_count;                /* skipped */
    uint64_t partition_count;              /* that are this consumer's now */
    uint64_t ready_count, ready_bytes;     /* fetched, and not taken yet */
    uint64_t in_hand_count, in_hand_bytes; /* of assigned partitions or not */
    uint64_t in_hand_ms;                   /* the oldest of these; 0: none */
    uint64_t failure_count;                /* in the failure log */
    uint64_t given_up_count;               /* of these, no longer tried */
};
/* Errors: NULL, CLOSED. */
TRILOG_API int trilog_consumer_state(struct trilog_consumer *consumer,
                                     struct trilog_consumer_state *state);

/* As trilog_site_state(): through which site's routers it reads, or, at nodes, which site the
 * policy names first. Errors: NULL, CLOSED. */
TRILOG_API int trilog_consumer_site_state(struct trilog_consumer *consumer,
                                          struct trilog_site_state *state);

/* Waits for at most timeout_ms until nothing is in hand (nothing is handed out from now on),
 * commits what is done, leaves the group and stops. Every later call gives TRILOG_ERR_CLOSED, which
 * done and failed give too, and then the message is no more. Errors: NULL, CLOSED (it was closed
 * before), TIMED_OUT (it is closed, and something was in hand, or could not be committed: it will
 * come again), WRONG_THREAD. */
TRILOG_API int trilog_consumer_close(struct trilog_consumer *consumer, int timeout_ms);

/* Closes without waiting, if that was not done, and frees, with all messages. NULL is allowed. Not
 * in a callback. */
TRILOG_API void trilog_consumer_destroy(struct trilog_consumer *consumer);

#ifdef __cplusplus
}
#endif

#endif
