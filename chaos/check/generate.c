/* A log that keeps its promises, with clients that have every kind of trouble.
 *
 * Events on a heap, by time. A send is appended some time after it was invoked, and answered some
 * time after that; while a partition's leader is down nothing is appended to it. Idempotent
 * producers' sends are appended in order and once, others perhaps twice; sends fail, or stay
 * unknown and are appended late or never. Everything random comes from the seed. */
#include "generate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "generate_parts.h"

#define SECOND_US 1000000

const char *generate_file_name(unsigned i)
{
    static const char *const names[GENERATE_FILES] = {"a-load.jsonl", "b-load.jsonl",
                                                      "c-load.jsonl", "final.jsonl", "drill.jsonl"};
    return names[i];
}

/* ---- chance, time ---- */

static uint64_t next_random(struct world *w)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int64_t draw(struct world *w, int64_t from, int64_t to)
{
    return from + (int64_t)(next_random(w) % (uint64_t)(to - from + 1));
}

bool chance(struct world *w, unsigned percent)
{
    return next_random(w) % 100 < percent;
}

void schedule(struct world *w, int64_t at, enum event_kind kind, uint32_t a, uint32_t b, int64_t c)
{
    vector_add(&w->heap);
    size_t i = w->heap.count - 1;
    for (; i > 0 && w->heap.items[(i - 1) / 2].at > at; i = (i - 1) / 2)
        w->heap.items[i] = w->heap.items[(i - 1) / 2];
    w->heap.items[i] = (struct event){at, kind, a, b, c};
}

static struct event take_next(struct world *w)
{
    struct event first = w->heap.items[0], last = w->heap.items[--w->heap.count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < w->heap.count) {
        if (child + 1 < w->heap.count && w->heap.items[child + 1].at < w->heap.items[child].at)
            child++;
        if (w->heap.items[child].at >= last.at)
            break;
        w->heap.items[i] = w->heap.items[child];
        i = child;
    }
    w->heap.items[i] = last;
    return first;
}

/* ---- lines ---- */

FILE *file_of(const struct world *w, const struct client *client)
{
    return w->files[client->site];
}

static const char *site_of(const struct client *client)
{
    static const char *const names[] = {"a", "b", "c", "a", "a"};
    return names[client->site];
}

const char *topic_of(const struct world *w, uint32_t partition)
{
    return partition + 1 == w->partition_count ? "scratch" : "orders";
}

unsigned number_of(const struct world *w, uint32_t partition)
{
    return partition + 1 == w->partition_count ? 0 : partition;
}

void begin_line(const struct world *w, const struct client *client, const char *type)
{
    fprintf(file_of(w, client),
            "{\"at\":%" PRId64 ",\"type\":\"%s\",\"process\":\"%s\",\"site\":\"%s\"", w->now, type,
            client->name, site_of(client));
}

void write_read(const struct world *w, const struct client *client, uint64_t poll,
                uint32_t partition, int64_t offset, const char *group, bool is_final, unsigned node)
{
    FILE *file = file_of(w, client);
    const struct entry *entry = &w->partitions[partition].log.items[offset];
    const struct sent *s = &w->sends.items[entry->send];
    begin_line(w, client, "read");
    fprintf(file, ",\"id\":%" PRIu64, poll);
    if (group != NULL)
        fprintf(file, ",\"group\":\"%s\"", group);
    fprintf(file,
            ",\"topic\":\"%s\",\"partition\":%u,\"offset\":%" PRId64
            ",\"key\":\"k%u\",\"value\":\"%s-%u\",\"size\":%u,\"crc\":\"%08x\",\"epoch\":%d",
            topic_of(w, partition), number_of(w, partition), offset, s->key,
            w->producers[s->producer].name, s->number, s->size, s->crc, entry->epoch);
    if (node > 0)
        fprintf(file, ",\"node\":%u", node);
    fprintf(file, "%s}\n", is_final ? ",\"stage\":\"final\"" : "");
}

void name_client(struct client *client, unsigned site, const char *name)
{
    client->site = site;
    client->next_id = 1;
    snprintf(client->name, sizeof client->name, "%s-%.24s", site_of(client), name);
}

/* ---- sends ---- */

static int64_t append_at(struct world *w, const struct led *p, int64_t at)
{
    for (int i = 0; i < OUTAGES; i++)
        if (at >= p->down_from[i] && at < p->down_until[i])
            at = p->down_until[i] + draw(w, 1, 3000);
    return at;
}

static void write_invocation(struct world *w, const struct client *client, const struct sent *s)
{
    bool is_chosen_by_client = s->number % 7 == 3;
    begin_line(w, client, "send");
    fprintf(file_of(w, client),
            ",\"id\":%" PRIu64 ",\"topic\":\"%s\",\"partition\":%d,\"key\":\"k%u\""
            ",\"value\":\"%s-%u\",\"size\":%u,\"crc\":\"%08x\"}\n",
            s->id, topic_of(w, s->partition),
            is_chosen_by_client ? -1 : (int)number_of(w, s->partition), s->key, client->name,
            s->number, s->size, s->crc);
}

static void draw_outcome(struct world *w, const struct client *client, struct sent *s)
{
    unsigned fate = (unsigned)draw(w, 0, 99);
    s->outcome = fate < 3 ? "unknown" : fate < 4 ? "fail" : "ok";
    s->appends_left = fate == 0 || fate == 3 ? 0 : 1;
    s->is_offset_hidden = client->is_idempotent && fate == 4;
    s->offset = -1;
    if (!client->is_idempotent && s->appends_left == 1 && chance(w, 5)) {
        s->appends_left = 2;
        s->is_second_told = chance(w, 50);
    }
}

static void plan_send(struct world *w, struct client *client, uint32_t number)
{
    struct sent *s = &w->sends.items[number];
    struct led *p = &w->partitions[s->partition];
    int64_t at = append_at(w, p, w->now + draw(w, 500, 8000));
    if (p->is_deleted) {
        s->appends_left = 0;
        s->outcome = "fail";
    }
    bool is_unknown = strcmp(s->outcome, "unknown") == 0;
    for (int i = 0; i < s->appends_left; i++) {
        if (client->is_idempotent && at <= client->last_append[s->partition])
            at = client->last_append[s->partition] + 1;
        client->last_append[s->partition] = at;
        schedule(w, at, APPEND, number, 0, 0);
        at = append_at(w, p, at + draw(w, 500, is_unknown ? 900000 : 8000));
    }
    /* A client that gave up may have done so before the append. */
    int64_t answered_at = is_unknown ? w->now + draw(w, 1000, 60000) : at + draw(w, 100, 4000);
    schedule(w, answered_at, ANSWER, number, 0, 0);
}

static void on_invoke(struct world *w, uint32_t producer)
{
    struct client *client = &w->producers[producer];
    uint32_t number = (uint32_t)w->sends.count;
    struct sent *s = vector_add(&w->sends);
    *s = (struct sent){.producer = producer,
                       .number = client->next_number++,
                       .partition = (uint32_t)draw(w, 0, w->partition_count - 1),
                       .crc = (uint32_t)next_random(w),
                       .size = (uint32_t)draw(w, 20, 1000),
                       .key = (uint32_t)draw(w, 0, 99),
                       .id = client->next_id++};
    if (s->partition + 1 == w->partition_count && !chance(w, 20))
        s->partition = 0;
    draw_outcome(w, client, s);
    write_invocation(w, client, s);
    plan_send(w, client, number);
    int64_t next_at = w->now + draw(w, 1, 2 * w->mean_us);
    if (next_at < w->end_at)
        schedule(w, next_at, INVOKE, producer, 0, 0);
}

static void on_append(struct world *w, uint32_t number)
{
    struct sent *s = &w->sends.items[number];
    struct led *p = &w->partitions[s->partition];
    s->appends_left--;
    if (p->is_deleted) { /* too late: nobody learns */
        s->outcome = "unknown";
        return;
    }
    if (s->offset < 0 || s->is_second_told)
        s->offset = (int64_t)p->log.count;
    *vector_add(&p->log) = (struct entry){number, p->epoch};
}

static void on_answer(struct world *w, uint32_t number)
{
    const struct sent *s = &w->sends.items[number];
    const struct client *client = &w->producers[s->producer];
    FILE *file = file_of(w, client);
    begin_line(w, client, "send");
    fprintf(file, ",\"id\":%" PRIu64 ",\"topic\":\"%s\",\"partition\":%u", s->id,
            topic_of(w, s->partition), number_of(w, s->partition));
    if (strcmp(s->outcome, "ok") == 0)
        fprintf(file, ",\"offset\":%" PRId64 ",\"outcome\":\"ok\"}\n",
                s->is_offset_hidden ? -1 : s->offset);
    else
        fprintf(file, ",\"outcome\":\"%s\",\"error\":\"_MSG_TIMED_OUT\"}\n", s->outcome);
}

/* ---- faults, leaders ---- */

static void say_leader(struct world *w, uint32_t partition, unsigned node, int32_t epoch)
{
    const struct led *p = &w->partitions[partition];
    FILE *file = w->files[DRILL];
    fprintf(file,
            "{\"at\":%" PRId64 ",\"type\":\"metadata\",\"process\":\"drill\",\"site\":\"a\""
            ",\"node\":%u,\"topic\":\"%s\",\"partition\":%u,\"leader\":%u,\"epoch\":%d}\n",
            w->now, node, topic_of(w, partition), number_of(w, partition), p->leaders.items[epoch],
            epoch);
}

static void spread_the_word(struct world *w, uint32_t partition)
{
    for (unsigned node = 1; node <= NODES; node++)
        schedule(w, w->now + draw(w, 1, 200000), HEAR, partition, node,
                 w->partitions[partition].epoch);
}

static void on_elect(struct world *w, uint32_t partition)
{
    struct led *p = &w->partitions[partition];
    p->leader = p->leader % NODES + 1;
    p->epoch++;
    *vector_add(&p->leaders) = (uint8_t)p->leader;
    spread_the_word(w, partition);
}

static void on_fault(struct world *w, uint32_t fault, bool is_inject)
{
    fprintf(w->files[DRILL],
            "{\"at\":%" PRId64 ",\"type\":\"fault\",\"process\":\"drill\",\"site\":\"a\""
            ",\"action\":\"%s\",\"id\":%u,\"name\":\"kill\",\"target\":\"node %u\""
            ",\"faulted_site\":\"%c\",\"faulted_node\":%u}\n",
            w->now, is_inject ? "inject" : "heal", fault, fault + 1, 'a' + (int)fault, fault + 1);
}

/* Node fault + 1 fails; what it leads by then is down until another leader is elected. */
static void plan_fault(struct world *w, uint32_t fault)
{
    int64_t from = w->end_at * (fault + 1) / (OUTAGES + 1), until = from + 1500000;
    schedule(w, from, FAULT_AT, fault, 0, 0);
    schedule(w, until, HEAL_AT, fault, 0, 0);
    for (uint32_t i = 0; i < w->partition_count; i++) {
        struct led *p = &w->partitions[i];
        if (i % NODES != fault)
            continue;
        p->down_from[fault] = from;
        p->down_until[fault] = from + draw(w, 200000, 900000);
        schedule(w, p->down_until[fault], ELECT, i, 0, 0);
    }
}

/* ---- the course ---- */

static void write_frame(struct world *w, bool is_begin)
{
    for (unsigned i = 0; i < GENERATE_FILES; i++) {
        if (is_begin)
            fprintf(w->files[i],
                    "{\"at\":%" PRId64 ",\"type\":\"history\",\"version\":1,\"program\":\"check "
                    "generate\",\"seed\":%" PRIu64 ",\"wall_us\":1}\n",
                    w->now, w->options.seed);
        else
            fprintf(w->files[i], "{\"at\":%" PRId64 ",\"type\":\"stage\",\"name\":\"end\"}\n",
                    w->now);
    }
}

static void start_producers(struct world *w)
{
    w->producers = memory_make(w->options.producers, sizeof *w->producers);
    for (unsigned i = 0; i < w->options.producers; i++) {
        struct client *client = &w->producers[i];
        char name[24];
        snprintf(name, sizeof name, "producer-%u", i);
        name_client(client, i % GENERATE_SITES, name);
        client->is_idempotent = i % 3 != 2;
        client->last_append = memory_make(w->partition_count, sizeof *client->last_append);
        begin_line(w, client, "process");
        fprintf(file_of(w, client), ",\"role\":\"producer\",\"idempotent\":%d}\n",
                client->is_idempotent);
        schedule(w, w->now + draw(w, 1, 20000), INVOKE, i, 0, 0);
    }
}

static void start(struct world *w)
{
    w->partition_count = w->options.partitions + 1;
    w->partitions = memory_make(w->partition_count, sizeof *w->partitions);
    w->now = 1000;
    w->end_at = 8 * SECOND_US + (int64_t)(w->options.sends / 50000) * SECOND_US;
    w->mean_us = w->end_at * w->options.producers / (int64_t)(w->options.sends + 1) + 1;
    write_frame(w, true);
    for (uint32_t i = 0; i < w->partition_count; i++) {
        w->partitions[i].leader = i % NODES + 1;
        *vector_add(&w->partitions[i].leaders) = (uint8_t)w->partitions[i].leader;
        spread_the_word(w, i);
    }
    for (uint32_t i = 0; i < OUTAGES; i++)
        plan_fault(w, i);
    start_producers(w);
    start_clients(w);
}

static void on_event(struct world *w, const struct event *event)
{
    switch (event->kind) {
    case INVOKE:
        on_invoke(w, event->a);
        break;
    case APPEND:
        on_append(w, event->a);
        break;
    case ANSWER:
        on_answer(w, event->a);
        break;
    case ELECT:
        on_elect(w, event->a);
        break;
    case HEAR:
        say_leader(w, event->a, event->b, (int32_t)event->c);
        break;
    case FAULT_AT:
    case HEAL_AT:
        on_fault(w, event->a, event->kind == FAULT_AT);
        break;
    default:
        on_client_event(w, event);
        break;
    }
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < w->options.producers; i++)
        free(w->producers[i].last_append);
    for (uint32_t i = 0; i < w->partition_count; i++) {
        free(w->partitions[i].log.items);
        free(w->partitions[i].leaders.items);
    }
    for (unsigned i = 0; i <= GENERATE_GROUPS_MAX; i++) {
        free(w->groups[i].committed);
        free(w->groups[i].position);
        free(w->groups[i].told);
        free(w->groups[i].owner);
    }
    free(w->others[0].position);
    free(w->others[1].position);
    free(w->producers);
    free(w->partitions);
    free(w->heap.items);
    free(w->sends.items);
    free(w->works.items);
}

void generate(const struct generate_options *options, FILE *const files[GENERATE_FILES])
{
    struct world *w = memory_make(1, sizeof *w);
    w->options = *options;
    w->files = files;
    w->random = options->seed * 0x2545f4914f6cdd1du + 1;
    start(w);
    while (w->heap.count > 0) {
        struct event event = take_next(w);
        w->now = event.at;
        on_event(w, &event);
    }
    w->now += SECOND_US;
    read_all_in_the_end(w);
    write_frame(w, false);
    close_world(w);
    free(w);
}
