/* What a person sees.
 *
 * On a terminal the progress line is drawn over itself; in a log it comes every two seconds.
 * The verdict follows from the ledger and from whether everything ran to its end, and from
 * nothing else: a slow or long-silent cluster that loses nothing passes, with its figures
 * beside it. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_EVERY_MS 200
#define LOG_EVERY_MS      2000
#define NUMBER_BYTES      32

/* 1234567 as 1,234,567. */
static const char *with_commas(uint64_t number, char *text)
{
    char plain[NUMBER_BYTES];
    size_t digits = (size_t)snprintf(plain, sizeof plain, "%" PRIu64, number);
    char *out = text;
    for (size_t i = 0; i < digits; i++) {
        if (i > 0 && (digits - i) % 3 == 0)
            *out++ = ',';
        *out++ = plain[i];
    }
    *out = '\0';
    return text;
}

static double seconds(int64_t ms)
{
    return (double)ms / 1000.0;
}

void report_init(struct report *report)
{
    memset(report, 0, sizeof *report);
    report->is_terminal = isatty(STDOUT_FILENO) == 1;
}

void report_say(struct report *report, const char *format, ...)
{
    if (report->is_line_open && report->is_terminal)
        printf("\r\033[K");
    report->is_line_open = false;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void report_progress(struct report *report, const struct sender *sender,
                     const struct ledger *ledger, const char *doing)
{
    int64_t now = now_ms();
    if (now - report->last_shown_at_ms < (report->is_terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS))
        return;
    report->last_shown_at_ms = now;
    char sent[NUMBER_BYTES], acknowledged[NUMBER_BYTES], read[NUMBER_BYTES];
    if (report->is_terminal)
        printf("\r\033[K");
    printf("  %s sent, %s acknowledged, %s read: %s",
           with_commas(atomic_load(&sender->sent_count), sent),
           with_commas(atomic_load(&sender->acknowledged_count), acknowledged),
           with_commas(ledger->read_count, read), doing);
    if (!report->is_terminal)
        putchar('\n');
    report->is_line_open = true;
    fflush(stdout);
}

static void print_count(const char *what, uint64_t count, const char *remark)
{
    char text[NUMBER_BYTES];
    printf("  %-42s %11s%s\n", what, with_commas(count, text), remark);
}

static void print_counts(const struct sender *sender, const struct ledger *ledger,
                         const char *reading_site, int64_t reading_ms, bool is_read_to_end)
{
    char remark[96];
    print_count("records sent", atomic_load(&sender->sent_count), "");
    print_count("acknowledged", ledger->acknowledged_count, "");
    if (ledger->failed_count > 0)
        print_count("failed, as the sender was told", ledger->failed_count, "");
    snprintf(remark, sizeof remark, "   through site %s, in %.1f s", reading_site,
             seconds(reading_ms));
    print_count("read back", ledger->read_count, reading_ms > 0 ? remark : "");
    print_count(is_read_to_end ? "lost" : "lost, or only not read", ledger_lost_count(ledger), "");
    print_count("duplicated", ledger->duplicated_count, "");
    print_count("out of order within their partition", ledger->reordered_count, "");
    print_count("different from the file", ledger->different_count, "");
}

static void print_times(const struct sender *sender, const struct ledger *ledger,
                        const struct outage *outage)
{
    char rate[NUMBER_BYTES];
    int64_t sending_ms = sender->ended_at_ms - sender->started_at_ms;
    if (sender->ended_at_ms == 0 || sending_ms <= 0)
        return;
    double per_second = (double)ledger->acknowledged_count / seconds(sending_ms);
    char remark[96] = "";
    if (outage->killed_at_ms != 0)
        snprintf(remark, sizeof remark, ", ended %.1f s after the kill",
                 seconds(sender->partition_gap_ended_at_ms - outage->killed_at_ms));
    printf("  %-42s %9.2f s   of one partition: %.2f s%s\n", "longest gap between acknowledgements",
           seconds(sender->gap_ms), seconds(sender->partition_gap_ms), remark);
    printf("  %-42s %9s/s   %.1f MB/s, in %.1f s with the outage\n", "throughput",
           with_commas((uint64_t)per_second, rate),
           (double)sender->bytes / 1000.0 / (double)sending_ms, seconds(sending_ms));
    if (outage->phase == OUTAGE_OVER)
        printf("  %-42s %9.2f s   from its start until level; it was down for %.1f s\n",
               "catch-up time of the site", seconds(outage->catch_up_ms), seconds(outage->down_ms));
}

static void print_notes(const struct ledger *ledger)
{
    for (int i = 0; i < ledger->note_count; i++)
        printf("    %s\n", ledger->notes[i]);
}

bool report_verdict(struct report *report, const struct sender *sender, struct ledger *ledger,
                    const struct outage *outage, const char *reading_site, int64_t reading_ms,
                    bool is_read_to_end)
{
    report_say(report, "%s", "");
    print_counts(sender, ledger, reading_site, reading_ms, is_read_to_end);
    print_times(sender, ledger, outage);
    bool is_fine = is_read_to_end && sender->fatal[0] == '\0' && outage->phase == OUTAGE_OVER &&
                   ledger_is_clean(ledger);
    if (is_fine) {
        printf("\n  Verdict: PASSED. All that was acknowledged is there: once, in order, "
               "unchanged.\n");
    } else {
        printf("\n  Verdict: FAILED.\n");
        if (is_read_to_end)
            ledger_note_lost(ledger);
        print_notes(ledger);
        if (sender->fatal[0] != '\0')
            printf("    the producer gave up: %s\n", sender->fatal);
        if (outage->phase != OUTAGE_OVER)
            printf("    the site's death and return were not seen to their end\n");
        if (!is_read_to_end)
            printf("    not everything could be read back\n");
    }
    printf("  kill -9 takes a process and leaves the page cache: this does not prove that what is\n"
           "  acknowledged is on disk. What proves fsync is the simulation: make sim.\n");
    fflush(stdout);
    return is_fine;
}
