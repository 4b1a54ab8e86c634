/* What the files of the consumer share. Private to them.
 *
 * A record is HELD from its fetch until it is out of hand: first READY, then IN HAND. A PART is a
 * partition as this consumer has come to know it; it stays for the consumer's life, since what was
 * committed of it here is never gone behind. */
#ifndef CLIENT_CONSUMER_PARTS_H
#define CLIENT_CONSUMER_PARTS_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/disk.h"
#include "conf/client_conf.h"
#include "handle_kafka.h"
#include "handle_site.h"
#include "record.h"
#include "repeats.h"
#include "retry_log.h"
#include "settings_file.h"

#define CONSUMER_TOPICS_MAX 100
#define CONSUMER_NAME_MAX   100 /* of a group or an instance */
#define CONSUMER_NOTES_MAX  1000

#define NO_OFFSET INT64_C(-1)

/* Of folders of failure logs: <prefix><group>.<number>. */
#define CONSUMER_FAILURES_PREFIX "consumed-"

struct part_key {
    int32_t partition;
    char topic[RECORD_TOPIC_SIZE_MAX + 1]; /* zeros behind it */
};

struct part {
    struct part_key key; /* hash key */
    uint64_t assignment; /* rises each time that what is held of it stops counting */
    bool is_assigned;
    bool is_placed;       /* it is fetched; else place_at_ms says when to try */
    bool is_out_of_range; /* a broker says so of its position; else there was no memory */
    bool has_been_behind; /* it was said that a broker has less than it */
    unsigned look_count;  /* so often it had more than what came */
    uint64_t came_at_ms;  /* its last record, or when it was placed */
    uint64_t place_at_ms; /* not placed: looked at again then */
    int64_t position;     /* the next record that is to be ready */
    int64_t committed;    /* the cluster has this from here; NO_OFFSET */
    int64_t sent;         /* the last offset that was sent to be committed */
    int64_t floor;        /* all before it is done here, or was not to be read */
    int64_t end;          /* where it ended when it came; NO_OFFSET: not asked, or not wanted */
    int64_t read_to;      /* librdkafka was at its end there; NO_OFFSET */
    struct held *first, *last; /* held and not done, by offset */
    UT_hash_handle hh;
};

struct held {
    struct trilog_message message; /* what the application sees; stays first */
    struct part *part;             /* NULL: from the failure log */
    uint64_t assignment;           /* the part's, when it was fetched */
    uint64_t failure_order;        /* in the failure log */
    uint64_t taken_at_ms;
    uint64_t told_at_ms; /* its age when it was last said to be stuck; 0 */
    size_t size;
    bool has_id;
    struct record_id id;
    struct held *previous, *next; /* ready, or in hand, the oldest first */
    struct held *part_previous, *part_next;
    struct trilog_header *headers; /* owned; may be NULL */
    UT_hash_handle hh;             /* in hand, by address */
    const struct held *self;       /* hash key */
    uint8_t bytes[];
};

struct held_list {
    struct held *first, *last;
    uint64_t count, bytes;
};

/* An event that is to be told, on the library's thread. */
struct consumer_note {
    struct consumer_note *next;
    enum trilog_consumer_event_kind kind;
    char text[TRILOG_TEXT_SIZE];
};

/* Somebody waits until the library's thread has gone there. */
struct consumer_seek {
    struct consumer_seek *next;
    struct part_key key;
    int64_t offset;
    int result;
    bool is_done;      /* whoever waits frees it */
    bool is_abandoned; /* nobody waits: the thread frees it */
};

struct trilog_consumer {
    struct client_settings settings;
    struct settings_file settings_file;
    struct trilog_consumer_options options; /* its pointers are not used but `data`, `on_event` */
    char (*topics)[RECORD_TOPIC_SIZE_MAX + 1];
    bool *is_unknown; /* of each: the cluster has no such topic */
    size_t topic_count;
    char group[3 * CONSUMER_NAME_MAX]; /* as the cluster knows it */
    char instance[CONSUMER_NAME_MAX + 1];
    bool is_broadcast;
    rd_kafka_t *kafka;
    char environment[CONF_NAME_SIZE]; /* the handle's */
    pthread_t thread;

    pthread_mutex_t lock;   /* of all below; not held in callbacks */
    pthread_cond_t changed; /* something is ready, out of hand, done or closed */
    struct part *parts;
    struct held_list ready, in_hand;
    struct held *in_hand_by_address;
    struct repeats *repeats; /* NULL: repeats are not looked for */
    struct consumer_note *notes_first, *notes_last;
    uint64_t note_count;
    struct consumer_seek *seeks_first, *seeks_last;
    struct trilog_consumer_state state; /* counts of what has been */
    uint64_t told_repeat_count, told_expired_count;
    uint64_t commit_at_ms, tick_at_ms;
    uint64_t taken_at_ms;              /* when somebody took last, or had nothing to take */
    uint64_t untaken_told_ms;          /* the age at which it was last said that nobody takes; 0 */
    uint64_t refused_at_ms;            /* when a refusal was told last */
    rd_kafka_resp_err_t not_committed; /* what was told last, until a commit succeeds */
    uint64_t commits_begun, commits_made; /* in the background; the last that succeeded */
    bool is_committing;                   /* one is under way */
    bool wants_commit;
    bool has_lost_done; /* what was done of partitions that went was not committed: to be told */
    bool had_assignment;
    rd_kafka_topic_partition_list_t *missing; /* assigned, without memory to know them; NULL */
    uint64_t missing_at_ms;                   /* tried again then */
    bool is_revoking; /* partitions are about to go: nothing is handed out */
    bool is_paused;
    bool reads_near;           /* from its own site's replicas */
    uint64_t near_at_ms;       /* it is looked at then */
    uint64_t near_since_ms;    /* while it reads near */
    uint64_t near_again_at_ms; /* else: not before that */
    unsigned near_left_count;  /* how often it was left, of late */
    struct handle_site *at;    /* where librdkafka's connections lead */
    uint64_t end_at_ms;        /* ends are asked for then */
    bool is_stuck;             /* it was told */
    bool is_closing;           /* nothing is handed out any more */
    bool is_ending;            /* the thread is to end */
    bool is_closed;
    bool is_left; /* something was in hand or not committed at the end */
    bool is_fatal;

    struct retry_log *failures; /* NULL: without */
    struct disk disk;
    int lock_file;                           /* -1 */
    char folder[3 * CONSUMER_NAME_MAX + 24]; /* of the log, within failure_directory */
};

/* consumer.c */
uint64_t consumer_now_ms(void);
int64_t consumer_wall_ms(void);
/* Until something has changed, with the lock held, which is given up meanwhile. False when the time
 * is over. */
bool consumer_wait(struct trilog_consumer *c, uint64_t end_ms);

/* consumer_kafka.c */
int consumer_kafka_open(struct trilog_consumer *c, char *why);

/* consumer_event.c: with the lock held, but for run. */
__attribute__((format(printf, 3, 4))) void consumer_event(struct trilog_consumer *c,
                                                          enum trilog_consumer_event_kind kind,
                                                          const char *format, ...);
void consumer_run_events(struct trilog_consumer *c);

/* consumer_held.c: with the lock held, where not said otherwise. */
struct held *consumer_held_of(const rd_kafka_message_t *from); /* without the lock. NULL: memory */
struct held *consumer_held_failed(const struct retry_entry *entry, int *err);
uint8_t *consumer_held_encode(const struct held *held, size_t *size); /* returned owned */
/* The failure log's bytes; false where they are none. */
bool consumer_held_split(struct bytes stored, int32_t *partition, int64_t *offset,
                         struct bytes *record);
void consumer_held_free(struct held *held);
void consumer_list_add(struct held_list *list, struct held *held);
void consumer_list_remove(struct held_list *list, struct held *held);
bool consumer_is_full(const struct trilog_consumer *c);

/* consumer_part.c: with the lock held. */
struct part *consumer_part(struct trilog_consumer *c, const char *topic, int32_t partition);
struct part *consumer_part_find(struct trilog_consumer *c, const struct part_key *key);
struct part_key consumer_part_key(const char *topic, int32_t partition);
void consumer_part_link(struct part *part, struct held *held);
void consumer_part_unlink(struct part *part, struct held *held);
bool consumer_part_has(const struct held *held);        /* does it still count? */
int64_t consumer_part_done_to(const struct part *part); /* all before it is done; NO_OFFSET */
/* What is held of it stops counting; what is ready is dropped. */
void consumer_part_drop(struct trilog_consumer *c, struct part *part);
/* Nothing that is known of them counts any more: where each is, is asked of the cluster. */
void consumer_parts_forget(struct trilog_consumer *c);
void consumer_parts_free(struct trilog_consumer *c);

/* consumer_place.c: where partitions are fetched from; on the library's thread, without the lock.
 */
void consumer_on_rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t err,
                           rd_kafka_topic_partition_list_t *list, void *consumer);
bool consumer_has_partitions(struct trilog_consumer *c);
void consumer_place_lost(struct trilog_consumer *c, const rd_kafka_message_t *message);
void consumer_place_due(struct trilog_consumer *c);
void consumer_place_let_go(struct trilog_consumer *c); /* of all: others may have them */
void consumer_serve_seeks(struct trilog_consumer *c);
void consumer_refuse_seeks(struct trilog_consumer *c); /* it is closed */
void consumer_pause(struct trilog_consumer *c, bool is_paused);

/* consumer_start.c: on the library's thread. */
/* With the lock held: of a topic's partition, which offset is to be asked for? `committed` is what
 * the cluster knows of it and of others. */
int64_t consumer_start_of(const struct trilog_consumer *c,
                          const rd_kafka_topic_partition_list_t *committed, const char *topic);
/* Without the lock: puts what the cluster answers in their place. False when it does not. */
bool consumer_start_ask(struct trilog_consumer *c, rd_kafka_topic_partition_list_t *list);

/* consumer_end.c */
void consumer_end_watch(struct trilog_consumer *c); /* on the library's thread, without the lock */
void consumer_end_note(struct trilog_consumer *c, const rd_kafka_message_t *message); /* with it */
bool consumer_is_at_end(const struct trilog_consumer *c);                             /* with it */

/* consumer_commit.c: on the library's thread, without the lock. */
void consumer_commit_due(struct trilog_consumer *c);
void consumer_commit_now(struct trilog_consumer *c, int timeout_ms);
bool consumer_is_committed(const struct trilog_consumer *c); /* with the lock: nothing is due */
void consumer_on_commit(rd_kafka_t *kafka, rd_kafka_resp_err_t err,
                        rd_kafka_topic_partition_list_t *list, void *consumer);

/* consumer_failures.c: with the lock held. */
int consumer_failures_open(struct trilog_consumer *c, char *why);
void consumer_failures_close(struct trilog_consumer *c);
/* Opens the log of this folder, as it is, for somebody who is no consumer (kept_consumed.c). */
int consumer_failures_look(struct trilog_consumer *c, const char *folder, char *why);
void consumer_failures_feed(struct trilog_consumer *c);
int consumer_fail(struct trilog_consumer *c, struct held *held, const char *reason);

/* consumer_watch.c: what is told now and then; with the lock held. */
void consumer_watch(struct trilog_consumer *c, uint64_t now_ms);

/* consumer_site.c */
int consumer_site_open(struct trilog_consumer *c);
void consumer_site_hook(rd_kafka_conf_t *conf);
void consumer_site_note(struct trilog_consumer *c); /* with the lock */
bool consumer_has_routers(struct trilog_consumer *c);
bool consumer_is_own_site_first(struct trilog_consumer *c); /* by the policy */

/* consumer_near.c: on the library's thread, without the lock. */
void consumer_near_watch(struct trilog_consumer *c);

/* consumer_renew.c: on the library's thread, without the lock. */
void consumer_renew(struct trilog_consumer *c); /* what is in hand has its time to be done */
void consumer_renew_watch(struct trilog_consumer *c);

/* consumer_thread.c */
void consumer_leave_group(struct trilog_consumer *c); /* on the library's thread */
bool consumer_is_ending(struct trilog_consumer *c);   /* without the lock */
void *consumer_thread(void *consumer);

#endif
