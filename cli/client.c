/* Settings out of the command line, Ctrl-C, and time. */
#include "client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

/* A second one ends the command as it would any other. */
void client_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool client_is_interrupted(void)
{
    return is_interrupted != 0;
}

int64_t client_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool client_use_bootstrap(struct session *s, const char *client_id)
{
    const char *list = s->arguments.values[OPTION_BOOTSTRAP];
    char text[4096];
    if (list == NULL)
        return true;
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "{site: command-line, client.id: %s, bootstrap: [", client_id);
    while (*list != '\0' && length + 300 < sizeof text) {
        size_t size = strcspn(list, ",");
        length += (size_t)snprintf(text + length, sizeof text - length, "'%.*s',",
                                   size < 290 ? (int)size : 290, list);
        list += size + (list[size] == ',');
    }
    snprintf(text + length - 1, sizeof text - length + 1, "]}");
    return setenv("TRILOG_CLIENT_CONFIG", text, 1) == 0;
}
