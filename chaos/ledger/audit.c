/* An operation for each partition of a group, one question for all. */
#include "audit.h"

#include <stdlib.h>
#include <string.h>

#include "note.h"
#include "wire_group.h"

struct audit *audit_create(struct process *process, const struct options_node *node,
                           const char *topic, int32_t partition_count)
{
    struct audit *a = malloc(sizeof *a);
    uint64_t *ids = calloc((size_t)partition_count, sizeof *ids);
    if (a == NULL || ids == NULL) {
        free(a);
        free(ids);
        return NULL;
    }
    a->process = process;
    a->topic = topic;
    a->partition_count = partition_count;
    a->node_id = node->id;
    a->ids = ids;
    wire_init(&a->asked, node->address);
    wire_init(&a->coordinator, "");
    return a;
}

void audit_destroy(struct audit *a)
{
    wire_close(&a->asked);
    wire_close(&a->coordinator);
    free(a->ids);
    free(a);
}

static void begin(struct audit *a)
{
    int64_t at_us = now_us();
    for (int32_t p = 0; p < a->partition_count; p++)
        a->ids[p] = note_offset_fetch(a->process, at_us, a->group, (struct note_place){a->topic, p},
                                      a->node_id);
}

static void end(struct audit *a, int32_t partition, const struct note_end *how)
{
    if (partition < 0 || partition >= a->partition_count || a->ids[partition] == 0)
        return; /* not asked for, or said twice */
    note_offset_fetch_end(a->process, now_us(), a->ids[partition], a->group,
                          (struct note_place){a->topic, partition}, a->node_id, how);
    a->ids[partition] = 0;
}

static void on_offset(void *data, int32_t partition, int64_t offset, int32_t epoch,
                      const char *error)
{
    struct note_end how = {.outcome = error == NULL ? NOTE_OK : NOTE_FAIL,
                           .error = error,
                           .offset = offset,
                           .epoch = offset >= 0 && epoch >= 0 ? epoch : NOTE_NONE};
    end(data, partition, &how);
}

/* The connection to the address, kept from one question to the next. */
static struct wire_connection *connection_to(struct audit *a, const char *address)
{
    if (strcmp(a->asked.address, address) == 0)
        return &a->asked;
    if (strcmp(a->coordinator.address, address) != 0) {
        wire_close(&a->coordinator);
        wire_init(&a->coordinator, address);
    }
    return &a->coordinator;
}

static int ask(struct audit *a, int timeout_ms, const char **error)
{
    char address[WIRE_ADDRESS_BYTES];
    if (wire_find_coordinator(&a->asked, a->group, timeout_ms, address, error) < 0)
        return -1;
    return wire_offset_fetch(connection_to(a, address), a->group, a->topic, a->partition_count,
                             timeout_ms, on_offset, a, error);
}

int audit_group(struct audit *a, const char *group, int timeout_ms)
{
    struct note_end failed = {.outcome = NOTE_FAIL, .error = "not_answered"};
    a->group = group;
    begin(a);
    int err = ask(a, timeout_ms, &failed.error);
    for (int32_t p = 0; p < a->partition_count; p++)
        if (a->ids[p] != 0) {
            end(a, p, &failed);
            err = -1;
        }
    return err;
}
