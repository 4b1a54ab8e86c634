/* Helping a replica that mends a segment: batches of ours, checked before they leave. Any replica
 * helps, whoever leads; what is asked for and when is the asker's own affair (group_repair.c). */
#include <stdlib.h>

#include "base/err.h"
#include "group_internal.h"

#define HELP_COUNT_MAX 8          /* reads under way, for all peers */
#define PIECE_SIZE_MAX (1u << 20) /* unless one batch is larger */

struct help {
    struct log_piece_read read; /* first */
    struct repl_group *group;
    struct repl_message ask;
};

static enum repl_repair_answer answer_of(int status)
{
    switch (status) {
    case 0:
        return REPL_REPAIR_HERE;
    case ERR_NEED_MORE:
        return REPL_REPAIR_NOT_YET;
    case ERR_INVALID:
        return REPL_REPAIR_DIFFERS;
    case ERR_NOT_FOUND:
    case UV_ENOENT: /* retention took it while it was read */
        return REPL_REPAIR_NOT_HERE;
    default:
        return REPL_REPAIR_DAMAGED;
    }
}

static void send_answer(struct repl_group *g, const struct repl_message *ask, int status,
                        const struct slice *piece)
{
    struct repl_message m = *ask;
    group_fill_message(g, REPL_REPAIR_PIECE, ask->from, &m);
    m.round = ask->round;
    m.partition_number = ask->partition_number;
    m.segment_version = ask->segment_version;
    m.base_offset = ask->base_offset;
    m.offset = ask->offset;
    m.position = ask->position;
    m.size = ask->size;
    m.segment_size = ask->segment_size;
    m.segment_crc = ask->segment_crc;
    m.is_sealed = ask->is_sealed;
    m.answer = (uint8_t)answer_of(status);
    group_send_message(g, NET_SHIPPING, &m, piece, piece == NULL ? 0 : 1);
}

static void on_read(struct log_piece_read *read, int status)
{
    struct help *h = (struct help *)read;
    h->group->help_count--;
    if (!group_is_over(h->group))
        send_answer(h->group, &h->ask, status, status == 0 ? &read->piece : NULL);
    slice_unref(&read->piece);
    free(h);
}

void group_help_on_ask(struct repl_group *g, const struct repl_message *m)
{
    struct help *h = g->help_count < HELP_COUNT_MAX ? calloc(1, sizeof *h) : NULL;
    if (h == NULL)
        return; /* it asks again */
    h->group = g;
    h->ask = *m;
    h->read.need = (struct log_repair_need){
        .partition_number = m->partition_number,
        .base_offset = m->base_offset,
        .position = (uint32_t)m->position,
        .offset = m->offset,
        .size_max = m->size < PIECE_SIZE_MAX ? m->size : PIECE_SIZE_MAX,
        .version = m->segment_version,
        .size_bytes = m->segment_size,
        .crc = m->segment_crc,
        .is_sealed = m->is_sealed,
    };
    int err = log_store_read_piece(g->options.store, &h->read, on_read);
    if (err == 0) {
        g->help_count++;
        return;
    }
    free(h);
    if (err == ERR_BUSY || err == UV_ENOMEM)
        return; /* it asks again */
    send_answer(g, m, err, NULL);
    if (err == ERR_NEED_MORE)
        group_checkpoint_begin(g); /* that brings it into files */
}
