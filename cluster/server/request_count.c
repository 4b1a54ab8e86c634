/* Plain adds: one writer, so a load and a store that nobody else's store can come between. */
#include "server/request_count.h"

#include <assert.h>
#include <stddef.h>

static void add(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, before + value, memory_order_relaxed);
}

static size_t place_of(const struct kafka_api *api)
{
    assert(kafka_api_count < REQUEST_COUNT_APIS);
    return api == NULL ? REQUEST_COUNT_APIS - 1 : (size_t)(api - kafka_apis);
}

void request_count_begun(struct request_count *count, const struct kafka_api *api)
{
    add(&count->apis[place_of(api)].begun, 1);
}

void request_count_ended(struct request_count *count, const struct kafka_api *api, bool is_closed,
                         uint64_t worked_ms)
{
    size_t place = place_of(api);
    add(is_closed ? &count->apis[place].closed : &count->apis[place].answered, 1);
    add(&count->apis[place].worked_ms, worked_ms);
}

void request_count_error(struct request_count *count, enum request_count_error_api api,
                         int16_t error_code)
{
    bool is_known = error_code > 0 && error_code < REQUEST_COUNT_ERRORS;
    if (error_code != 0)
        add(&count->errors[api][is_known ? error_code : REQUEST_COUNT_ERRORS - 1], 1);
}

void request_count_commit(struct request_count *count, enum commit_outcome outcome)
{
    add(&count->commits[outcome], 1);
}

void request_count_produced(struct request_count *count, uint32_t records, size_t bytes)
{
    add(&count->records_in, records);
    add(&count->bytes_in, bytes);
}

void request_count_fetched(struct request_count *count, size_t bytes)
{
    if (bytes > 0)
        add(&count->bytes_out, bytes);
}

void request_count_paused(struct request_count *count, enum request_count_pause why)
{
    add(&count->pauses[why], 1);
}
