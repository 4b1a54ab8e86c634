/* The operator's port: opened, told what to speak of, closed.
 *
 * Its thread is a shard of its own, without raft groups or clients: the same loop, queue and
 * posting as theirs, so that asking a shard is one post there and one back. */
#include "admin/admin.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/admin_parts.h"
#include "base/event.h"
#include "server/listen_socket.h"

#define BACKLOG 64

static void on_begin(struct work_item *item)
{
    (void)item;
    pthread_setname_np(pthread_self(), "admin");
    event_set_shard(-1);
}

static int open_thread(struct admin *a, struct err_note *note)
{
    a->shard = shard_create(REPL_SHARDS_MAX); /* behind all that can have groups */
    if (a->shard == NULL)
        return UV_ENOMEM;
    int err = admin_http_open(a, note);
    if (err != 0)
        return err;
    shard_post(a->shard, &a->begin_item, on_begin);
    return shard_start(a->shard);
}

static int open_parts(struct admin *a, struct err_note *note)
{
    const struct conf_settings *conf = a->conf;
    a->clock = clock_system();
    a->started_ms = clock_now_ms(&a->clock);
    a->guard.listen_host = conf->admin_listen.host;
    int err = 0;
    if (conf->admin_token_file[0] != '\0')
        err = guard_read_token(&a->guard, conf->admin_token_file, note);
    if (err == 0)
        err = listen_socket_open(&conf->admin_listen, "admin_listen", BACKLOG, &a->descriptor,
                                 note);
    return err;
}

int admin_start(const struct conf_settings *conf, struct admin **admin, struct err_note *note)
{
    *admin = NULL;
    if (conf->admin_listen.port == 0)
        return 0;
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL)
        return UV_ENOMEM;
    a->conf = conf;
    int err = open_parts(a, note);
    if (err == UV_EADDRINUSE && conf->lines[CONF_ID_admin_listen] == 0) {
        event_warn("admin_unavailable",
                   "listen=%s:%u reason=\"another process has this port; set "
                   "admin_listen\"",
                   conf->admin_listen.host, conf->admin_listen.port);
        free(a);
        return 0;
    }
    if (err == 0)
        err = open_thread(a, note);
    if (err != 0)
        return err; /* the process ends: what is half open goes with it */
    event_info("admin", "listen=%s:%u token=%d", conf->admin_listen.host, conf->admin_listen.port,
               a->guard.token_size > 0);
    *admin = a;
    return 0;
}

void admin_attach(struct admin *a, struct broker *b)
{
    if (a != NULL)
        atomic_store(&a->broker, b);
}

void admin_detach(struct admin *a)
{
    if (a != NULL)
        atomic_store(&a->is_stopping, true);
}

static void on_end(struct work_item *item)
{
    admin_http_close(item->data);
}

void admin_stop(struct admin *a)
{
    if (a == NULL)
        return;
    a->end_item.data = a;
    shard_post(a->shard, &a->end_item, on_end);
    shard_stop(a->shard);
    if (a->is_salvaging)
        return; /* a worker has its item, and will post it to the shard: the process ends */
    shard_destroy(a->shard);
    free(a);
}
