/* Puts a node together.
 *
 * Everything is opened before the shards run, so that no object is ever half there: WAL, stores,
 * replicas, then links and listeners. */
#include "node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/machine.h"
#include "controller.h"
#include "upkeep/disk_watch.h"
#include "start/folders.h"
#include "start/founding_peers.h"
#include "start/founding_phase.h"
#include "membership/forecast.h"
#include "membership/home.h"
#include "membership/lag.h"
#include "start/recovery.h"
#include "membership/level.h"
#include "server/listener.h"
#include "node_parts.h"
#include "membership/node_peers.h"
#include "membership/rebuild.h"
#include "membership/recovered.h"
#include "membership/returning.h"
#include "site/board.h"
#include "site/canary.h"
#include "site/drive.h"

#define MEMORY_OVER_WAL 16 /* with so many times the WAL's files its pages are in nobody's way */

/* ---- opening ---- */

/* The page cache is for what is read again. The WAL's files, each written in turn, fill it where
 * it is small, and push out all else. */
static void spare_memory(struct broker *b)
{
    uint64_t memory_bytes = machine_memory_bytes();
    uint64_t wal_bytes = (uint64_t)(b->conf.wal_kept_bytes + 2 * b->conf.wal_file_bytes);
    bool is_short = memory_bytes / MEMORY_OVER_WAL < wal_bytes;
    if (is_short)
        disk_system_spare_memory(&b->disk);
    if (is_short && broker_wal_has_own_disk(b))
        disk_system_spare_memory(&b->wal_disk);
    event_info("memory_seen", "memory_bytes=%llu page_cache=%s", (unsigned long long)memory_bytes,
               is_short ? "spared" : "used");
}

static int open_folders(struct node *n, struct err_note *note)
{
    struct broker *b = &n->broker;
    struct folders folders;
    struct random random;
    int err = folders_open(&b->conf, &folders, note);
    if (err != 0)
        return err;
    b->disk = folders.data;
    b->wal_disk = folders.wal;
    n->lock_descriptor = folders.lock_descriptor;
    spare_memory(b);
    random_init_system(&random);
    return identity_open(&b->disk, &b->wal_disk, b->conf.cluster_name, (uint32_t)b->conf.node_id,
                         &random, &n->identity, note);
}

static int open_pools(struct broker *b)
{
    b->wal_writer = work_pool_create("wal", 1);
    b->readers = work_pool_create("disk", (unsigned)b->conf.disk_threads);
    return b->wal_writer == NULL || b->readers == NULL ? UV_ENOMEM : 0;
}

static unsigned shard_count_of(const struct conf_settings *conf)
{
    if (conf->shards > 0)
        return (unsigned)conf->shards;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1)
        return 1;
    return cores < REPL_SHARDS_MAX ? (unsigned)cores : REPL_SHARDS_MAX;
}

static void on_application(void *data, uint32_t from_node_id, struct bytes message,
                           struct buffer *owner)
{
    struct node *n = data;
    (void)owner;
    if (message.size > 0 && message.data[0] == BROKER_MESSAGE_LEVEL)
        level_on_message(&n->broker, message);
    else if (message.size > 0 && message.data[0] == BROKER_MESSAGE_LAG)
        lag_on_message(&n->broker, from_node_id, message);
    else if (message.size > 0 && message.data[0] == BROKER_MESSAGE_HOME)
        home_on_message(&n->broker, message);
    else if (message.size > 0 && message.data[0] == BROKER_MESSAGE_SITES)
        site_on_message(&n->broker, from_node_id, message);
    else if (message.size > 0 && message.data[0] == BROKER_MESSAGE_RECOVERED)
        recovered_on_message(&n->broker, from_node_id, message);
    else
        controller_on_message(n->broker.controller, from_node_id, message);
}

static int open_shards(struct node *n)
{
    struct broker *b = &n->broker;
    b->shard_count = shard_count_of(&b->conf);
    n->client_shards = calloc(b->shard_count, sizeof *n->client_shards);
    if (n->client_shards == NULL)
        return UV_ENOMEM;
    b->clients = n->client_shards;
    for (unsigned i = 0; i < b->shard_count; i++) {
        b->shards[i] = shard_create(i);
        if (b->shards[i] == NULL)
            return UV_ENOMEM;
        n->shards[i].node = n;
        n->shards[i].shard = b->shards[i];
        n->client_shards[i].broker = b;
        n->client_shards[i].shard = b->shards[i];
        n->client_shards[i].ticked_slot = clock_now_ms(&b->clock) / DEADLINE_SLOT_MS;
    }
    return 0;
}

/* Who comes back after a forced recovery hears of it before anything else. */
static void on_hello(void *data, const struct peer_identity *peer)
{
    struct broker *b = data;
    controller_on_hello(b->controller, peer);
    recovered_tell(b, peer->node_id);
}

static int open_links(struct node *n, struct err_note *note)
{
    struct broker *b = &n->broker;
    struct peer_identity self;
    struct peer_address addresses[REPL_NODES_MAX];
    founding_peer_identity(&b->conf, &n->identity, &self);
    struct peer_links_options options = {
        .listen_host = b->conf.peer_listen.host,
        .listen_port = b->conf.peer_listen.port,
        .peers = addresses,
        .peer_count = founding_peer_addresses(&b->conf, addresses),
        .window_bytes = (size_t)b->conf.peer_window_bytes,
        .reconnect_ms = 20,
        .on_hello = on_hello,
        .hello_data = b,
    };
    int err = peer_links_create(&options, &self, b->shards, b->shard_count, &b->links, note);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < b->shard_count; i++) {
        repl_node_set_shard(b->node, i, peer_links_net(b->links, i), shard_work(b->shards[i]));
        peer_links_set_handler(b->links, i, repl_node_handler(b->node, i));
    }
    return 0;
}

static int open_repl_node(struct node *n)
{
    struct broker *b = &n->broker;
    struct repl_node_options options = {
        .node_id = n->identity.node_id,
        .incarnation = n->identity.incarnation,
        .clock = &b->clock,
        .random = &b->node_random,
        .heartbeat_ms = (unsigned)b->conf.heartbeat_ms,
        .gone_ms = (unsigned)b->conf.gone_ms,
        .settle_ms = (unsigned)b->conf.leader_return_quiet_ms,
        .return_every_ms = (unsigned)b->conf.leader_return_interval_ms,
        .freeze_ms_max = (unsigned)b->conf.leader_return_freeze_ms,
        .peer_window_bytes = (size_t)b->conf.peer_window_bytes,
        .ship_bytes_per_second = (uint64_t)b->conf.ship_bytes_per_second,
        .ship_compression = (enum repl_ship_compression)b->conf.ship_compression,
        .on_application = on_application,
        .application_data = n,
    };
    bytes_copy_text(options.site, sizeof options.site, b->conf.site);
    return repl_node_create(&options, &b->node);
}

/* A rebuilt node begins with no replica: its groups wait to be brought in. */
static void note_founders(struct node *n)
{
    if (n->identity.is_rebuilt)
        return;
    for (unsigned i = 0; i < n->identity.founder_count && i < REPL_MEMBERS_MAX; i++) {
        const struct identity_founder *from = &n->identity.founders[i];
        struct repl_member *into = &n->founders[n->founder_count++];
        into->raft_id = repl_raft_id(from->node_id, from->incarnation);
        memcpy(into->site, from->site, sizeof into->site);
        into->is_voter = true;
    }
}

/* ---- storage ---- */

static const struct work *home_of(void *data, uint32_t group_id)
{
    return shard_work(node_shard_of(data, group_id));
}

static int open_scrubber(struct node *n)
{
    struct broker *b = &n->broker;
    struct log_scrubber_options options = {
        .clock = &b->clock,
        .interval_ms = (uint64_t)b->conf.scrub_interval_ms,
        .bytes_per_second = (uint64_t)b->conf.scrub_bytes_per_second,
    };
    b->scrubber = log_scrubber_create(&options);
    for (unsigned i = 0; i < b->group_count && b->scrubber != NULL; i++)
        log_store_set_scrubber(n->stores[i], b->scrubber);
    return b->scrubber == NULL ? UV_ENOMEM : 0;
}

/* From here on it is known which incarnation this is. */
static int open_storage(struct node *n, struct err_note *note)
{
    struct broker *b = &n->broker;
    n->founded_group_count = 1 + n->identity.groups_per_node * n->identity.founder_count;
    b->group_count = n->founded_group_count < n->identity.group_count ? n->identity.group_count
                                                                      : n->founded_group_count;
    if (b->group_count > METADATA_GROUPS_MAX)
        return err_set(note, ERR_INVALID, "%u raft groups are more than %u", b->group_count,
                       METADATA_GROUPS_MAX);
    random_init_system(&b->node_random);
    b->life = random_u64(&b->node_random) | 1;
    b->folders = log_folders_create();
    if (b->folders == NULL)
        return UV_ENOMEM;
    struct storage_options options = {
        .disk = &b->disk,
        .wal_disk = &b->wal_disk,
        .wal = {.directory = FOLDERS_WAL_NAME,
                .file_size_bytes = (uint64_t)b->conf.wal_file_bytes,
                .queue_bytes_max = (uint64_t)b->conf.wal_queue_bytes_max,
                .kept_bytes_max = (uint64_t)b->conf.wal_kept_bytes,
                .cluster_id = {n->identity.cluster_id[0], n->identity.cluster_id[1]},
                .clock = &b->clock},
        .writer = work_pool_work(b->wal_writer),
        .readers = work_pool_work(b->readers),
        .home = home_of,
        .data = b,
        .folders = b->folders,
        .group_count = b->group_count,
        .founders = n->founders,
        .founder_count = n->founder_count,
        .first_later_group_id = n->founded_group_count,
        .random = &b->node_random,
    };
    int err = recovery_run(&options, &n->identity, &b->clock, NULL, &b->recovery_report, note);
    if (err == 0)
        err = storage_open(&options, &n->identity, &b->wal, n->stores, &n->storage, note);
    b->incarnation = n->identity.incarnation;
    if (err == 0)
        err = open_scrubber(n);
    return err == 0 ? rebuild_create(b, &n->storage, &b->rebuild) : err;
}

/* ---- starting ---- */

static int open_parts(struct node *n, struct err_note *note)
{
    struct broker *b = &n->broker;
    struct router_judge_options judging = router_judge_options_default();
    int err = metadata_create(&b->metadata);
    if (err == 0)
        err = open_pools(b);
    if (err == 0)
        err = open_shards(n);
    note_founders(n);
    if (err == 0)
        err = open_storage(n, note);
    if (err == 0)
        err = controller_create(b, &b->controller);
    if (err == 0)
        err = lag_board_create(&b->lag);
    if (err == 0)
        err = forecast_board_create(&b->forecasts);
    if (err == 0)
        err = site_board_create(&judging, &b->sites);
    if (err == 0)
        err = site_canary_create(b, &b->canary);
    if (err == 0)
        err = open_repl_node(n);
    if (err == 0)
        err = open_links(n, note);
    if (err == 0)
        err = node_groups_open(n, note);
    if (err == 0)
        err = returning_look(b, note);
    if (err == 0)
        err = disk_watch_create(b, n->lock_descriptor, &b->disk_watch);
    if (err == 0)
        node_peers_sync(b); /* as far as the checkpoint knows them */
    if (err == 0)
        err = listener_open(b, n->client_shards, &n->listener, note);
    return err == 0 ? node_run(n) : err;
}

int node_start(const struct conf_settings *conf, const atomic_bool *should_stop, struct node **node,
               struct err_note *note)
{
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL)
        return UV_ENOMEM;
    n->broker.conf = *conf;
    n->broker.clock = clock_system();
    int err = open_folders(n, note);
    if (err == 0 && n->identity.state != IDENTITY_FOUNDED)
        err = founding_phase_run(conf, &n->broker.disk, &n->identity, should_stop, note);
    if (err == 0) {
        memcpy(n->broker.cluster_id, n->identity.cluster_id, sizeof n->broker.cluster_id);
        uint64_t since_ms = clock_now_ms(&n->broker.clock);
        err = open_parts(n, note);
        n->broker.start_took_ms = (int64_t)(clock_now_ms(&n->broker.clock) - since_ms);
    }
    if (err != 0)
        return err; /* the process ends: what is half open goes with it */
    *node = n;
    return 0;
}
