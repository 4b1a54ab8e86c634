/* A program that serves: one file of settings on its command line, signals that end it. */
#include "base/daemon.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>

#include "base/event.h"

static void usage(const char *program, FILE *into)
{
    fprintf(into,
            "usage: %s --config FILE [--check | --print-config]\n"
            "  --check         read and check the configuration, then exit\n"
            "  --print-config  print all settings in effect, with their meaning, then exit\n",
            program);
}

int daemon_read_arguments(const char *program, int count, char **values,
                          struct daemon_arguments *arguments)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"print-config", no_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;
    *arguments = (struct daemon_arguments){0};
    while ((option = getopt_long(count, values, "", options, NULL)) != -1) {
        if (option == 'c')
            arguments->config = optarg;
        else if (option == 'k')
            arguments->should_check = true;
        else if (option == 'p')
            arguments->should_print = true;
        else {
            usage(program, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (arguments->config != NULL && optind == count)
        return -1;
    usage(program, stderr);
    return 2;
}

sigset_t daemon_block_signals(const int *numbers)
{
    sigset_t signals;
    sigemptyset(&signals);
    for (; *numbers != 0; numbers++)
        sigaddset(&signals, *numbers);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signals;
}

void daemon_tell_stopping(int signal_number)
{
    event_info("stopping", "signal=%s", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
}

void daemon_tell_start_failed(int err, const struct err_note *note)
{
    event_error("start_failed", "error=%s reason=\"%s\"", err_name(err),
                note->text[0] != '\0' ? note->text : err_text(err));
}
