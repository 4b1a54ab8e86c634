/* The WAL's memory of its groups.
 *
 * Entries of a group are an array in index order, cut into chunks so that growing moves nothing
 * and dropping from either end gives memory back. Within a group a higher index stands at a later
 * place: what a conflict truncated is written again behind it. So the entries of the oldest files
 * are always the first ones.
 *
 * State outside the entries (vote, snapshot, heard positions, generation) comes from records in
 * any file; `state_file_id` remembers the oldest file that still matters for it. */
#include "wal_index.h"

#include <assert.h>
#include <stdlib.h>

/* The place of `group_id` in the sorted array, or where it would be. */
static size_t group_slot(const struct wal_index *x, uint32_t group_id)
{
    size_t low = 0, high = x->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (x->groups[middle]->queued_id.group_id < group_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct wal_group *log_wal_index_find(const struct wal_index *x, uint32_t group_id)
{
    size_t slot = group_slot(x, group_id);
    bool is_there = slot < x->count && x->groups[slot]->queued_id.group_id == group_id;
    return is_there ? x->groups[slot] : NULL;
}

static int reserve_group(struct wal_index *x)
{
    if (x->count < x->capacity)
        return 0;
    size_t capacity = x->capacity == 0 ? 16 : x->capacity * 2;
    struct wal_group **groups = realloc(x->groups, capacity * sizeof(struct wal_group *));
    if (groups == NULL)
        return UV_ENOMEM;
    x->groups = groups;
    x->capacity = capacity;
    return 0;
}

struct wal_group *log_wal_index_get(struct wal_index *x, uint32_t group_id)
{
    struct wal_group *g = log_wal_index_find(x, group_id);
    if (g != NULL || reserve_group(x) != 0 || (g = calloc(1, sizeof *g)) == NULL)
        return g;
    g->id.group_id = group_id;
    g->queued_id.group_id = group_id;
    size_t slot = group_slot(x, group_id);
    memmove(x->groups + slot + 1, x->groups + slot, (x->count - slot) * sizeof *x->groups);
    x->groups[slot] = g;
    x->count++;
    return g;
}

/* The entries become the empty range in front of `next_index`. */
static void clear_entries(struct wal_group *g, uint64_t next_index)
{
    for (size_t i = 0; i < g->chunk_count; i++)
        free(g->chunks[i]);
    g->chunk_count = 0;
    g->first_index = g->next_index = g->chunk_base = next_index;
}

static void clear_heard(struct wal_group *g)
{
    free(g->heard);
    g->heard = NULL;
    g->heard_size = 0;
}

/* Nothing is known but the name. */
static void clear_group(struct wal_group *g)
{
    clear_entries(g, 0);
    clear_heard(g);
    g->is_known = false;
    g->id = (struct log_wal_group){.group_id = g->id.group_id};
    g->term = g->voted_for = g->snapshot_index = g->snapshot_term = g->released = 0;
    g->state_file_id = 0;
}

void log_wal_index_close(struct wal_index *x)
{
    for (size_t i = 0; i < x->count; i++) {
        clear_group(x->groups[i]);
        free(x->groups[i]->chunks);
        free(x->groups[i]);
    }
    free(x->groups);
    *x = (struct wal_index){0};
}

static struct wal_entry *entry_at(const struct wal_group *g, uint64_t index)
{
    uint64_t slot = index - g->chunk_base;
    return &g->chunks[slot / WAL_CHUNK_ENTRIES]->entries[slot % WAL_CHUNK_ENTRIES];
}

const struct wal_entry *log_wal_index_entry(const struct wal_group *g, uint64_t index)
{
    return index >= g->first_index && index < g->next_index ? entry_at(g, index) : NULL;
}

const struct wal_entry *log_wal_index_pin(const struct wal_group *g)
{
    uint64_t index = g->released < g->first_index ? g->first_index : g->released + 1;
    return log_wal_index_entry(g, index);
}

static int add_chunk(struct wal_group *g)
{
    if (g->chunk_count == g->chunk_capacity) {
        size_t capacity = g->chunk_capacity == 0 ? 8 : g->chunk_capacity * 2;
        struct wal_chunk **chunks = realloc(g->chunks, capacity * sizeof(struct wal_chunk *));
        if (chunks == NULL)
            return UV_ENOMEM;
        g->chunks = chunks;
        g->chunk_capacity = capacity;
    }
    struct wal_chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL)
        return UV_ENOMEM;
    g->chunks[g->chunk_count++] = chunk;
    return 0;
}

static int add_entry(struct wal_group *g, const struct wal_record *r, struct wal_position place)
{
    if (g->next_index == 0)
        clear_entries(g, r->index); /* the first one ever may have any index */
    if (r->index != g->next_index)
        return ERR_CORRUPT;
    if (r->index - g->chunk_base == g->chunk_count * WAL_CHUNK_ENTRIES && add_chunk(g) != 0)
        return UV_ENOMEM;
    *entry_at(g, r->index) = (struct wal_entry){
        .term = r->term,
        .place = place,
        .size = r->data_size,
        .type = (uint8_t)r->type,
        .head_size = r->head_size,
    };
    g->next_index++;
    return 0;
}

/* Gives back the chunks that lie outside [first_index, next_index). */
static void trim_chunks(struct wal_group *g)
{
    if (g->first_index == g->next_index) {
        clear_entries(g, g->next_index);
        return;
    }
    size_t dead = (size_t)((g->first_index - g->chunk_base) / WAL_CHUNK_ENTRIES);
    for (size_t i = 0; i < dead; i++)
        free(g->chunks[i]);
    g->chunk_count -= dead;
    memmove(g->chunks, g->chunks + dead, g->chunk_count * sizeof *g->chunks);
    g->chunk_base += dead * WAL_CHUNK_ENTRIES;
    size_t used = (size_t)((g->next_index - 1 - g->chunk_base) / WAL_CHUNK_ENTRIES) + 1;
    while (g->chunk_count > used)
        free(g->chunks[--g->chunk_count]);
}

static void truncate_entries(struct wal_group *g, uint64_t from)
{
    if (from >= g->next_index)
        return;
    if (from <= g->first_index) {
        clear_entries(g, from);
        return;
    }
    g->next_index = from;
    trim_chunks(g);
}

static int set_heard(struct wal_group *g, struct bytes heard)
{
    if (heard.size == 0) {
        clear_heard(g);
        return 0;
    }
    uint8_t *copy = realloc(g->heard, heard.size);
    if (copy == NULL)
        return UV_ENOMEM;
    memcpy(copy, heard.data, heard.size);
    g->heard = copy;
    g->heard_size = heard.size;
    return 0;
}

/* A STATE record repeats what is known; only where older files are gone does it tell news. */
static int take_state(struct wal_group *g, struct bytes data, uint32_t file_id)
{
    struct wal_state_data s;
    log_wal_state_decode(data.data, &s);
    if (g->next_index == 0 && s.next_index != 0)
        clear_entries(g, s.next_index);
    if (g->next_index != s.next_index)
        return ERR_CORRUPT;
    g->term = s.term;
    g->voted_for = s.voted_for;
    g->snapshot_index = s.snapshot_index;
    g->snapshot_term = s.snapshot_term;
    g->state_file_id = file_id;
    return set_heard(g, bytes_of(data.data + WAL_STATE_SIZE, data.size - WAL_STATE_SIZE));
}

static void take_snapshot(struct wal_group *g, const struct wal_record *r)
{
    g->snapshot_index = r->index;
    g->snapshot_term = r->term;
    clear_entries(g, r->index + 1);
}

static int apply_to_group(struct wal_group *g, const struct wal_record *r,
                          struct wal_position place, struct bytes data)
{
    switch (r->kind) {
    case WAL_ENTRY:
        return add_entry(g, r, place);
    case WAL_VOTE:
        g->term = r->term;
        g->voted_for = r->index;
        return 0;
    case WAL_TRUNCATE:
        truncate_entries(g, r->index);
        return 0;
    case WAL_HEARD:
        return set_heard(g, data);
    case WAL_SNAPSHOT:
        take_snapshot(g, r);
        return 0;
    case WAL_STATE:
        return take_state(g, data, place.file_id);
    case WAL_DROPPED:
        clear_group(g);
        return 0;
    }
    return ERR_CORRUPT;
}

int log_wal_index_apply(struct wal_index *x, const struct wal_record *r, struct wal_position place,
                        struct bytes data)
{
    struct wal_group *g = log_wal_index_get(x, r->group.group_id);
    if (g == NULL)
        return UV_ENOMEM;
    if (g->is_known && r->kind != WAL_DROPPED) {
        if (r->group.generation < g->id.generation)
            return 0; /* of a life that is over */
        if (r->group.generation > g->id.generation)
            clear_group(g);
        else if (r->group.recovery_id != g->id.recovery_id)
            return ERR_CORRUPT;
    }
    if (!g->is_known && r->kind != WAL_DROPPED) {
        g->is_known = true;
        g->id = r->group;
        g->state_file_id = place.file_id;
    }
    return apply_to_group(g, r, place, data);
}

void log_wal_index_forget_files(struct wal_index *x, uint32_t oldest_file_id)
{
    for (size_t i = 0; i < x->count; i++) {
        struct wal_group *g = x->groups[i];
        uint64_t first = g->first_index;
        while (first < g->next_index && entry_at(g, first)->place.file_id < oldest_file_id)
            first++;
        if (first == g->first_index)
            continue;
        g->first_index = first;
        trim_chunks(g);
    }
}

void log_wal_index_settle(struct wal_index *x)
{
    for (size_t i = 0; i < x->count; i++) {
        struct wal_group *g = x->groups[i];
        g->queued_id = g->id;
        g->queued_next = g->next_index;
    }
}
