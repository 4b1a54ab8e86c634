/* On each shard: its groups' last entries and members, how far its partitions go, and what consumer
 * groups have committed. Partition and offset may lie on two shards, so they are put together
 * afterwards, on the port's thread. */
#include "admin/recover_look.h"

#include <stdlib.h>
#include <string.h>

struct recover_look *recover_look_create(unsigned shard_count)
{
    struct recover_look *look = calloc(1, sizeof *look);
    if (look == NULL)
        return NULL;
    look->shard_count = shard_count;
    for (unsigned i = 0; i < shard_count; i++)
        look->shards[i].offsets_max = RECOVER_OFFSETS_MAX;
    return look;
}

static void free_look(void *data)
{
    struct recover_look *look = data;
    for (unsigned i = 0; i < look->shard_count; i++) {
        struct recover_shard *s = &look->shards[i];
        for (size_t k = 0; k < s->offset_count; k++)
            free(s->offsets[k].group);
        free(s->offsets);
        free(s->partitions);
    }
    free(look);
}

static bool make_room(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity == 0 ? 64 : 2 * *capacity;
    void *grown = realloc(*items, more * size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = more;
    return true;
}

struct looking {
    struct recover_shard *shard;
    uint32_t group_id;
    const struct consumer_table *table;
    struct kafka_string consumer_group;
};

static void note_offset(void *data, const struct consumer_offset *offset)
{
    struct looking *l = data;
    struct recover_shard *s = l->shard;
    char *group = s->offset_count < s->offsets_max
                      ? strndup(l->consumer_group.data, (size_t)l->consumer_group.size)
                      : NULL;
    if (group == NULL || !make_room((void **)&s->offsets, s->offset_count, &s->offset_capacity,
                                    sizeof *s->offsets)) {
        free(group);
        s->offsets_left_out++;
        return;
    }
    struct recover_offset *o = &s->offsets[s->offset_count++];
    *o = (struct recover_offset){.group = group,
                                 .partition = offset->committed.partition,
                                 .offset = offset->committed.offset};
    memcpy(o->topic_id, offset->committed.topic_id, sizeof o->topic_id);
}

static void note_group(void *data, const struct consumer_group *group)
{
    struct looking *l = data;
    l->consumer_group = group->group_id;
    consumer_table_each_offset(l->table, group->group_id, note_offset, l);
}

static void note_partition(void *data, struct partition *p)
{
    struct looking *l = data;
    struct recover_shard *s = l->shard;
    if (!make_room((void **)&s->partitions, s->partition_count, &s->partition_capacity,
                   sizeof *s->partitions)) {
        s->partitions_left_out++;
        return;
    }
    s->partitions[s->partition_count++] = (struct recover_partition){
        .id = p->id, .group_id = l->group_id, .next_offset = log_partition_next_offset(p->log)};
    l->table = p->consumers;
    if (p->consumers != NULL)
        consumer_table_each_group(p->consumers, note_group, l);
}

void recover_look_at(struct recover_look *look, unsigned shard, uint32_t group_id,
                     struct machine *machine)
{
    struct looking l = {.shard = &look->shards[shard], .group_id = group_id};
    machine_each_partition(machine, note_partition, &l);
}

static void look_at(void *data, unsigned shard, struct broker_group *g)
{
    struct recover_look *look = data;
    struct recover_group *group = &look->groups[g->group_id];
    struct repl_group_status status;
    enum log_entry_type type;
    repl_group_status(g->raft, &status);
    if (log_wal_entry_term(g->broker->wal, g->group_id, status.last_index, &group->last_term,
                           &type) != 0)
        group->last_term = log_store_state(g->store)->term;
    group->applied_wall_ms = machine_wall_ms(g->machine);
    group->member_count = repl_group_members(g->raft, group->members);
    group->is_known = true;
    recover_look_at(look, shard, g->group_id, g->machine);
}

struct survey_look recover_look_of(struct recover_look *look)
{
    return (struct survey_look){.look = look_at, .free = free_look, .data = look};
}

static int by_id(const void *a, const void *b)
{
    const struct log_partition_id *one = &((const struct recover_partition *)a)->id;
    const struct log_partition_id *other = &((const struct recover_partition *)b)->id;
    int order = memcmp(one->topic_id, other->topic_id, sizeof one->topic_id);
    return order != 0 ? order
                      : (one->partition > other->partition) - (one->partition < other->partition);
}

void recover_look_sort(struct recover_look *look)
{
    for (unsigned i = 0; i < look->shard_count; i++)
        if (look->shards[i].partition_count > 0)
            qsort(look->shards[i].partitions, look->shards[i].partition_count,
                  sizeof(struct recover_partition), by_id);
}

const struct recover_partition *recover_look_find(const struct recover_look *look,
                                                  const uint8_t topic_id[16], int32_t partition)
{
    struct recover_partition wanted = {.id = {.partition = partition}};
    const struct recover_partition *found = NULL;
    memcpy(wanted.id.topic_id, topic_id, sizeof wanted.id.topic_id);
    for (unsigned i = 0; i < look->shard_count && found == NULL; i++)
        if (look->shards[i].partition_count > 0)
            found = bsearch(&wanted, look->shards[i].partitions, look->shards[i].partition_count,
                            sizeof wanted, by_id);
    return found;
}
