/* wand: makes a link long. It holds packets in queues of the packet filter and lets each go on
 * when its time has come.
 *
 *   wand --control SOCKET --queue NUMBER=NAME … [--packets-max N] [--seed N]
 *
 * One thread and one loop: packets that came go on their queue's line, those whose time has come
 * go on, commands are answered. The loop sleeps on one timer, set to the instant at which the
 * next packet of any queue is due (absolute, in nanoseconds, no slack), so nothing adds up.
 * It asks for a real-time priority, since a packet released late because a broker had the
 * processor would be a delay that nobody ordered; without the right to it, it runs as it is.
 *
 * SIGTERM and SIGINT: everything that is held goes on at once, then the program ends. Killed
 * outright, the kernel drops what was held, as a cable that is cut does. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control.h"
#include "queue.h"

#define QUEUES_MAX          16
#define PACKETS_MAX_DEFAULT 131072 /* 1 Gbit/s for 500 ms is 42,000 packets of 1,500 bytes */
#define PACKETS_MAX_LIMIT   4194304
#define EVENTS_MAX          (QUEUES_MAX + 3)
#define NS_PER_SECOND       1000000000

enum { EVENT_CONTROL = QUEUES_MAX, EVENT_TIMER, EVENT_SIGNAL };

struct wand {
    struct queue queues[QUEUES_MAX];
    struct delay_line *lines[QUEUES_MAX]; /* the queues' lines, for commands */
    size_t queue_count;
    struct control control;
    int epoll;
    int timer;
    int signals;
    int64_t armed_at_ns; /* what the timer is set to; INT64_MAX: nothing */
};

struct options {
    const char *control_path;
    const char *names[QUEUES_MAX];
    uint16_t numbers[QUEUES_MAX];
    size_t queue_count;
    uint32_t packets_max;
    uint64_t seed;
};

static const char usage[] =
    "usage: wand --control SOCKET --queue NUMBER=NAME … [--packets-max N] [--seed N]\n"
    "  --control SOCKET      where commands are taken: set NAME delay_us=25000, show\n"
    "  --queue NUMBER=NAME   an NFQUEUE of this network namespace, and what to call it (up to 16)\n"
    "  --packets-max N       packets that a queue holds at most (131072)\n"
    "  --seed N              of jitter and loss (1)\n";

static void refuse(const char *what, const char *value)
{
    fprintf(stderr, "wand: %s: %s\n%s", what, value, usage);
    exit(2);
}

static uint64_t parse_number(const char *text, const char *what, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || number < min || number > max)
        refuse(what, text);
    return number;
}

static void parse_queue(struct options *o, char *text)
{
    char *name = strchr(text, '=');
    if (name == NULL || o->queue_count == QUEUES_MAX)
        refuse("--queue", text);
    *name++ = '\0';
    if (*name == '\0' || strlen(name) >= DELAY_LINE_NAME_BYTES || strpbrk(name, " =") != NULL)
        refuse("--queue, its name", name);
    for (size_t i = 0; i < o->queue_count; i++)
        if (strcmp(o->names[i], name) == 0)
            refuse("--queue, two of one name", name);
    o->numbers[o->queue_count] = (uint16_t)parse_number(text, "--queue", 0, UINT16_MAX);
    o->names[o->queue_count++] = name;
}

static struct options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"control", required_argument, NULL, 'c'},
        {"queue", required_argument, NULL, 'q'},
        {"packets-max", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.packets_max = PACKETS_MAX_DEFAULT, .seed = 1};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'c')
            o.control_path = optarg;
        else if (option == 'q')
            parse_queue(&o, optarg);
        else if (option == 'p')
            o.packets_max = (uint32_t)parse_number(optarg, "--packets-max", 1, PACKETS_MAX_LIMIT);
        else if (option == 's')
            o.seed = parse_number(optarg, "--seed", 0, UINT64_MAX);
        else
            refuse("an option", "see above");
    }
    if (optind < argc)
        refuse("not an option", argv[optind]);
    if (o.control_path == NULL || o.queue_count == 0)
        refuse("needed", "--control and at least one --queue");
    return o;
}

static int watch(struct wand *w, int descriptor, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return descriptor < 0 ? -1 : epoll_ctl(w->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static int make_descriptors(struct wand *w)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    w->signals = signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC);
    w->armed_at_ns = INT64_MAX;
    if (watch(w, w->timer, EVENT_TIMER) == 0 && watch(w, w->signals, EVENT_SIGNAL) == 0)
        return 0;
    fprintf(stderr, "wand: no descriptors: %s\n", strerror(errno));
    return -1;
}

static int open_queues(struct wand *w, const struct options *o)
{
    for (size_t i = 0; i < o->queue_count; i++) {
        struct queue *q = &w->queues[i];
        if (queue_open(q, o->numbers[i], o->names[i], o->packets_max, o->seed + i) < 0)
            return -1;
        w->lines[i] = &q->line;
        w->queue_count++;
        if (watch(w, queue_descriptor(q), (uint32_t)i) < 0)
            return -1;
    }
    return 0;
}

/* Each of these is a wish: without it the delays hold on a machine that has little else to do. */
static void ask_for_punctuality(void)
{
    struct sched_param priority = {.sched_priority = 1};
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority);
    mlockall(MCL_CURRENT);
}

/* An instant that has passed makes the timer fire at once. */
static void arm_timer(struct wand *w)
{
    int64_t next_at_ns = INT64_MAX;
    for (size_t i = 0; i < w->queue_count; i++) {
        int64_t at_ns = delay_line_next_at(&w->queues[i].line);
        next_at_ns = at_ns < next_at_ns ? at_ns : next_at_ns;
    }
    if (next_at_ns == w->armed_at_ns)
        return;
    struct itimerspec when = {0};
    if (next_at_ns != INT64_MAX) {
        when.it_value.tv_sec = next_at_ns / NS_PER_SECOND;
        when.it_value.tv_nsec = next_at_ns % NS_PER_SECOND;
    }
    timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &when, NULL);
    w->armed_at_ns = next_at_ns;
}

/* Returns false when a signal asks for the end. */
static bool on_event(struct wand *w, uint32_t number)
{
    uint64_t expirations;
    if (number < w->queue_count) {
        queue_read(&w->queues[number]);
    } else if (number == EVENT_CONTROL) {
        control_serve(&w->control);
    } else if (number == EVENT_TIMER) {
        if (read(w->timer, &expirations, sizeof expirations) > 0)
            w->armed_at_ns = INT64_MAX; /* it has fired and is set to nothing */
    }
    return number != EVENT_SIGNAL;
}

static int run(struct wand *w)
{
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        arm_timer(w);
        int count = epoll_wait(w->epoll, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR)
            return -1;
        bool is_over = false;
        for (int i = 0; i < count; i++)
            is_over |= !on_event(w, events[i].data.u32);
        if (is_over)
            return 0;
        int64_t now = now_ns();
        for (size_t i = 0; i < w->queue_count; i++)
            queue_release_due(&w->queues[i], now);
    }
}

static void close_all(struct wand *w)
{
    for (size_t i = 0; i < w->queue_count; i++) {
        queue_release_all(&w->queues[i]);
        queue_close(&w->queues[i]);
    }
    close(w->signals);
    close(w->timer);
    close(w->epoll);
}

int main(int argc, char **argv)
{
    static struct wand w;
    struct options options = parse(argc, argv);
    int status = 1;
    if (make_descriptors(&w) == 0 && open_queues(&w, &options) == 0 &&
        control_start(&w.control, options.control_path, w.lines, w.queue_count) == 0) {
        ask_for_punctuality();
        if (watch(&w, control_descriptor(&w.control), EVENT_CONTROL) == 0)
            status = run(&w) == 0 ? 0 : 1;
        control_stop(&w.control);
    }
    close_all(&w);
    return status;
}
