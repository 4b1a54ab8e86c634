/* Several replicas on fakes, one clock: how time passes, and what clients do. */
#include "group_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"

/* ---- the cluster ---- */

static void on_event(void *data, enum event_level level, const char *line)
{
    struct cluster *c = data;
    const char *text = strstr(line, "event=");
    if (c->trace == NULL || level < EVENT_INFO || text == NULL)
        return;
    size_t room = c->trace_capacity - c->trace_size;
    int size = snprintf(c->trace + c->trace_size, room, "%5llu ms node %d: %s\n",
                        (unsigned long long)((c->clock.now_ns - c->trace_since_ns) / 1000000),
                        c->speaking + 1, text + 6);
    cr_assert_lt((size_t)size, room);
    c->trace_size += (size_t)size;
}

void cluster_init(struct cluster *c, unsigned count, unsigned founder_count, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    cr_assert_leq(count, REPLICAS_MAX);
    fake_clock_init(&c->clock);
    fake_clock_advance_ms(&c->clock, 10000); /* a machine is up longer than an election takes */
    random_init(&c->random, seed);
    c->count = count;
    c->founder_count = founder_count;
    c->speaking = -1;
    c->next_value = 1;
    c->value_size = 64;
    c->segment_bytes = 40000;
    c->cache_bytes_max = 1u << 20;
    c->in_flight_bytes_max = 1u << 20;
    c->append_bytes_max = 64u << 10;
    c->in_flight_entries_max = 1000;
    c->trailing_entries = 100000;
    c->wal_kept_bytes = 64u << 20;
    cluster_delay(c, 3);
    for (unsigned i = 0; i < count; i++) {
        struct replica *r = &c->replicas[i];
        *r = (struct replica){.cluster = c,
                              .number = i,
                              .node_id = i + 1,
                              .incarnation = 1,
                              .site = {(char)('a' + i)},
                              .disk = fake_disk_create(seed * 10 + i),
                              .is_founder = i < founder_count};
        random_init(&r->random, seed * 100 + i);
        fake_work_init(&r->writer);
        fake_work_init(&r->worker);
        fake_work_init(&r->home);
    }
    event_set_sink(on_event, c);
}

void cluster_start(struct cluster *c)
{
    for (unsigned i = 0; i < c->count; i++)
        replica_start(&c->replicas[i]);
}

void cluster_close(struct cluster *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct replica *r = &c->replicas[i];
        if (r->group != NULL)
            replica_end(r);
        cr_assert_eq(fake_disk_open_count(r->disk), 0, "a file stayed open");
        fake_disk_destroy(r->disk);
        free(r->applied);
        net_drop(c, i);
    }
    for (unsigned i = 0; i < c->proposal_count; i++)
        free(c->proposals[i]);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
    event_set_sink(NULL, NULL);
}

/* ---- time ---- */

static void run_replica(struct cluster *c, struct replica *r, bool is_tick)
{
    c->speaking = (int)r->number;
    if (!r->is_writer_paused)
        fake_work_run_all(&r->writer, NULL);
    if (!r->is_worker_paused)
        fake_work_run_all(&r->worker, NULL);
    fake_work_run_all(&r->home, NULL);
    if (is_tick) {
        repl_node_tick(r->node);
        repl_group_tick(r->group);
    } else {
        repl_group_turn(r->group);
    }
    c->speaking = -1;
}

void cluster_run_ms(struct cluster *c, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        fake_clock_advance_ms(&c->clock, 1);
        net_land_all(c);
        for (unsigned n = 0; n < c->count; n++) {
            struct replica *r = &c->replicas[n];
            if (r->group != NULL && !r->is_paused)
                run_replica(c, r, (c->clock.now_ns / 1000000 + n) % 10 == 0);
        }
    }
}

void cluster_run_until(struct cluster *c, condition is_so, unsigned ms_max, const char *what)
{
    for (unsigned i = 0; i < ms_max; i++) {
        if (is_so(c))
            return;
        cluster_run_ms(c, 1);
    }
    cr_assert_fail("not within %u ms: %s", ms_max, what);
}

struct replica *cluster_other(struct cluster *c, const struct replica *one, unsigned number)
{
    for (unsigned i = 0; i < c->count; i++)
        if (&c->replicas[i] != one && number-- == 0)
            return &c->replicas[i];
    return NULL;
}

struct replica *cluster_leader_now(struct cluster *c)
{
    struct replica *leader = NULL;
    for (unsigned i = 0; i < c->count; i++) {
        struct replica *r = &c->replicas[i];
        if (r->group != NULL && r->role == REPL_LEADER && !r->is_paused &&
            (leader == NULL || r->role_term > leader->role_term))
            leader = r;
    }
    return leader;
}

static bool has_leader(struct cluster *c)
{
    return cluster_leader_now(c) != NULL;
}

struct replica *cluster_leader(struct cluster *c, unsigned ms_max)
{
    cluster_run_until(c, has_leader, ms_max, "a leader");
    return cluster_leader_now(c);
}

static bool is_settled(struct cluster *c)
{
    struct replica *leader = cluster_leader_now(c);
    if (leader == NULL)
        return false;
    struct repl_group_status status = replica_status(leader);
    if (status.commit_index != status.last_index)
        return false;
    for (unsigned i = 0; i < c->count; i++)
        if (c->replicas[i].group != NULL && !c->replicas[i].is_paused &&
            replica_status(&c->replicas[i]).applied_index != status.last_index)
            return false;
    return true;
}

void cluster_settle(struct cluster *c, unsigned ms_max)
{
    cluster_run_until(c, is_settled, ms_max, "all replicas are level");
}

/* ---- clients ---- */

static void on_failed(struct repl_submit *submit, int status)
{
    proposal_answer(submit->data, false, status);
}

struct proposal *cluster_propose(struct cluster *c, struct replica *r, int *err)
{
    struct proposal *p = calloc(1, sizeof *p);
    struct buffer *body = buffer_create(8 + c->value_size);
    cr_assert_lt(c->proposal_count, HISTORY_MAX);
    c->proposals[c->proposal_count++] = p;
    p->value = c->next_value++;
    memset(body->data, (int)(p->value & 0xff), body->capacity);
    bytes_put_le64(body->data, p->value);
    p->submit.data = p;
    p->submit.head.kind = COMMAND_KIND;
    p->submit.body = (struct slice){body, bytes_of(body->data, body->capacity)};
    int status = repl_group_submit_ahead(r->group, &p->submit, on_failed);
    buffer_unref(body);
    if (err != NULL)
        *err = status;
    else
        cr_assert_eq(status, 0, "node %u: %s", r->node_id, err_name(status));
    return p;
}

void cluster_append(struct cluster *c, unsigned count)
{
    struct replica *leader = cluster_leader(c, 5000);
    struct proposal *last = NULL;
    for (unsigned i = 0; i < count; i++)
        last = cluster_propose(c, leader, NULL);
    for (unsigned i = 0; i < 5000 && last->answers == 0; i++)
        cluster_run_ms(c, 1);
    cr_assert(last->is_applied, "%s", err_name(last->status));
}

static void on_read(struct repl_read *read, int status)
{
    struct read_request *request = read->data;
    request->answers++;
    request->status = status;
}

int cluster_read(struct replica *r, struct read_request *read)
{
    *read = (struct read_request){.read.data = read};
    return repl_group_read(r->group, &read->read, on_read);
}

void cluster_checkpoint(struct cluster *c, struct replica *r)
{
    repl_group_checkpoint(r->group);
    cluster_run_ms(c, 5);
}

bool replica_has(const struct replica *r, uint64_t value)
{
    for (size_t i = 0; i < r->applied_count; i++)
        if (r->applied[i] == value)
            return true;
    return false;
}

void cluster_check_same(struct cluster *c)
{
    const struct replica *first = NULL;
    for (unsigned i = 0; i < c->count; i++) {
        const struct replica *r = &c->replicas[i];
        if (r->group == NULL)
            continue;
        if (first == NULL)
            first = r;
        cr_assert_eq(r->applied_count, first->applied_count, "node %u has %zu values, node %u %zu",
                     r->node_id, r->applied_count, first->node_id, first->applied_count);
        if (first->applied_count > 0) /* else there may be no array */
            cr_assert_arr_eq(r->applied, first->applied, first->applied_count * sizeof(uint64_t));
    }
}
