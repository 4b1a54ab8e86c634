/* The main job on real input: three sites, a real file, a site that dies.
 *
 *   trilogd ×3   sites a, b, c on 127.0.0.1, .2, .3
 *      ▲   ▲
 *      │   └──── reader: everything back through one site, held against the file (ledger)
 *      └──────── sender: the file line by line, idempotent, acks=all
 *   outage: kills the site that leads most, starts it again, waits until it is level
 *
 * Usage: demo TRILOGD [FILE]. Exit 0: nothing lost, duplicated, out of order or different;
 * 1: something was; 2: it could not be tried; 130: Ctrl-C. */
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "ledger.h"
#include "outage.h"
#include "reader.h"
#include "report.h"
#include "sender.h"
#include "text.h"
#include "view.h"

#define PARTITION_COUNT  12
#define RECORD_COUNT_MIN 2000000
/* Beyond the least count, records flow on until the site is level, within these bounds. */
#define EXTRA_COUNT_MAX 14000000
#define EXTRA_BYTES_MAX 1000000000
#define DOWN_MS_MIN     5000
#define HEALTHY_MS_MAX  60000
#define SILENCE_MS_MAX  60000
#define STEP_MS         20
#define ASK_MS          300 /* a client that found nobody tries again only after long */

enum { EXIT_FAILED = 1, EXIT_NOT_TRIED = 2, EXIT_INTERRUPTED = 130 };

struct demo {
    struct text text;
    uint64_t count_min; /* records to send: whole repetitions of the text */
    struct ledger ledger;
    struct cluster cluster;
    struct sender sender;
    struct outage outage;
    struct report report;
    char topic[32];
    bool has_node_ended; /* though nobody killed it */
    const char *doing;   /* for the progress line */
};

/* Large texts that come with packages which building this project needs anyway: the weights
 * by which Unicode sorts its characters, and librdkafka's own header. */
static const char *const default_texts[] = {
    "/usr/share/perl/*/Unicode/Collate/allkeys.txt",
    "/usr/include/librdkafka/rdkafka.h",
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void wait_a_step(void)
{
    nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

static int open_default_text(struct text *text, glob_t *found)
{
    for (size_t i = 0; i < sizeof default_texts / sizeof *default_texts; i++) {
        if (glob(default_texts[i], 0, NULL, found) == 0)
            return text_open(text, found->gl_pathv[0]);
        globfree(found);
    }
    fprintf(stderr, "demo: none of the usual texts is here; name a file: make demo FILE=…\n");
    return -1;
}

/* Interrupted, or a node of ours ended though nobody killed it. */
static bool is_broken(struct demo *d)
{
    int ended = cluster_find_ended(&d->cluster);
    if (ended >= 0) {
        d->has_node_ended = true;
        report_say(&d->report, "The node of site %s ended by itself: signal or status %d.",
                   d->cluster.sites[ended].name, d->cluster.sites[ended].end_status);
    }
    return interrupted != 0 || d->has_node_ended;
}

static int wait_until_healthy(struct demo *d, int partition_count)
{
    const char *topic = partition_count > 0 ? d->topic : NULL;
    int64_t since_ms = now_ms();
    for (int site = 0; site < CLUSTER_SITES && !is_broken(d);) {
        struct view view;
        if (view_take(&view, &d->cluster, site, topic, ASK_MS) == 0 &&
            view_is_healthy(&view, partition_count)) {
            site++; /* each site has to see it */
            continue;
        }
        if (now_ms() - since_ms > HEALTHY_MS_MAX) {
            report_say(&d->report, "Site %s does not see a healthy cluster after %d s.",
                       d->cluster.sites[site].name, HEALTHY_MS_MAX / 1000);
            return -1;
        }
        wait_a_step();
    }
    return is_broken(d) ? -1 : 0;
}

static int form_cluster(struct demo *d)
{
    int64_t since_ms = now_ms();
    for (int i = 0; i < CLUSTER_SITES && d->cluster.binary != NULL; i++)
        if (cluster_start(&d->cluster, i) < 0)
            return -1;
    if (wait_until_healthy(d, 0) < 0)
        return -1;
    report_say(&d->report, "Three nodes are up after %.2f s: site a %s, b %s, c %s.",
               (double)(now_ms() - since_ms) / 1000.0, d->cluster.sites[0].address,
               d->cluster.sites[1].address, d->cluster.sites[2].address);
    if (view_create_topic(&d->cluster, d->topic, PARTITION_COUNT) < 0)
        return -1;
    return wait_until_healthy(d, PARTITION_COUNT);
}

static void tell_phase(struct demo *d)
{
    const struct outage *o = &d->outage;
    const char *name = d->cluster.sites[o->victim].name;
    switch (o->phase) {
    case OUTAGE_AHEAD:
        break;
    case OUTAGE_SITE_DOWN:
        d->doing = "a site is down";
        report_say(&d->report, "kill -9 of site %s, which leads %d of %d partitions.", name,
                   o->led_count, o->partition_count);
        break;
    case OUTAGE_SITE_RETURNING:
        d->doing = "the site returns";
        report_say(&d->report, "Site %s is started again.", name);
        break;
    case OUTAGE_OVER:
        d->doing = "all sites are level";
        report_say(&d->report, "Site %s is level.", name);
        break;
    }
}

/* Nothing more is to be expected from the sender. */
static bool is_stuck(struct demo *d)
{
    const struct sender *s = &d->sender;
    if (atomic_load(&s->is_done)) {
        if (atomic_load(&s->acknowledged_count) >= d->count_min)
            return false;
        report_say(&d->report, "The sender ended too early.");
        return true;
    }
    if (now_ms() - atomic_load(&s->last_acknowledged_at_ms) <= SILENCE_MS_MAX)
        return false;
    report_say(&d->report, "No acknowledgement for %d s.", SILENCE_MS_MAX / 1000);
    return true;
}

/* Until the site is level again and every record has its answer. */
static int send_through_outage(struct demo *d)
{
    struct sender *s = &d->sender;
    d->doing = "all sites are up";
    while (!atomic_load(&s->is_done) || d->outage.phase != OUTAGE_OVER) {
        int changed = outage_step(&d->outage, atomic_load(&s->acknowledged_count));
        if (changed > 0)
            tell_phase(d);
        atomic_store(&s->is_enough, d->outage.phase == OUTAGE_OVER);
        report_progress(&d->report, s, &d->ledger, d->doing);
        if (changed < 0 || is_broken(d) || is_stuck(d))
            return -1;
        wait_a_step();
    }
    return 0;
}

static int send_all(struct demo *d)
{
    char addresses[CLUSTER_SITES * CLUSTER_ADDRESS_BYTES];
    cluster_addresses(&d->cluster, addresses, sizeof addresses);
    d->outage = (struct outage){.cluster = &d->cluster,
                                .topic = d->topic,
                                .partition_count = PARTITION_COUNT,
                                .kill_at_count = d->count_min / 3,
                                .start_at_count = d->count_min / 3 * 2,
                                .down_ms_min = DOWN_MS_MIN};
    if (sender_start(&d->sender, &d->ledger, d->count_min, addresses, d->topic) < 0)
        return -1;
    int err = send_through_outage(d);
    atomic_store(&d->sender.is_stop_wanted, err < 0);
    sender_join(&d->sender);
    return err;
}

static bool on_reading(void *data)
{
    struct demo *d = data;
    report_progress(&d->report, &d->sender, &d->ledger, "reading back");
    return !is_broken(d);
}

/* What was sent is judged also when the sending broke off: what was acknowledged must be there. */
static int send_and_judge(struct demo *d)
{
    int err = send_all(d);
    if (interrupted != 0)
        return EXIT_INTERRUPTED;
    if (err < 0 && d->sender.started_at_ms == 0)
        return EXIT_NOT_TRIED;
    const struct site *site = &d->cluster.sites[outage_witness(&d->outage)];
    report_say(&d->report, "Reading everything back through site %s.", site->name);
    int64_t since_ms = now_ms();
    int read_err = reader_run(&d->ledger, site, d->topic, on_reading, d);
    if (interrupted != 0)
        return EXIT_INTERRUPTED;
    bool is_fine = report_verdict(&d->report, &d->sender, &d->ledger, &d->outage, site->name,
                                  now_ms() - since_ms, read_err == 0);
    return is_fine && err == 0 ? 0 : EXIT_FAILED;
}

static uint64_t extra_count_max(const struct text *text)
{
    uint64_t line_bytes = text->size_bytes / text->line_count + 1;
    uint64_t count = EXTRA_BYTES_MAX / line_bytes;
    return count < EXTRA_COUNT_MAX ? count : EXTRA_COUNT_MAX;
}

static int run_with_text(struct demo *d, const char *binary)
{
    d->count_min = text_record_count(&d->text, RECORD_COUNT_MIN);
    uint64_t room = d->count_min + extra_count_max(&d->text);
    report_say(&d->report,
               "%s: %llu lines, %.1f MB; sent line by line, again and again, until\n"
               "there are %llu records and the site that is killed meanwhile is level again.",
               d->text.path, (unsigned long long)d->text.line_count,
               (double)d->text.size_bytes / 1e6, (unsigned long long)d->count_min);
    if (cluster_init(&d->cluster, binary) < 0)
        return EXIT_NOT_TRIED;
    int status = EXIT_NOT_TRIED;
    snprintf(d->topic, sizeof d->topic, "demo-%d", (int)getpid());
    if (ledger_init(&d->ledger, &d->text, room, PARTITION_COUNT) < 0) {
        fprintf(stderr, "demo: no memory for %llu records\n", (unsigned long long)room);
    } else {
        if (form_cluster(d) == 0)
            status = send_and_judge(d);
        ledger_close(&d->ledger);
    }
    if (interrupted != 0)
        status = EXIT_INTERRUPTED;
    cluster_close(&d->cluster, status == EXIT_FAILED || status == EXIT_NOT_TRIED);
    return status;
}

int main(int argc, char **argv)
{
    static struct demo demo;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s TRILOGD [FILE]\n", argv[0]);
        return EXIT_NOT_TRIED;
    }
    catch_signals();
    report_init(&demo.report);
    glob_t found = {0};
    bool is_own_text = argc == 3 && argv[2][0] != '\0';
    int err = is_own_text ? text_open(&demo.text, argv[2]) : open_default_text(&demo.text, &found);
    if (err < 0)
        return EXIT_NOT_TRIED;
    int status = run_with_text(&demo, argv[1]);
    text_close(&demo.text);
    globfree(&found);
    return status;
}
