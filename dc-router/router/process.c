#include "router/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/client_count.h"
#include "base/event.h"
#include "base/random.h"
#include "router/admin.h"
#include "router/open_files.h"
#include "router/shard.h"

struct router_process {
    const char *path;
    pthread_mutex_t lock;       /* for `kept`, and one reload at a time */
    struct kept_settings *kept; /* in force */
    struct router_shard *shards[ROUTER_SHARDS_MAX];
    unsigned shard_count;
    struct router_admin *admin;
    struct client_count *connections; /* of all shards */
    struct clock clock;
    uint64_t started_ms;
    atomic_bool is_draining;
    struct work_item drain_items[ROUTER_SHARDS_MAX];
};

/* ---- settings ---- */

struct kept_settings *router_process_settings(struct router_process *p)
{
    pthread_mutex_lock(&p->lock);
    struct kept_settings *kept = kept_settings_claim(p->kept);
    pthread_mutex_unlock(&p->lock);
    return kept;
}

static int read_next(struct router_process *p, struct kept_settings **next, struct err_note *note)
{
    struct router_settings *read = malloc(sizeof *read);
    int err = read == NULL ? UV_ENOMEM : router_conf_load(p->path, read, note);
    if (err == 0 && read->shards == 0)
        read->shards = p->kept->values.shards; /* as many as there are cores */
    if (err == 0)
        err = kept_settings_may_follow(&p->kept->values, read, note);
    if (err == 0)
        err = router_open_files_check(read, note);
    if (err == 0) {
        *next = kept_settings_create(read, p->kept->number + 1, clock_wall_ms(&p->clock));
        err = *next == NULL ? UV_ENOMEM : 0;
    }
    free(read);
    return err;
}

/* A shard without memory for the news keeps what it has: the next reload finds it. */
static void give_to_shards(struct router_process *p)
{
    const struct router_settings *settings = &p->kept->values;
    client_count_limit(p->connections, (unsigned)settings->connections_max,
                       (unsigned)settings->connections_per_address_max);
    for (unsigned i = 0; i < p->shard_count; i++)
        if (router_shard_set(p->shards[i], p->kept) != 0)
            event_error("settings_late", "of_shard=%u reason=\"no memory\"", i);
}

int router_process_reload(struct router_process *p, struct err_note *note)
{
    struct err_note own = {0};
    struct kept_settings *next;
    struct err_note *into = note != NULL ? note : &own;
    pthread_mutex_lock(&p->lock);
    int err = read_next(p, &next, into);
    if (err == 0) {
        kept_settings_release(p->kept);
        p->kept = next;
        event_set_level((enum event_level)next->values.event_level);
        give_to_shards(p);
        event_info("settings_reloaded", "file=%s number=%llu", p->path,
                   (unsigned long long)next->number);
    } else {
        if (into->text[0] == '\0')
            err_set(into, err, "%s: %s", p->path, err_text(err));
        event_error("settings_refused", "error=%s reason=\"%s\"", err_name(err), into->text);
    }
    pthread_mutex_unlock(&p->lock);
    return err;
}

/* ---- life ---- */

static unsigned count_shards(const struct router_settings *settings)
{
    if (settings->shards > 0)
        return (unsigned)settings->shards;
    unsigned cores = uv_available_parallelism();
    return cores < ROUTER_SHARDS_MAX ? cores : ROUTER_SHARDS_MAX;
}

static int start_shards(struct router_process *p, struct err_note *note)
{
    struct random random;
    int err = 0;
    random_init_system(&random);
    uint64_t number = (random_u64(&random) >> 1) | 1;
    p->shard_count = (unsigned)p->kept->values.shards;
    p->connections = client_count_create((unsigned)p->kept->values.connections_max,
                                         (unsigned)p->kept->values.connections_per_address_max);
    if (p->connections == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < p->shard_count && err == 0; i++)
        err = router_shard_create(p->kept, i, number, p->connections, &p->shards[i], note);
    if (err == 0)
        router_shard_watch(p->shards[0], p->shards);
    return err;
}

int router_process_start(const char *path, const struct router_settings *settings,
                         struct router_process **process, struct err_note *note)
{
    struct router_settings values = *settings;
    struct router_process *p = calloc(1, sizeof *p);
    *process = p;
    if (p == NULL)
        return UV_ENOMEM;
    values.shards = count_shards(settings);
    p->path = path;
    p->clock = clock_system();
    p->started_ms = clock_now_ms(&p->clock);
    pthread_mutex_init(&p->lock, NULL);
    p->kept = kept_settings_create(&values, 1, clock_wall_ms(&p->clock));
    int err = p->kept == NULL ? UV_ENOMEM : router_open_files_check(&p->kept->values, note);
    if (err == 0)
        err = start_shards(p, note);
    return err != 0 ? err : router_admin_start(p, &p->kept->values, &p->admin, note);
}

void router_process_stop(struct router_process *p)
{
    router_admin_stop(p->admin);
    for (unsigned i = 0; i < p->shard_count; i++)
        router_shard_destroy(p->shards[i]);
    client_count_destroy(p->connections);
    kept_settings_release(p->kept);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void router_process_drain(struct router_process *p)
{
    if (atomic_exchange(&p->is_draining, true))
        return;
    for (unsigned i = 0; i < p->shard_count; i++)
        router_shard_drain(p->shards[i], &p->drain_items[i]);
}

/* ---- what others ask of it ---- */

bool router_process_is_draining(const struct router_process *p)
{
    return atomic_load(&p->is_draining);
}

bool router_process_is_drained(struct router_process *p)
{
    struct board_notes *notes = malloc(sizeof *notes);
    bool is_drained = true;
    for (unsigned i = 0; i < p->shard_count && notes != NULL; i++) {
        board_read(p->shards[i], notes);
        is_drained = is_drained && notes->is_drained;
    }
    free(notes);
    return is_drained;
}

unsigned router_process_shard_count(const struct router_process *p)
{
    return p->shard_count;
}

struct router_shard *router_process_shard(const struct router_process *p, unsigned index)
{
    return p->shards[index];
}

uint64_t router_process_started_ms(const struct router_process *p)
{
    return p->started_ms;
}
