/* trilog-router: reads its configuration, serves until told to stop; reads it again on SIGHUP. */
#include <signal.h>
#include <stdio.h>

#include "base/daemon.h"
#include "base/event.h"
#include "router/process.h"

#define DRAIN_LOOK_MS 20

/* Until it is told to stop. */
static void heed_signals(struct router_process *process, const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) != 0 || number == SIGHUP)
        if (number == SIGHUP)
            router_process_reload(process, NULL); /* an event says how it went */
    daemon_tell_stopping(number);
}

/* Until nobody is connected, time is up, or the signal comes once more. */
static void drain(struct router_process *process, const sigset_t *signals)
{
    const struct timespec pause = {.tv_nsec = DRAIN_LOOK_MS * 1000000};
    struct clock clock = clock_system();
    struct kept_settings *kept = router_process_settings(process);
    uint64_t end_ms = clock_now_ms(&clock) + (uint64_t)kept->values.drain_ms_max;
    int number = 0;
    kept_settings_release(kept);
    router_process_drain(process);
    while (!router_process_is_drained(process) && clock_now_ms(&clock) < end_ms) {
        number = sigtimedwait(signals, NULL, &pause);
        if (number == SIGTERM || number == SIGINT)
            break;
    }
    event_info("drained", "is_complete=%d", router_process_is_drained(process));
}

static int serve(const char *path, const struct router_settings *settings)
{
    struct router_process *process;
    struct err_note note = {0};
    sigset_t signals = daemon_block_signals((const int[]){SIGTERM, SIGINT, SIGHUP, 0});
    event_init(settings->site, (int)settings->router_id, (enum event_level)settings->event_level);
    int err = router_process_start(path, settings, &process, &note);
    if (err != 0) {
        daemon_tell_start_failed(err, &note);
        return 1;
    }
    event_info("serving", "listen=%s:%u", settings->listen.host, settings->listen.port);
    heed_signals(process, &signals);
    drain(process, &signals);
    router_process_stop(process);
    event_info("stopped", "reason=asked");
    return 0;
}

int main(int count, char **values)
{
    struct daemon_arguments arguments;
    static struct router_settings settings;
    struct err_note note = {0};
    int status = daemon_read_arguments("trilog-router", count, values, &arguments);
    if (status >= 0)
        return status;
    int err = router_conf_load(arguments.config, &settings, &note);
    if (err != 0) {
        fprintf(stderr, "trilog-router: %s\n", note.text[0] != '\0' ? note.text : err_text(err));
        return 1;
    }
    if (arguments.should_print)
        return router_conf_print(&settings, stdout) == 0 ? 0 : 1;
    return arguments.should_check ? 0 : serve(arguments.config, &settings);
}
