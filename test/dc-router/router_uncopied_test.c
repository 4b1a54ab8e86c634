/* Record bytes go through a router uncopied: what is written to a node, or to a client, lies in the
 * buffer that it came in. Seen where the router gives it to libuv. */
#include <dlfcn.h>
#include <string.h>

#include "router/fetch_parts.h"
#include "router_requests.h"
#include "router_stage.h"

#define RECORD_BYTES 30000
#define RECORD_BYTE  0x5a

TestSuite(router_uncopied, .init = open_world, .fini = close_world);

static const uint8_t *looked_for; /* NULL: nothing */
static unsigned found_count; /* how often exactly these bytes were written from where they lie */

int uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t *buffers, unsigned count,
             uv_write_cb cb)
{
    static int (*real)(uv_write_t *, uv_stream_t *, const uv_buf_t *, unsigned, uv_write_cb);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "uv_write");
    for (unsigned i = 0; looked_for != NULL && i < count; i++)
        found_count += buffers[i].base == (const char *)looked_for &&
                       buffers[i].len == RECORD_BYTES;
    return real(write, stream, buffers, count, cb);
}

static uint8_t records[RECORD_BYTES];

static void make_records(void)
{
    memset(records, RECORD_BYTE, sizeof records);
    memset(records, 0, 61); /* a batch's header; nodes here don't look */
    records[16] = 2;
    found_count = 0;
}

static const uint8_t *find_records(struct bytes in)
{
    const uint8_t *found = memmem(in.data, in.size, records, sizeof records);
    cr_assert_not_null(found);
    return found;
}

/* The router has it, and no node answers: it can't go yet. */
static void send_held_batch(void)
{
    struct kafka_produce_request_partition partition;
    kafka_produce_request_partition_init(&partition);
    partition.records = bytes_of(records, sizeof records);
    set_leader(0, -1);
    world_send_produce(&client, 3000, &partition, 1);
    for (int i = 0; i < 100 && w.shard.clients->first == NULL; i++)
        world_settle(&w);
    cr_assert_not_null(w.shard.clients->first);
    cr_assert_eq(count_at(1), 0);
}

Test(router_uncopied, a_batch_goes_to_its_leader_out_of_the_clients_frame)
{
    make_records();
    send_held_batch();
    looked_for = find_records(w.shard.clients->first->frame.bytes);
    set_leader(0, 1);
    world_pass_ms(&w, 500);
    cr_assert_eq(found_count, 1);
    const struct kafka_produce_request *m = world_call(&w, 1, 0)->message;
    cr_assert(
        bytes_is_equal(m->topics[0].partitions[0].records, bytes_of(records, sizeof records)));
    looked_for = NULL;
}

static void answer(int32_t node, int32_t partition, struct bytes bytes)
{
    struct kafka_fetch_response_partition from;
    struct slice slice = {.bytes = bytes};
    kafka_fetch_response_partition_init(&from);
    from.partition_index = partition;
    from.high_watermark = 100;
    from.records = (struct kafka_slices){.items = &slice, .count = 1};
    world_answer_fetch(&w, node, 0, &from);
}

static const struct fetch_call *call_that_is_back(void)
{
    for (int i = 0; i < 100; i++) {
        for (const struct fetch_call *c = w.shard.clients->fetches->calls; c != NULL; c = c->next)
            if (c->is_back)
                return c;
        world_settle(&w);
    }
    return NULL;
}

/* What the second node brings comes while nobody waits, so that it can be seen where it lies. */
Test(router_uncopied, what_a_node_has_read_goes_to_the_client_out_of_its_answer)
{
    make_records();
    world_send_fetch_of_two(&client, 5, 6, 500);
    cr_assert_eq(count_at(2), 1);
    answer(1, 0, bytes_of_text("abc"));
    cr_assert_not_null(world_fetch_answer(&client));
    answer(2, 1, bytes_of(records, sizeof records));
    const struct fetch_call *call = call_that_is_back();
    cr_assert_not_null(call);
    looked_for = find_records(call->answer.bytes);
    world_send_fetch_of_two(&client, 8, 6, 500);
    const struct kafka_fetch_response *got = NULL;
    for (int i = 0; i < 100 && got == NULL; i++)
        got = world_fetch_answer(&client);
    cr_assert_not_null(got);
    cr_assert_eq(found_count, 1);
    cr_assert_eq(got->topics[0].partitions[1].records.items[0].bytes.size, sizeof records);
    looked_for = NULL;
}
