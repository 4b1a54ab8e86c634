/* InitProducerId: an id for an idempotent producer (KIP-98, KIP-360).
 *
 * Ids come from blocks that group 0 hands out, so no id is given twice, whichever node answers
 * and whatever failed (invariant 13); what is left of a block when a node stops is never used.
 * A transactional id is refused with an error that is final for every client. */
#include <pthread.h>

#include "error_code.h"
#include "request/change_list.h"

#define TIMEOUT_MS 10000

/* The rest of this process's current block. */
static struct {
    pthread_mutex_t lock;
    int64_t next, end;
} block = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t take_from_block(void)
{
    int64_t id = -1;
    pthread_mutex_lock(&block.lock);
    if (block.next < block.end)
        id = block.next++;
    pthread_mutex_unlock(&block.lock);
    return id;
}

/* Two requests may fetch a block each: the first one's rest is then given up. */
static void set_block(int64_t first)
{
    pthread_mutex_lock(&block.lock);
    if (first >= block.end) {
        block.next = first;
        block.end = first + METADATA_PRODUCER_ID_BLOCK;
    }
    pthread_mutex_unlock(&block.lock);
}

static void answer(struct request *r, int16_t error_code, int64_t producer_id)
{
    struct kafka_init_producer_id_response response;
    kafka_init_producer_id_response_init(&response);
    response.error_code = error_code;
    response.producer_id = producer_id;
    response.producer_epoch = producer_id < 0 ? -1 : 0;
    request_answer(r, &response);
}

static void on_block(struct change_list *list)
{
    const struct change_item *item = list->response;
    int16_t error_code = *item->error_code;
    if (error_code == KAFKA_ERROR_NONE)
        set_block(item->change.result.first_producer_id);
    int64_t id = take_from_block();
    if (id >= 0)
        answer(list->request, KAFKA_ERROR_NONE, id);
    else
        answer(list->request, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS, -1); /* retriable */
}

static void fetch_block(struct request *r)
{
    struct change_list *list = request_allocate(r, sizeof *list);
    struct change_item *item = request_allocate(r, sizeof *item);
    int16_t *error_code = request_allocate(r, sizeof *error_code);
    struct metadata_change change = {.kind = METADATA_PRODUCER_IDS};
    if (list == NULL || item == NULL || error_code == NULL) {
        request_close_connection(r, "out of memory");
        return;
    }
    change_list_begin(list, r, item, on_block);
    item->exists_code = item->invalid_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    item->error_code = error_code;
    *error_code = change_list_send(list, item, &change, TIMEOUT_MS, error_code);
    item->error_code = error_code;
    change_list_end(list);
}

void request_handle_init_producer_id(struct request *r)
{
    const struct kafka_init_producer_id_request *message = r->message;
    if (!kafka_string_is_null(message->transactional_id)) {
        answer(r,
               message->transactional_id.size == 0
                   ? KAFKA_ERROR_INVALID_REQUEST
                   : KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
               -1);
        return;
    }
    if ((message->producer_id < 0) != (message->producer_epoch < 0)) {
        answer(r, KAFKA_ERROR_INVALID_REQUEST, -1);
        return;
    }
    int64_t id = take_from_block();
    if (id >= 0)
        answer(r, KAFKA_ERROR_NONE, id);
    else
        fetch_block(r);
}
