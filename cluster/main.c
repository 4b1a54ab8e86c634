/* trilogd: reads its configuration, opens or founds its node, serves until told to stop. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/daemon.h"
#include "base/event.h"
#include "node_parts.h"
#include "conf/conf.h"
#include "node.h"

static atomic_bool should_stop;
static char **command_line;
static struct node *node; /* goes with the process: what it has is not freed piece by piece */

static void *watch_signals(void *data)
{
    int number;
    sigwait(data, &number);
    daemon_tell_stopping(number);
    atomic_store(&should_stop, true);
    return NULL;
}

static void raise_file_limit(int64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t target = (rlim_t)wanted < limit.rlim_max ? (rlim_t)wanted : limit.rlim_max;
    if (limit.rlim_cur < target) {
        limit.rlim_cur = target;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The same program, process and settings, from its start: whoever watches over the process sees
 * nothing. All descriptors are closed by it. */
static int begin_again(void)
{
    execv("/proc/self/exe", command_line);
    event_error("restart_failed", "error=%d next=\"start trilogd\"", errno);
    return 1;
}

static int serve(const struct conf_settings *conf)
{
    struct err_note note = {0};
    struct admin *admin;
    pthread_t watcher;
    sigset_t signals = daemon_block_signals((const int[]){SIGTERM, SIGINT, 0});
    event_init(conf->site, (int)conf->node_id, (enum event_level)conf->event_level);
    raise_file_limit(conf->open_files_max);
    if (pthread_create(&watcher, NULL, watch_signals, &signals) != 0)
        return 1;
    int err = admin_start(conf, &admin, &note);
    if (err == 0)
        err = node_start(conf, &should_stop, &node, &note);
    if (err == ERR_CLOSED && atomic_load(&should_stop)) {
        pthread_join(watcher, NULL);
        admin_stop(admin);
        return 0;
    }
    if (err != 0) {
        daemon_tell_start_failed(err, &note);
        return 1;
    }
    admin_attach(admin, &node->broker);
    event_info("serving", "listen=%s:%u", conf->listen.host, conf->listen.port);
    pthread_join(watcher, NULL);
    admin_detach(admin);
    node_stop(node);
    admin_stop(admin);
    if (atomic_load(&node->broker.should_restart))
        return begin_again();
    event_info("stopped", "reason=asked");
    return 0;
}

int main(int count, char **values)
{
    struct daemon_arguments arguments;
    struct conf_settings conf;
    struct err_note note = {0};
    command_line = values;
    int status = daemon_read_arguments("trilogd", count, values, &arguments);
    if (status >= 0)
        return status;
    int err = conf_load(arguments.config, &conf, &note);
    if (err != 0) {
        fprintf(stderr, "trilogd: %s\n", note.text[0] != '\0' ? note.text : err_text(err));
        return 1;
    }
    if (arguments.should_print)
        return conf_print(&conf, stdout) == 0 ? 0 : 1;
    if (arguments.should_check) {
        printf("%s is sound\n", arguments.config);
        return 0;
    }
    return serve(&conf);
}
