/* Progress is the state of the cluster, which any node tells: so waiting survives the node that was
 * asked first, and ending it ends nothing else. */
#include "progress.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS        500
#define WAIT_S_DEFAULT 1800
#define WAIT_S_MAX     (7 * 24 * 3600)
#define STABLE_LOOKS   2 /* the node asked may be a moment behind */

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

static bool read_wait(const struct session *s, int64_t *wait_s)
{
    const char *wait = s->arguments.values[OPTION_WAIT];
    *wait_s = WAIT_S_DEFAULT;
    return wait == NULL || arguments_number(wait, 0, WAIT_S_MAX, wait_s);
}

bool progress_can_wait(struct session *s)
{
    int64_t wait_s;
    if (read_wait(s, &wait_s))
        return true;
    fprintf(s->err, "trilog: --wait is a number of seconds from 0 to %d\n", WAIT_S_MAX);
    return false;
}

/* A line that is written over. On a terminal only: in a log it would be many lines of what is no
 * more. */
static void show(struct session *s, const char *text, char shown[PROGRESS_TEXT_SIZE])
{
    if (strcmp(text, shown) == 0)
        return;
    snprintf(shown, PROGRESS_TEXT_SIZE, "%s", text);
    if (!isatty(fileno(s->err)))
        return;
    fprintf(s->err, "\r\033[K%s", text);
    fflush(s->err);
}

static bool look_once(struct session *s, progress_cb look, void *data,
                      char shown[PROGRESS_TEXT_SIZE])
{
    char text[PROGRESS_TEXT_SIZE] = "no node answers; still waiting";
    bool is_done = look(s, data, text);
    show(s, text, shown);
    return is_done;
}

static void pause_between_looks(void)
{
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    nanosleep(&pause, NULL); /* ended by Ctrl-C */
}

static bool wait_until_done(struct session *s, progress_cb look, void *data, int64_t wait_s)
{
    char shown[PROGRESS_TEXT_SIZE] = "";
    unsigned done_count = 0;
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (;;) {
        done_count = look_once(s, look, data, shown) ? done_count + 1 : 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (done_count >= STABLE_LOOKS || is_interrupted || now.tv_sec - begun.tv_sec >= wait_s)
            break;
        pause_between_looks();
    }
    if (isatty(fileno(s->err)))
        fputc('\n', s->err);
    else if (done_count < STABLE_LOOKS)
        fprintf(s->err, "trilog: %s\n", shown);
    return done_count >= STABLE_LOOKS;
}

bool progress_watch(struct session *s, progress_cb look, void *data)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    int64_t wait_s;
    sigaction(SIGINT, &action, NULL);
    return read_wait(s, &wait_s) && wait_until_done(s, look, data, wait_s);
}

int progress_wait(struct session *s, progress_cb look, void *data, const char *where)
{
    int64_t wait_s;
    if (arguments_has(&s->arguments, OPTION_NO_WAIT) || !read_wait(s, &wait_s))
        return EXIT_DONE;
    if (progress_watch(s, look, data))
        return EXIT_DONE;
    fprintf(s->err, "trilog: %s; it goes on: `%s` shows how far it is\n",
            is_interrupted ? "not waited for any longer" : "not done within --wait", where);
    return EXIT_PARTLY;
}
