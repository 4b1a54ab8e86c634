/* One try of the real path: what each answer of the node that is tried makes of it. The node is
 * played here, on a socket; what it is asked comes over the real wire. */
#include "site/try.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"
#include "protocol/error.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

#define FRAME_BYTES_MAX 4096
#define LONG_MS         60000

/* The node under test is its own target. */
struct world {
    struct broker broker;
    uv_loop_t loop;
    struct site_record newest;
    struct site_try way;
    int listening, far;
    bool is_over;
    enum router_stage stage; /* that the try ended with */
    /* how the far end answers */
    bool is_leader;
    bool is_leaderless; /* it knows nobody who leads */
    int16_t produce_error, commit_error, fetch_error;
    bool is_commit_unanswered;
    int32_t preferred_replica;
    unsigned commits, fetches;
    char rack[32]; /* of the newest fetch */
};

static int64_t wall_ms;

static int64_t read_wall_ms(void *data)
{
    (void)data;
    return wall_ms;
}

static bool knows_topic(struct broker *b)
{
    (void)b;
    return true;
}

static bool is_led_here;
static struct site_pace pace_of_tries;

static bool knows_leader(struct broker *b, int32_t partition)
{
    (void)b;
    return is_led_here && partition == 0;
}

static uint32_t is_own_coordinator(struct broker *b, const char *group, size_t size)
{
    cr_assert(site_is_canarys(group, size));
    return (uint32_t)b->conf.node_id;
}

static const struct site_try_known known = {
    .has_topic = knows_topic, .is_led = knows_leader, .coordinator = is_own_coordinator};

static void on_tried(void *data, enum router_stage stage)
{
    struct world *w = data;
    cr_assert(!w->is_over, "a try ends once");
    w->is_over = true;
    w->stage = stage;
}

TestSuite(cluster_site_try, .timeout = 60);

static void begin(struct world *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    *w = (struct world){.far = -1, .is_leader = true, .preferred_replica = -1};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->listening = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(w->listening, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(w->listening, 1), 0);
    cr_assert_eq(getsockname(w->listening, (struct sockaddr *)&address, &size), 0);
    is_led_here = true;
    pace_of_tries = (struct site_pace){.try_ms = LONG_MS};
    conf_init(&w->broker.conf);
    w->broker.clock = clock_system();
    w->broker.clock.wall_ms = read_wall_ms;
    wall_ms = 1700000000000;
    w->broker.conf.node_id = 1;
    strcpy(w->broker.conf.site, "a");
    strcpy(w->broker.conf.listen.host, "0.0.0.0");
    w->broker.conf.listen.port = ntohs(address.sin_port);
    uv_loop_init(&w->loop);
    w->way = (struct site_try){.broker = &w->broker,
                               .known = &known,
                               .loop = &w->loop,
                               .node_id = 1,
                               .newest = &w->newest,
                               .data = w};
}

static void end(struct world *w)
{
    site_try_stop(&w->way);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&w->loop), 0, "all of it is gone");
    close(w->listening);
    close(w->far);
}

/* ---- the far end ---- */

static void give(struct world *w, const struct kafka_request_header *header, const void *message)
{
    struct kafka_writer writer;
    uint8_t frame[FRAME_BYTES_MAX];
    kafka_writer_init(&writer, sizeof frame);
    kafka_response_header_encode(&writer, header->api, header->api_version, header->correlation_id);
    cr_assert_eq(header->api->response.encode(&writer, header->api_version, message), 0);
    cr_assert_eq(kafka_writer_finish(&writer), 0);
    size_t used = kafka_writer_copy(&writer, frame, sizeof frame);
    cr_assert_eq(send(w->far, frame, used, 0), (ssize_t)used);
    kafka_writer_close(&writer);
}

static void give_metadata(struct world *w, const struct kafka_request_header *header)
{
    struct kafka_metadata_response_partition partition;
    struct kafka_metadata_response_topic topic;
    struct kafka_metadata_response message;
    kafka_metadata_response_init(&message);
    kafka_metadata_response_topic_init(&topic);
    kafka_metadata_response_partition_init(&partition);
    partition.leader_id = w->is_leaderless ? -1 : w->is_leader ? 1 : 2;
    partition.error_code = w->is_leaderless ? KAFKA_ERROR_LEADER_NOT_AVAILABLE : 0;
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.topics = &topic;
    message.topics_count = 1;
    give(w, header, &message);
}

static void give_produced(struct world *w, const struct kafka_request_header *header)
{
    struct kafka_produce_response_partition partition;
    struct kafka_produce_response_topic topic;
    struct kafka_produce_response message;
    kafka_produce_response_init(&message);
    kafka_produce_response_topic_init(&topic);
    kafka_produce_response_partition_init(&partition);
    partition.error_code = w->produce_error;
    partition.base_offset = 7;
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.topics = &topic;
    message.topics_count = 1;
    give(w, header, &message);
}

static void give_committed(struct world *w, const struct kafka_request_header *header)
{
    struct kafka_offset_commit_response_partition partition;
    struct kafka_offset_commit_response_topic topic;
    struct kafka_offset_commit_response message;
    w->commits++;
    if (w->is_commit_unanswered)
        return;
    kafka_offset_commit_response_init(&message);
    kafka_offset_commit_response_topic_init(&topic);
    kafka_offset_commit_response_partition_init(&partition);
    partition.error_code = w->commit_error;
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.topics = &topic;
    message.topics_count = 1;
    give(w, header, &message);
}

static void give_fetched(struct world *w, const struct kafka_request_header *header,
                         const struct kafka_fetch_request *request)
{
    static const uint8_t records[61]; /* what is in them nobody looks at */
    const struct slice slice = {.bytes = bytes_of(records, sizeof records)};
    struct kafka_fetch_response_partition partition;
    struct kafka_fetch_response_topic topic;
    struct kafka_fetch_response message;
    bool has_records = w->fetch_error == 0 && w->preferred_replica < 0;
    w->fetches++;
    snprintf(w->rack, sizeof w->rack, "%.*s", request->rack_id.size > 0 ? request->rack_id.size : 0,
             request->rack_id.data);
    kafka_fetch_response_init(&message);
    kafka_fetch_response_topic_init(&topic);
    kafka_fetch_response_partition_init(&partition);
    partition.error_code = w->fetch_error;
    partition.preferred_read_replica = w->preferred_replica;
    partition.records.items = &slice;
    partition.records.count = has_records ? 1 : 0;
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.topics = &topic;
    message.topics_count = 1;
    give(w, header, &message);
}

static void give_answer(struct world *w, struct bytes frame)
{
    struct kafka_request_header header;
    struct kafka_arena arena;
    struct kafka_reader r = kafka_reader_of(frame);
    kafka_arena_init(&arena, 1 << 20);
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    void *request = kafka_arena_allocate(&arena, header.api->request.size);
    cr_assert_eq(header.api->request.decode(&r, header.api_version, &arena, request), 0);
    if (header.api_key == KAFKA_API_METADATA)
        give_metadata(w, &header);
    else if (header.api_key == KAFKA_API_PRODUCE)
        give_produced(w, &header);
    else if (header.api_key == KAFKA_API_OFFSET_COMMIT)
        give_committed(w, &header);
    else
        give_fetched(w, &header, request);
    kafka_arena_close(&arena);
}

/* Requests leave whole: they are small. */
static void serve(struct world *w)
{
    uint8_t frame[FRAME_BYTES_MAX];
    if (w->far < 0)
        w->far = accept4(w->listening, NULL, NULL, SOCK_NONBLOCK);
    if (w->far < 0 || recv(w->far, frame, 4, MSG_PEEK) != 4)
        return;
    uint32_t size = 4 + bytes_get_be32(frame);
    cr_assert_lt(size, sizeof frame);
    if (recv(w->far, frame, size, MSG_PEEK) != (ssize_t)size)
        return;
    cr_assert_eq(recv(w->far, frame, size, 0), (ssize_t)size);
    give_answer(w, bytes_of(frame + 4, size - 4));
}

static enum router_stage try_it(struct world *w)
{
    w->is_over = false;
    fcntl(w->listening, F_SETFL, O_NONBLOCK);
    site_try_start(&w->way, clock_now_ms(&w->broker.clock), pace_of_tries, on_tried);
    while (!w->is_over && w->commits * w->is_commit_unanswered == 0) {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        serve(w);
    }
    return w->stage;
}

/* What failed has closed its connection. */
static enum router_stage try_it_again(struct world *w)
{
    close(w->far);
    w->far = -1;
    return try_it(w);
}

/* ---- tests ---- */

Test(cluster_site_try, goes_well_where_a_record_is_produced_an_offset_committed_and_both_are_read)
{
    struct world w;
    begin(&w);
    cr_assert_eq(try_it(&w), ROUTER_STAGE_NONE);
    cr_assert_eq(w.commits, 1);
    cr_assert_eq(w.fetches, 1);
    cr_assert_str_eq(w.rack, "", "a leader would send it to a nearer replica");
    wall_ms += 999;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_NONE);
    cr_assert_eq(w.commits, 1, "it is not due again yet");
    wall_ms++;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_NONE);
    cr_assert_eq(w.commits, 2, "once in a second, when all nodes' are due");
    end(&w);
}

Test(cluster_site_try, fails_at_the_commit_that_is_refused)
{
    struct world w;
    begin(&w);
    w.commit_error = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_COMMIT);
    cr_assert_eq(w.fetches, 0);
    end(&w);
}

Test(cluster_site_try, fails_at_the_commit_that_is_not_answered_in_time)
{
    struct world w;
    begin(&w);
    w.is_commit_unanswered = true;
    try_it(&w);
    cr_assert(!w.is_over);
    site_try_tick(&w.way, UINT64_MAX);
    cr_assert(w.is_over);
    cr_assert_eq(w.stage, ROUTER_STAGE_COMMIT);
    end(&w);
}

/* A commit that is under way when its time is over. */
static void hang_at_commit(struct world *w, struct site_pace pace)
{
    begin(w);
    w->is_commit_unanswered = true;
    pace_of_tries = pace;
    try_it(w);
    cr_assert(!w->is_over);
}

Test(cluster_site_try, has_longer_where_this_node_stood_still_and_read_nothing)
{
    struct world w;
    hang_at_commit(&w, (struct site_pace){.try_ms = LONG_MS});
    uint64_t deadline_ms = w.way.deadline_ms;
    site_try_put_off(&w.way, 2000);
    site_try_tick(&w.way, deadline_ms + 1999);
    cr_assert(!w.is_over);
    site_try_tick(&w.way, deadline_ms + 2000);
    cr_assert_eq(w.stage, ROUTER_STAGE_COMMIT);
    site_try_put_off(&w.way, 2000);
    cr_assert_eq(w.way.deadline_ms, deadline_ms + 2000, "it is over");
    end(&w);
}

Test(cluster_site_try, of_a_node_that_is_too_far_away_for_all_of_it_only_asks_for_an_answer)
{
    struct world w;
    hang_at_commit(&w, (struct site_pace){.try_ms = LONG_MS, .is_far = true});
    site_try_tick(&w.way, UINT64_MAX);
    cr_assert(w.is_over);
    cr_assert_eq(w.stage, ROUTER_STAGE_NONE);
    cr_assert_null(w.way.wire, "what it answers late is not for the next try");
    w.is_over = false;
    site_try_start(&w.way, 0, (struct site_pace){.try_ms = LONG_MS, .is_far = true}, on_tried);
    site_try_tick(&w.way, UINT64_MAX);
    cr_assert_eq(w.stage, ROUTER_STAGE_CONNECT);
    end(&w);
}

Test(cluster_site_try, does_not_blame_who_has_just_ceased_to_coordinate)
{
    struct world w;
    begin(&w);
    w.commit_error = KAFKA_ERROR_NOT_COORDINATOR;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_NONE);
    cr_assert_eq(w.fetches, 1);
    end(&w);
}

Test(cluster_site_try, fails_at_the_record_that_is_refused)
{
    struct world w;
    begin(&w);
    w.produce_error = KAFKA_ERROR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_PRODUCE);
    end(&w);
}

Test(cluster_site_try, does_not_blame_who_has_just_ceased_to_lead)
{
    struct world w;
    begin(&w);
    w.produce_error = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    cr_assert_eq(try_it(&w), SITE_TRY_UNSURE);
    w.way.moved_since_ms -= 1000;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_PRODUCE, "it still says that it leads");
    w.produce_error = 0;
    w.fetch_error = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    w.way.moved_since_ms = 0;
    cr_assert_eq(try_it_again(&w), SITE_TRY_UNSURE);
    w.fetch_error = 0;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_NONE);
    cr_assert_eq(w.way.moved_since_ms, 0);
    end(&w);
}

/* What a node answers that follows. */
static enum router_stage try_follower(int16_t fetch_error, int32_t preferred)
{
    static struct world w;
    begin(&w);
    w.is_leader = false;
    w.fetch_error = fetch_error;
    w.preferred_replica = preferred;
    w.newest = (struct site_record){.offset = 7, .at_ms = clock_now_ms(&w.broker.clock)};
    enum router_stage stage = try_it(&w);
    cr_assert_eq(w.fetches, 1);
    cr_assert_str_eq(w.rack, "a", "else a follower refuses whatever it has");
    end(&w);
    return stage;
}

Test(cluster_site_try, asks_a_follower_as_a_consumer_may_and_does_not_judge_how_far_it_lags)
{
    cr_assert_eq(try_follower(0, -1), ROUTER_STAGE_NONE);
    cr_assert_eq(try_follower(KAFKA_ERROR_OFFSET_NOT_AVAILABLE, -1), ROUTER_STAGE_NONE);
    cr_assert_eq(try_follower(KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1), ROUTER_STAGE_NONE,
                 "it has no replica");
    cr_assert_eq(try_follower(0, 2), ROUTER_STAGE_NONE, "it has just become the leader");
    cr_assert_eq(try_follower(KAFKA_ERROR_KAFKA_STORAGE_ERROR, -1), ROUTER_STAGE_FETCH);
}

/* So does one that its clients reach and its peers don't, and that led nothing before. */
Test(cluster_site_try, fails_where_nobody_is_known_to_lead_whom_others_know)
{
    struct world w;
    begin(&w);
    w.is_leaderless = true;
    cr_assert_eq(try_it(&w), SITE_TRY_UNSURE, "it may just be the last to hear");
    w.way.lacked_since_ms -= 500;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_PRODUCE);
    is_led_here = false;
    cr_assert_eq(try_it_again(&w), ROUTER_STAGE_NONE, "nobody knows");
    is_led_here = true;
    cr_assert_eq(try_it(&w), SITE_TRY_UNSURE, "it begins anew");
    w.is_leaderless = false;
    cr_assert_eq(try_it(&w), ROUTER_STAGE_NONE);
    cr_assert_eq(w.way.lacked_since_ms, 0);
    end(&w);
}
