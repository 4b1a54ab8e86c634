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
    X(TRILOG_ERR_NULL, -1, "a pointer is NULL that must not be")                                   \
    X(TRILOG_ERR_TOPIC, -2, "not a topic's name: 1 to 249 letters, digits, '.', '_' and '-'")      \
    X(TRILOG_ERR_TOO_LARGE, -3, "the record is larger than record_bytes_max or the topic's limit") \
    X(TRILOG_ERR_UNKNOWN_TOPIC, -4, "the cluster has no such topic")                               \
    X(TRILOG_ERR_CLOSED, -5, "the producer is closed")                                             \
    X(TRILOG_ERR_QUEUE_FULL, -6, "too many records wait to be acknowledged")                       \
    X(TRILOG_ERR_SPOOL_FULL, -7, "no site takes the record, and the spool is full")                \
    X(TRILOG_ERR_SPOOL_DISK, -8, "no site takes the record, and the spool's disk failed")          \
    X(TRILOG_ERR_DISK_FULL, -9, "no site takes the record, and the spool's disk is full")          \
    X(TRILOG_ERR_TIMED_OUT, -10, "not known in time; the record may have been taken, or yet be")   \
    X(TRILOG_ERR_REFUSED, -11, "the cluster refused the record")                                   \
    X(TRILOG_ERR_FATAL, -12, "the producer can not go on; close it and open another")              \
    X(TRILOG_ERR_SETTINGS, -13, "the settings can not be used")                                    \
    X(TRILOG_ERR_SPOOL_IN_USE, -14, "another producer has this spool open")                        \
    X(TRILOG_ERR_MEMORY, -15, "no memory")                                                         \
    X(TRILOG_ERR_WRONG_THREAD, -16, "a callback must not wait")                                    \
    X(TRILOG_ERR_SYSTEM, -17, "the system refused what the library needs")

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
    size_t header_count;  /* at most 1000 */
    int64_t timestamp_ms; /* since 1970; 0: now */
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
    TRILOG_EVENT_FATAL,         /* the producer can't go on; what is in the spool stays there */
    TRILOG_EVENT_SETTINGS_CHANGED, /* other settings: site, environment and addresses are in use */
    TRILOG_EVENT_SETTINGS_REFUSED  /* other settings that can't be used: all is as before */
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
 * latest: TRILOG_OK       it is in the log, once TRILOG_SPOOLED  no site took it in four fifths of
 * that time, or earlier records with its key are in the spool: it is on disk and is sent later, in
 * order an error        it is not known to be in the log (TIMED_OUT, SPOOL_…: it may be), or it is
 * not (TOO_LARGE, UNKNOWN_TOPIC, REFUSED) On an error the callback does not run and the record is
 * not sent: NULL, TOPIC, TOO_LARGE, CLOSED, QUEUE_FULL, SPOOL_FULL, SPOOL_DISK, DISK_FULL, FATAL,
 * MEMORY. */
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

/* Reads the settings again, now. Without this a changed file is seen within a second or two. Site,
 * environment and addresses change while the producer runs; all else when it is opened. The
 * producer's identity at the cluster stays.
 *   why  as in open
 * Errors: NULL, CLOSED, SETTINGS (all is as before), MEMORY. */
TRILOG_API int trilog_producer_reload(struct trilog_producer *producer, char *why);

/* Flushes for at most timeout_ms, then puts the rest into the spool, or tells of it as CLOSED, and
 * stops; all callbacks have run when this returns. Every later call gives TRILOG_ERR_CLOSED.
 * Errors: NULL, CLOSED (it was closed before), WRONG_THREAD. */
TRILOG_API int trilog_producer_close(struct trilog_producer *producer, int timeout_ms);

/* Closes without waiting, if that was not done, and frees. NULL is allowed. Not in a callback. */
TRILOG_API void trilog_producer_destroy(struct trilog_producer *producer);

#ifdef __cplusplus
}
#endif

#endif
