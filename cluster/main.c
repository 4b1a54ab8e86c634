/* trilogd: reads its configuration, opens or founds its node, serves until told to stop. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/event.h"
#include "node_parts.h"
#include "conf/conf.h"
#include "node.h"

static atomic_bool should_stop;
static char **command_line;
static struct node *node; /* goes with the process: what it has is not freed piece by piece */

static void usage(FILE *into)
{
    fprintf(into,
            "usage: trilogd --config FILE [--check | --print-config]\n"
            "  --check         read and check the configuration, then exit\n"
            "  --print-config  print all settings in effect, with their meaning, then exit\n");
}

struct arguments {
    const char *config;
    bool should_check;
    bool should_print;
};

/* -1: go on; otherwise the exit status. */
static int read_arguments(int count, char **values, struct arguments *arguments)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"print-config", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        if (option == 'c')
            arguments->config = optarg;
        else if (option == 'k')
            arguments->should_check = true;
        else if (option == 'p')
            arguments->should_print = true;
        else {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (arguments->config != NULL && optind == count)
        return -1;
    usage(stderr);
    return 2;
}

/* The signals are taken by sigtimedwait in main only: blocked before any thread starts. */
static sigset_t block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signals;
}

static void *watch_signals(void *data)
{
    int number;
    sigwait(data, &number);
    event_info("stopping", "signal=%s", number == SIGTERM ? "SIGTERM" : "SIGINT");
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
    sigset_t signals = block_signals();
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
        event_error("start_failed", "error=%s reason=\"%s\"", err_name(err),
                    note.text[0] != '\0' ? note.text : err_text(err));
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
    struct arguments arguments = {0};
    struct conf_settings conf;
    struct err_note note = {0};
    command_line = values;
    int status = read_arguments(count, values, &arguments);
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
