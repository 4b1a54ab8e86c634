/* What the files of the producer share. Private to them.
 *
 * A SEND is a record in librdkafka's hands. It is TOLD once the application knows: acknowledged,
 * spooled, or failed. It is SPOOLED when the spool has it too. */
#ifndef CLIENT_PRODUCER_PARTS_H
#define CLIENT_PRODUCER_PARTS_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "base/disk.h"
#include "conf/client_conf.h"
#include "handle_kafka.h"
#include "handle_site.h"
#include "record.h"
#include "retry_log.h"
#include "settings_file.h"
#include "spool.h"

/* What the cluster does not take just now is sent again so much later. */
#define PRODUCER_LATER_MS 1000

/* Who waits in trilog_send_and_wait(); on its stack, so it is let go before that returns. */
struct waiter {
    bool is_told;
    struct trilog_delivery delivery;
};

/* A callback that is to run. It is made with its send, so that telling can't fail. */
struct note {
    struct note *next;
    struct trilog_delivery delivery;
};

struct send {
    struct send *previous, *next; /* in order of sending */
    struct note *note;            /* until it is told; NULL where somebody waits */
    uint64_t order;
    uint64_t key_hash;
    uint64_t due_at_ms;     /* until then sites have time; then the spool is asked, or it is told */
    uint8_t *content;       /* for the spool, until that has it, or the failure log; else NULL */
    uint64_t failure_order; /* in the failure log, which it comes from; 0: it does not */
    size_t content_size;
    struct waiter *waiter; /* NULL: the callback is told */
    void *opaque;
    bool is_told;
    bool is_spooled;
    struct trilog_delivery delivery; /* what is to be told */
};

struct send_list {
    struct send *first, *last;
};

struct trilog_producer {
    struct client_settings settings; /* site, environment, addresses: with the lock */
    struct trilog_producer_options options;
    rd_kafka_t *kafka; /* NULL while a new one can't be had: with the lock */
    pthread_t thread;
    uint64_t instance; /* of this opening; in the ids of its records */

    pthread_mutex_t lock;                /* of all below; not held in callbacks */
    pthread_cond_t changed;              /* somebody was told, or it is closed */
    struct send_list sends;              /* in librdkafka's hands */
    struct note *told_first, *told_last; /* callbacks that are to run */
    uint64_t send_count;
    uint64_t untold_count;   /* accepted, and the application does not know yet */
    uint64_t next_due_at_ms; /* no send is due earlier */
    uint64_t order_next;
    bool is_closing;
    bool is_closed;
    bool is_fatal;
    struct settings_file settings_file;
    struct handle_site *at;           /* which addresses librdkafka may use now */
    bool has_topic;                   /* the watch knows one */
    uint64_t settings_look_at_ms;     /* whether they have changed */
    char environment[CONF_NAME_SIZE]; /* the handle's */
    uint64_t renew_by_ms;             /* what is not settled then is given up */
    uint64_t renew_at_ms;             /* no new handle before */

    struct spool *spool; /* NULL: without */
    struct disk disk;
    int lock_file;       /* of the spool's folder; -1 */
    bool has_spool_use;  /* it was said that the spool is used */
    bool has_read_error; /* it was said that the spool's disk can't be read */
    uint64_t feed_at_ms; /* nothing is taken out of the spool before */

    struct retry_log *failures; /* NULL: without */
    struct disk failure_disk;
    int failure_lock_file;     /* of its folder; -1 */
    uint64_t failures_in_hand; /* tried again just now */
    bool has_failure_use;      /* it is to be said that the log is used, and why */
    char failure_reason[RETRY_REASON_SIZE];
};

uint64_t producer_now_ms(void);

/* producer_send.c: until something has changed, with the lock held, which is given up meanwhile.
 * False when the time is over. */
bool producer_wait(struct trilog_producer *p, uint64_t end_ms);

/* producer_settings.c: read, and read again; all but the first two with the lock held. */
int producer_settings_open(struct trilog_producer *p, char *why);
void producer_settings_watch(struct trilog_producer *p, uint64_t now_ms);

/* producer_site.c */
void producer_site_hook(rd_kafka_conf_t *conf);     /* whose opaque is the producer */
void producer_site_note(struct trilog_producer *p); /* with the lock held: tells of changes */

/* producer_kafka.c */
int producer_kafka_open(struct trilog_producer *p, char *why);
int producer_kafka_send(struct trilog_producer *p, const struct trilog_record *record,
                        const struct record_id *id, struct send *send);
int producer_result_of(rd_kafka_resp_err_t err);
/* All that librdkafka has is given up, for 5 s at most. The thread's own, without the lock. */
void producer_kafka_purge(struct trilog_producer *p);
bool producer_is_refusal(int result); /* it is not taken as things are, whenever it is sent */

/* producer_renew.c: with the lock held, which is given up in watch. */
bool producer_is_renewing(const struct trilog_producer *p); /* nothing goes to librdkafka */
void producer_renew_begin(struct trilog_producer *p);       /* the environment is another one */
void producer_renew_watch(struct trilog_producer *p);

/* producer_told.c: with the lock held. */
void producer_tell(struct trilog_producer *p, struct send *send, int result, const char *text);
void producer_forget(struct trilog_producer *p, struct send *send); /* it is librdkafka's no more */
void producer_link(struct send_list *list, struct send *send);
void producer_unlink(struct send_list *list, struct send *send);
void producer_run_callbacks(struct trilog_producer *p); /* without the lock */
/* The lock is given up meanwhile, for a callback may call the producer. */
__attribute__((format(printf, 3, 4))) void
producer_event(struct trilog_producer *p, enum trilog_event_kind kind, const char *format, ...);

/* producer_spool.c: with the lock held. */
int producer_spool_open(struct trilog_producer *p, char *why);
void producer_spool_close(struct trilog_producer *p);
int producer_spool_result(int err);
/* Every send that is due by then goes into the spool, or is told that it can't; without one it is
 * told that its time is over. */
void producer_spool_due(struct trilog_producer *p, uint64_t now_ms);
void producer_spool_feed(struct trilog_producer *p);
/* The cluster does not take it now: it waits in the spool again, and comes a while later. */
void producer_spool_later(struct trilog_producer *p, uint64_t order);
int producer_lock_file(const char *path, int *file, char *why); /* no lock is needed */

/* producer_failures.c: with the lock held. */
int producer_failures_open(struct trilog_producer *p, char *why);
void producer_failures_close(struct trilog_producer *p);
int producer_failures_result(int err);
struct retry_log_options producer_failures_options(const struct client_settings *settings,
                                                   const struct disk *disk, uint64_t seed);
/* Stores what is refused for good. False without such a log, or when it has no room. */
bool producer_failures_take_over(struct trilog_producer *p, struct send *send, const char *reason);
/* The same for what may be in the log: nobody sends it again but by trilog_failures_retry(). */
bool producer_failures_keep(struct trilog_producer *p, struct send *send, const char *reason);
/* What became of one that was tried again. */
void producer_failures_told(struct trilog_producer *p, uint64_t order, bool is_for_good,
                            rd_kafka_resp_err_t err);
void producer_failures_feed(struct trilog_producer *p);
void producer_failures_note(struct trilog_producer *p);
/* Says when the spool begins to be used, and when it is empty again. */
void producer_spool_note(struct trilog_producer *p);

/* producer_thread.c */
void *producer_thread(void *producer);
void producer_on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *producer);

#endif
