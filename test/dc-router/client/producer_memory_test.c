/* Each allocation of a producer's life fails once: what can't be done is said, what was accepted is
 * told of once, and nothing is left behind (the address sanitizer looks after that). */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_cluster.h"
#include "memory_seam.h"
#include "producer_parts.h"

#define RECORDS   4
#define TURNS_MAX 2000
#define NOBODY    "127.0.0.1:1"

#define SETTINGS                                                                                   \
    "spool_directory: ~/spool\nspool_is_durable: false\nfailure_directory: ~/failures\n"

struct life {
    struct fake_cluster cluster;
    atomic_uint told_count;
    atomic_uint lost_count;
};

static void on_delivery(void *data, const struct trilog_delivery *d)
{
    struct life *s = data;
    cr_assert(d->result >= 0 || d->result == TRILOG_ERR_MEMORY ||
                  d->result == TRILOG_ERR_TIMED_OUT || d->result == TRILOG_ERR_CLOSED,
              "%s", d->text);
    atomic_fetch_add(&s->told_count, 1);
}

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct life *s = data;
    (void)text;
    if (kind == TRILOG_EVENT_SPOOL_REFUSED)
        atomic_fetch_add(&s->lost_count, 1);
}

static void set_life(struct life *s, const char *address)
{
    *s = (struct life){0};
    fake_cluster_open(&s->cluster, 1);
    fake_cluster_configure(&s->cluster, address, SETTINGS);
}

static bool is_sound(int result)
{
    return result >= 0 || result == TRILOG_ERR_MEMORY;
}

static void live(struct life *s, int timeout_ms)
{
    struct trilog_producer *p = NULL;
    struct trilog_producer_options options = {.config_path = s->cluster.config,
                                              .on_delivery = on_delivery,
                                              .on_event = on_event,
                                              .data = s};
    char why[TRILOG_TEXT_SIZE];
    int result = trilog_producer_open(&p, &options, why);
    cr_assert(is_sound(result), "open: %d, %s", result, why);
    if (result != 0)
        return;
    struct trilog_record r = {
        .topic = "t", .key = "k", .key_size = 1, .value = "1", .value_size = 1, .expires_at_ms = 1};
    unsigned accepted = 0;
    atomic_store(&s->told_count, 0);
    for (int i = 0; i < RECORDS; i++) {
        result = trilog_send(p, &r, NULL);
        cr_assert(is_sound(result), "send: %d", result);
        accepted += result == 0;
    }
    result = trilog_send_and_wait(p, &r, timeout_ms, NULL);
    cr_assert(is_sound(result) || (timeout_ms < 1000 && result == TRILOG_ERR_TIMED_OUT),
              "send_and_wait: %d", result);
    result = trilog_producer_reload(p, why);
    cr_assert(is_sound(result), "reload: %d, %s", result, why);
    cr_assert_eq(trilog_producer_close(p, timeout_ms), TRILOG_OK);
    cr_assert_eq(atomic_load(&s->told_count), accepted, "once each");
    trilog_producer_destroy(p);
}

/* So that each turn asks for as much memory as the one before. */
static void forget_what_was_kept(const struct life *s)
{
    char command[192];
    snprintf(command, sizeof command, "rm -rf %s/spool %s/failures", s->cluster.folder,
             s->cluster.folder);
    cr_assert_eq(system(command), 0);
}

static int fail_one_by_one(struct life *s, int timeout_ms)
{
    int nth = 0;
    bool is_met = true;
    while (is_met && nth < TURNS_MAX) {
        memory_seam_fail(++nth);
        live(s, timeout_ms);
        is_met = memory_seam_end();
        forget_what_was_kept(s);
    }
    return nth;
}

Test(client_producer_memory, may_fail_at_any_place_while_sites_answer, .timeout = 300)
{
    struct life s;
    set_life(&s, NULL);
    int turns = fail_one_by_one(&s, 20000);
    cr_assert(turns > 30 && turns < TURNS_MAX, "%d", turns);
    fake_cluster_close(&s.cluster);
}

Test(client_producer_memory, may_fail_at_any_place_while_none_does, .timeout = 300)
{
    struct life s;
    set_life(&s, NOBODY);
    int turns = fail_one_by_one(&s, 5);
    cr_assert(turns > 30 && turns < TURNS_MAX, "%d", turns);
    fake_cluster_close(&s.cluster);
}

static struct trilog_producer *open_producer(struct life *s)
{
    struct trilog_producer *p = NULL;
    struct trilog_producer_options options = {.config_path = s->cluster.config,
                                              .on_delivery = on_delivery,
                                              .on_event = on_event,
                                              .data = s};
    int result = trilog_producer_open(&p, &options, NULL);
    cr_assert(is_sound(result), "%d", result);
    return p;
}

static uint64_t count_in_hand(struct trilog_producer *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t count = p->send_count;
    pthread_mutex_unlock(&p->lock);
    return count;
}

/* Until all of the spool is in librdkafka's hands; opened again, where opening has failed. */
static void feed_all(struct life *s)
{
    struct trilog_producer *p = open_producer(s);
    if (p == NULL)
        p = open_producer(s);
    for (int i = 0; i < 30000 && count_in_hand(p) < RECORDS; i++)
        usleep(1000);
    cr_assert_eq(count_in_hand(p), RECORDS);
    trilog_producer_destroy(p);
}

Test(client_producer_memory, may_fail_at_any_place_while_the_spool_is_read_and_none_is_lost,
     .timeout = 300)
{
    struct life s;
    set_life(&s, NOBODY);
    struct trilog_producer *p = open_producer(&s);
    struct trilog_record r = {.topic = "t", .value = "1", .value_size = 1};
    for (int i = 0; i < RECORDS; i++)
        cr_assert_eq(trilog_send(p, &r, NULL), TRILOG_OK);
    trilog_producer_destroy(p);
    int nth = 0;
    for (bool is_met = true; is_met && nth < TURNS_MAX; is_met = memory_seam_end()) {
        memory_seam_fail(++nth);
        feed_all(&s);
    }
    cr_assert(nth > 30 && nth < TURNS_MAX, "%d", nth);
    cr_assert_eq(atomic_load(&s.lost_count), 0);
    fake_cluster_close(&s.cluster);
}
