/* Those who read, commit, ask and administer in a made history.
 *
 * Members of groups pass partitions to one another at any time, with commits under way, lost, late
 * or of unknown outcome: a group's offset is a register that takes effects between invocation and
 * answer, or, unknown ones, whenever they like. Consumers by assignment seek now and then. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "generate_parts.h"

#define NOBODY    MEMBERS
#define POLL_US   40000
#define MOVE_US   600000
#define AUDIT_US  60000
#define DELETE_US 900000

/* ---- operations ---- */

/* Numbers of clients: members of groups, then the others. */
static uint32_t number_of_member(unsigned group, unsigned member)
{
    return group * MEMBERS + member;
}

#define AUDITOR ((GENERATE_GROUPS_MAX + 1) * MEMBERS)

static struct client *client_of(struct world *w, uint32_t number)
{
    if (number < AUDITOR)
        return &w->groups[number / MEMBERS].members[number % MEMBERS];
    return number == AUDITOR ? &w->auditor : &w->administrator;
}

static void write_work(struct world *w, const struct work *work, bool is_end)
{
    const struct client *client = client_of(w, work->client);
    FILE *file = file_of(w, client);
    bool is_admin = strcmp(work->type, "admin") == 0;
    bool is_commit = strcmp(work->type, "commit") == 0;
    bool is_ok = strcmp(work->outcome, "ok") == 0;
    begin_line(w, client, work->type);
    fprintf(file, ",\"id\":%" PRIu64, work->id);
    if (work->action != NULL)
        fprintf(file, ",\"action\":\"%s\"", work->action);
    if (work->group >= 0)
        fprintf(file, ",\"group\":\"%s\"", w->groups[work->group].name);
    if (work->partition != UINT32_MAX)
        fprintf(file, ",\"topic\":\"%s\",\"partition\":%u", topic_of(w, work->partition),
                number_of(w, work->partition));
    if (strcmp(work->type, "list-offsets") == 0)
        fprintf(file, ",\"which\":\"%s\"", work->is_latest ? "latest" : "earliest");
    if (is_admin || is_commit || (is_end && is_ok))
        fprintf(file, ",\"offset\":%" PRId64, work->offset);
    if (is_end)
        fprintf(file, ",\"outcome\":\"%s\"%s", work->outcome, is_ok ? "" : ",\"error\":\"_FAIL\"");
    fprintf(file, "}\n");
}

/* Begins an operation whose effect and answer follow. Returns its index. */
static uint32_t begin_work(struct world *w, struct client *client, struct work work)
{
    unsigned fate = (unsigned)draw(w, 0, 99);
    uint32_t number = (uint32_t)w->works.count;
    work.id = client->next_id++;
    work.outcome = fate < 4 ? "unknown" : fate < 6 ? "fail" : "ok";
    work.has_effect = fate < 2 || fate >= 6;
    *vector_add(&w->works) = work;
    write_work(w, &work, false);
    bool is_late = fate < 2; /* unknown: takes effect when nobody waits for it any more */
    int64_t effect_at = w->now + draw(w, 100, is_late ? 1200000 : 20000);
    schedule(w, effect_at, EFFECT, number, 0, 0);
    schedule(w, is_late ? w->now + draw(w, 100, 30000) : effect_at + draw(w, 100, 20000), COMPLETE,
             number, 0, 0);
    return number;
}

static void delete_records(struct world *w, const struct work *work)
{
    struct led *p = &w->partitions[work->partition];
    if (work->offset > p->start)
        p->start = work->offset;
}

static void delete_group(struct world *w, const struct work *work)
{
    for (uint32_t i = 0; i < w->partition_count; i++)
        w->groups[work->group].committed[i] = -1;
}

static void on_effect(struct world *w, struct work *work)
{
    if (!work->has_effect)
        return;
    if (strcmp(work->type, "commit") == 0)
        w->groups[work->group].committed[work->partition] = work->offset;
    else if (strcmp(work->type, "offset-fetch") == 0)
        work->offset = w->groups[work->group].committed[work->partition];
    else if (strcmp(work->type, "list-offsets") == 0)
        work->offset = work->is_latest ? (int64_t)w->partitions[work->partition].log.count
                                       : w->partitions[work->partition].start;
    else if (strcmp(work->action, "delete-records") == 0)
        delete_records(w, work);
    else if (strcmp(work->action, "delete-group") == 0)
        delete_group(w, work);
    else
        w->partitions[work->partition].is_deleted = true;
}

/* ---- members ---- */

static void commit(struct world *w, unsigned group, unsigned member, uint32_t partition)
{
    struct group *g = &w->groups[group];
    if (g->position[partition] < 0 || g->position[partition] == g->told[partition])
        return;
    g->told[partition] = g->position[partition];
    begin_work(w, &g->members[member],
               (struct work){.type = "commit",
                             .client = number_of_member(group, member),
                             .partition = partition,
                             .group = (int)group,
                             .offset = g->position[partition]});
}

/* Reads on; what is deleted is passed over. Returns the new position. */
static int64_t read_some(struct world *w, struct client *client, uint32_t partition,
                         int64_t position, const char *group)
{
    const struct led *p = &w->partitions[partition];
    int64_t end = (int64_t)p->log.count;
    if (position < p->start)
        position = p->start;
    if (position >= end || p->is_deleted)
        return position;
    uint64_t poll = client->next_id++;
    int64_t until = position + draw(w, 1, POLL_MAX);
    until = until < end ? until : end;
    begin_line(w, client, "poll");
    fprintf(file_of(w, client), ",\"id\":%" PRIu64 "}\n", poll);
    for (int64_t i = position; i < until; i++)
        write_read(w, client, poll, partition, i, group, false, 0);
    begin_line(w, client, "poll");
    fprintf(file_of(w, client), ",\"id\":%" PRIu64 ",\"count\":%" PRId64 ",\"outcome\":\"ok\"}\n",
            poll, until - position);
    return until;
}

static void on_poll_group(struct world *w, unsigned group, unsigned member)
{
    struct group *g = &w->groups[group];
    for (uint32_t i = 0; i < w->partition_count; i++) {
        if (g->owner[i] != member || g->position[i] < 0)
            continue;
        g->position[i] = read_some(w, &g->members[member], i, g->position[i], g->name);
        if (chance(w, 20))
            commit(w, group, member, i);
    }
    if (w->now < w->end_at)
        schedule(w, w->now + draw(w, 1, 2 * POLL_US), POLL_GROUP, group, member, 0);
}

static void write_assignment(struct world *w, const struct client *client, const char *type,
                             const char *group, uint32_t partition, int64_t offset)
{
    begin_line(w, client, type);
    if (group != NULL)
        fprintf(file_of(w, client), ",\"group\":\"%s\"", group);
    fprintf(file_of(w, client), ",\"topic\":\"%s\",\"partition\":%u", topic_of(w, partition),
            number_of(w, partition));
    if (strcmp(type, "revoke") != 0)
        fprintf(file_of(w, client), ",\"offset\":%" PRId64, offset);
    fprintf(file_of(w, client), "}\n");
}

static void on_move(struct world *w, unsigned group)
{
    struct group *g = &w->groups[group];
    for (uint32_t i = 0; i < w->partition_count; i++) {
        unsigned owner = g->owner[i];
        if (owner == NOBODY || !chance(w, 30))
            continue;
        if (chance(w, 50))
            commit(w, group, owner, i);
        write_assignment(w, &g->members[owner], "revoke", g->name, i, -1);
        g->owner[i] = NOBODY;
        g->position[i] = -1;
        schedule(w, w->now + draw(w, 0, 30000), TAKE, group, (uint32_t)draw(w, 0, MEMBERS - 1), i);
    }
    if (w->now < w->end_at)
        schedule(w, w->now + draw(w, 1, 2 * MOVE_US), MOVE, group, 0, 0);
}

static void on_take(struct world *w, unsigned group, unsigned member, uint32_t partition)
{
    struct group *g = &w->groups[group];
    g->owner[partition] = (uint8_t)member;
    g->told[partition] = -1;
    write_assignment(w, &g->members[member], "assign", g->name, partition, -1);
    schedule(w, w->now + draw(w, 100, 20000), FOUND, group, member, partition);
}

static void on_found(struct world *w, unsigned group, unsigned member, uint32_t partition)
{
    struct group *g = &w->groups[group];
    if (g->owner[partition] == member && g->position[partition] < 0)
        g->position[partition] = g->told[partition] = g->committed[partition] < 0
                                                          ? 0
                                                          : g->committed[partition];
}

static void start_group(struct world *w, unsigned group)
{
    struct group *g = &w->groups[group];
    char name[24];
    snprintf(g->name, sizeof g->name, "g%u", group);
    g->committed = memory_make(w->partition_count, sizeof *g->committed);
    g->position = memory_make(w->partition_count, sizeof *g->position);
    g->told = memory_make(w->partition_count, sizeof *g->told);
    g->owner = memory_make(w->partition_count, sizeof *g->owner);
    for (unsigned i = 0; i < MEMBERS; i++) {
        snprintf(name, sizeof name, "member-%u-%u", group, i);
        name_client(&g->members[i], i, name);
        if (group < GENERATE_GROUPS_MAX)
            schedule(w, w->now + draw(w, 1, POLL_US), POLL_GROUP, group, i, 0);
    }
    for (uint32_t i = 0; i < w->partition_count; i++) {
        g->committed[i] = g->position[i] = -1;
        g->owner[i] = NOBODY;
        if (group < GENERATE_GROUPS_MAX)
            schedule(w, w->now + draw(w, 0, 30000), TAKE, group, (uint32_t)draw(w, 0, MEMBERS - 1),
                     i);
    }
    if (group < GENERATE_GROUPS_MAX)
        schedule(w, w->now + MOVE_US, MOVE, group, 0, 0);
}

/* ---- consumers by assignment ---- */

static void start_other(struct world *w, unsigned i)
{
    struct client *client = &w->others[i];
    name_client(client, i + 1, "reader");
    client->position = memory_make(w->partition_count, sizeof *client->position);
    schedule(w, w->now + (i == 0 ? 1 : 700000), POLL_OTHER, i, 0, 0);
}

static void on_poll_other(struct world *w, unsigned i)
{
    struct client *client = &w->others[i];
    for (uint32_t p = 0; p < w->partition_count; p++) {
        int64_t end = (int64_t)w->partitions[p].log.count, start = w->partitions[p].start;
        if (client->next_number == 0) {
            client->position[p] = i == 0 ? 0 : end; /* one from the beginning, one from the end */
            write_assignment(w, client, "assign", NULL, p, client->position[p]);
        } else if (chance(w, 2) && end > start) {
            client->position[p] = draw(w, start, end);
            write_assignment(w, client, "seek", NULL, p, client->position[p]);
        }
        client->position[p] = read_some(w, client, p, client->position[p], NULL);
    }
    client->next_number++;
    if (w->now < w->end_at)
        schedule(w, w->now + draw(w, 1, 2 * POLL_US), POLL_OTHER, i, 0, 0);
}

/* ---- auditor, administrator ---- */

static void on_audit(struct world *w)
{
    uint32_t partition = (uint32_t)draw(w, 0, w->partition_count - 2);
    unsigned group = (unsigned)draw(w, 0, w->options.groups);
    if (group == w->options.groups)
        group = GENERATE_GROUPS_MAX;
    begin_work(w, &w->auditor,
               (struct work){.type = "offset-fetch",
                             .client = AUDITOR,
                             .partition = partition,
                             .group = (int)group});
    begin_work(w, &w->auditor,
               (struct work){.type = "list-offsets",
                             .client = AUDITOR,
                             .partition = partition,
                             .group = -1,
                             .is_latest = chance(w, 60)});
    if (w->now < w->end_at)
        schedule(w, w->now + draw(w, 1, 2 * AUDIT_US), AUDIT, 0, 0, 0);
}

static void on_delete(struct world *w, unsigned round)
{
    uint32_t partition = (uint32_t)draw(w, 0, w->partition_count - 2);
    struct work work = {
        .type = "admin", .client = AUDITOR + 1, .partition = partition, .group = -1};
    int64_t end = (int64_t)w->partitions[partition].log.count;
    if (round % 3 == 0) {
        work.type = "commit";
        work.group = GENERATE_GROUPS_MAX;
        work.offset = draw(w, 0, end);
    } else if (round % 3 == 1) {
        work.action = "delete-records";
        work.partition = 0; /* others keep all they ever had */
        work.offset = draw(w, 0, (int64_t)w->partitions[0].log.count / 2);
    } else if (w->now < w->end_at && (round != 2 || w->options.seed % 2 == 0)) {
        work.action = "delete-group";
        work.group = GENERATE_GROUPS_MAX;
        work.partition = UINT32_MAX;
    } else {
        work.action = "delete-topic";
        work.partition = w->partition_count - 1;
    }
    uint32_t number = begin_work(w, &w->administrator, work);
    /* Its records are not read in the end, so it must not certainly be there. */
    if (round % 3 == 2 && strcmp(w->works.items[number].outcome, "fail") == 0)
        w->works.items[number].outcome = "unknown";
    if (w->now < w->end_at || round % 3 != 2)
        schedule(w, w->now + draw(w, 1, DELETE_US), DELETE, round + 1, 0, 0);
}

void start_clients(struct world *w)
{
    for (unsigned i = 0; i < w->options.groups; i++)
        start_group(w, i);
    start_group(w, GENERATE_GROUPS_MAX);
    start_other(w, 0);
    start_other(w, 1);
    name_client(&w->auditor, 2, "auditor");
    name_client(&w->administrator, 0, "administrator");
    schedule(w, w->now + AUDIT_US, AUDIT, 0, 0, 0);
    schedule(w, w->now + DELETE_US, DELETE, 0, 0, 0);
}

void on_client_event(struct world *w, const struct event *event)
{
    switch (event->kind) {
    case POLL_GROUP:
        on_poll_group(w, event->a, event->b);
        break;
    case TAKE:
        on_take(w, event->a, event->b, (uint32_t)event->c);
        break;
    case FOUND:
        on_found(w, event->a, event->b, (uint32_t)event->c);
        break;
    case MOVE:
        on_move(w, event->a);
        break;
    case EFFECT:
        on_effect(w, &w->works.items[event->a]);
        break;
    case COMPLETE:
        write_work(w, &w->works.items[event->a], true);
        break;
    case AUDIT:
        on_audit(w);
        break;
    case POLL_OTHER:
        on_poll_other(w, event->a);
        break;
    default:
        on_delete(w, event->a);
        break;
    }
}

/* ---- the end ---- */

static void read_to_end(struct world *w, struct client *client, unsigned node)
{
    for (uint32_t i = 0; i + 1 < w->partition_count; i++) {
        const struct led *p = &w->partitions[i];
        uint64_t poll = client->next_id++;
        int64_t end = (int64_t)p->log.count;
        if (node == 0)
            write_assignment(w, client, "assign", NULL, i, p->start);
        for (int64_t offset = p->start; offset < end; offset++, w->now++)
            write_read(w, client, poll, i, offset, NULL, true, node);
        begin_line(w, client, "read-end");
        fprintf(file_of(w, client), ",\"topic\":\"%s\",\"partition\":%u,\"offset\":%" PRId64,
                topic_of(w, i), number_of(w, i), end);
        if (node > 0)
            fprintf(file_of(w, client), ",\"node\":%u", node);
        fprintf(file_of(w, client), "}\n");
    }
}

void read_all_in_the_end(struct world *w)
{
    for (unsigned i = 0; i < 2 * GENERATE_SITES; i++) {
        struct client client = {.next_id = 0};
        char name[24];
        snprintf(name, sizeof name, i < GENERATE_SITES ? "final-%u" : "replica-%u",
                 i % GENERATE_SITES + 1);
        name_client(&client, FINAL_ONE, name);
        read_to_end(w, &client, i < GENERATE_SITES ? 0 : i % GENERATE_SITES + 1);
    }
}
