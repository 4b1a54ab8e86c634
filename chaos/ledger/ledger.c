/* ledger load | read: clients of one site and the history of what they did and were told.
 *
 * Exit status of load: 0 when it ran and ended in order; 1 when something could not be done, which
 * stderr names. Of read: 0 when everything was read; 1 when something was not. 2: the history could
 * not be written, or the options are wrong. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "final.h"
#include "library_fault.h"
#include "load.h"

static void print_usage(FILE *out)
{
    fprintf(out, "usage: ledger load|read --site NAME --bootstrap HOST:PORT,… --history FILE …\n"
                 "       ledger load|read --help\n");
}

/* All threads leave signals to the main one, which waits for them. */
static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static int run(enum options_command command, int count, char **arguments)
{
    static struct options options;
    static struct history history;
    char why[200];
    switch (options_read(&options, command, count, arguments, why, sizeof why)) {
    case OPTIONS_HELP:
        options_print_help(command);
        return 0;
    case OPTIONS_WRONG:
        fprintf(stderr, "ledger: %s\n", why);
        return 2;
    case OPTIONS_OK:
        break;
    }
    block_signals();
    library_fault_survive();
    client_use(&options);
    if (history_open(&history, options.history, (uint64_t)options.seed) < 0)
        return 2;
    return command == OPTIONS_LOAD ? load_run(&options, &history) : final_run(&options, &history);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "load") == 0)
        return run(OPTIONS_LOAD, argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "read") == 0)
        return run(OPTIONS_READ, argc - 2, argv + 2);
    bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;
    print_usage(is_help ? stdout : stderr);
    return is_help ? 0 : 2;
}
