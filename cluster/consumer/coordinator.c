/* The coordinator beside each raft group that carries partitions of __consumer_offsets.
 *
 * It gives the live groups what they need of the node: time, the tables that apply keeps, and a
 * way to propose. When leadership is won the tables are complete, so the groups that have members
 * are there at once: their members' next heartbeats simply go on. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "consumer/commit_wait.h"
#include "consumer/coordinator_parts.h"
#include "protocol/error.h"
#include "request/text.h"

struct proposal {
    struct machine_request machine;
    group_proposal_cb done; /* one of these two */
    coordinator_commit_cb done_commit;
    void *done_data;
};

const struct consumer_table *coordinator_table(struct coordinator *c, uint32_t partition_number)
{
    const struct partition *p = machine_partition(c->group->machine, partition_number);
    return p == NULL ? NULL : p->consumers;
}

static void on_applied(struct machine_request *req, int status)
{
    struct proposal *p = req->data;
    int verdict = status != 0 ? status : req->result.error;
    if (p->done_commit != NULL)
        p->done_commit(p->done_data, verdict,
                       verdict == 0 ? req->result.detail : bytes_of(NULL, 0));
    else
        p->done(p->done_data, verdict);
    free(p);
}

/* Takes the proposal (NULL: there was no memory), also when it fails. */
static int submit(struct coordinator *c, uint32_t partition_number, struct bytes body,
                  struct proposal *p)
{
    struct buffer *owner = buffer_create(body.size);
    int err = p == NULL || owner == NULL ? UV_ENOMEM : 0;
    if (err == 0) {
        memcpy(owner->data, body.data, body.size);
        p->machine.data = p;
        p->machine.submit.head.kind = ENTRY_GROUP_STATE;
        p->machine.submit.head.partition_number = partition_number;
        p->machine.submit.body = (struct slice){.owner = owner,
                                                .bytes = bytes_of(owner->data, body.size)};
        err = machine_submit(c->group->machine, &p->machine, on_applied);
    }
    buffer_unref(owner);
    if (err != 0)
        free(p);
    return err;
}

int coordinator_propose(struct coordinator *c, uint32_t partition_number, struct bytes body,
                        group_proposal_cb done, void *done_data)
{
    struct proposal *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->done = done;
        p->done_data = done_data;
    }
    return submit(c, partition_number, body, p);
}

int coordinator_propose_commit(struct coordinator *c, uint32_t partition_number, struct bytes body,
                               coordinator_commit_cb done, void *done_data)
{
    struct proposal *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->done_commit = done;
        p->done_data = done_data;
    }
    return submit(c, partition_number, body, p);
}

/* ---- what the live groups ask for ---- */

static uint64_t host_now_ms(void *data)
{
    const struct coordinator *c = data;
    return clock_now_ms(&c->group->broker->clock);
}

static const struct consumer_table *host_table(void *data, uint32_t partition_number)
{
    return coordinator_table(data, partition_number);
}

static int host_propose(void *data, uint32_t partition_number, struct bytes body,
                        group_proposal_cb done, void *done_data)
{
    return coordinator_propose(data, partition_number, body, done, done_data);
}

static void host_on_rebalance(void *data, struct kafka_string group_id, int32_t generation,
                              const struct group_cause *cause)
{
    char group[TEXT_EVENT_SIZE], member[TEXT_EVENT_SIZE], reason[TEXT_EVENT_SIZE];
    struct coordinator *c = data;
    uint64_t left_out;
    if (!event_pace_allows(&c->rebalance_pace, host_now_ms(c), &left_out))
        return;
    event_info("consumer_group_rebalances",
               "consumer_group=%s generation=%d cause=%s member=%s reason=\"%s\" left_out=%llu",
               text_for_event(group, group_id), (int)generation, cause->act,
               text_for_event(member, cause->member_id), text_for_quotes(reason, cause->reason),
               (unsigned long long)left_out);
}

/* ---- life ---- */

int coordinator_create(struct broker_group *g, struct coordinator **coordinator)
{
    const struct conf_settings *conf = &g->broker->conf;
    struct coordinator *c = calloc(1, sizeof *c);
    if (c == NULL)
        return UV_ENOMEM;
    c->group = g;
    struct group_host host = {.data = c,
                              .now_ms = host_now_ms,
                              .table = host_table,
                              .propose = host_propose,
                              .on_rebalance = host_on_rebalance};
    struct group_limits limits = {
        .session_timeout_ms_min = (int32_t)conf->group_min_session_timeout_ms,
        .session_timeout_ms_max = (int32_t)conf->group_max_session_timeout_ms,
        .initial_rebalance_delay_ms = (uint64_t)conf->group_initial_rebalance_delay_ms,
        .member_count_max = (uint32_t)conf->group_max_size,
    };
    int err = group_set_create(&host, &limits, random_u64(&g->random), &c->groups);
    if (err != 0) {
        free(c);
        return err;
    }
    *coordinator = c;
    return 0;
}

static void restore_partition(void *data, struct partition *p)
{
    struct coordinator *c = data;
    if (p->consumers != NULL && group_set_restore(c->groups, p->number) != 0)
        event_warn("consumer_groups_not_restored", "group=%u partition_number=%u",
                   c->group->group_id, p->number); /* their members join again */
}

void coordinator_on_role(struct coordinator *c, enum repl_role role, uint64_t term)
{
    (void)term;
    group_set_clear(c->groups, KAFKA_ERROR_NOT_COORDINATOR);
    if (role != REPL_LEADER)
        return;
    /* A number of its own: also what a router was told since then is not below it. */
    group_set_begin(c->groups, atomic_fetch_add(&c->group->broker->connection_number, 1) + 1);
    machine_each_partition(c->group->machine, restore_partition, c);
}

bool coordinator_is_unsettled(void *data)
{
    const struct coordinator *c = data;
    return group_set_is_unsettled(c->groups);
}

void coordinator_tick(struct coordinator *c)
{
    commit_wait_tick(c);
    if (!machine_is_ready(c->group->machine))
        return;
    group_set_tick(c->groups);
    coordinator_sweep(c);
}
