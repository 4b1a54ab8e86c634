/* A client library that aborts takes one client with it, not the book of all the others.
 *
 * librdkafka 2.0.2 has assertions that fail now and then when brokers come and go
 * (rd_kafka_enq_once_del_source_return, rd_kafka_toppar_set_fetch_state: in its own threads). An
 * application would end there. The ledger's other clients have lines that are not yet in the
 * file, and sends without a line would be read as records that nobody sent. So the library's
 * thread stands still where it is; whoever waits for its client runs into a bound.
 *
 * The library names its threads "rdk:…". An assertion in any other thread ends the ledger. */
#include "library_fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define THREAD_NAME_BYTES 16

static atomic_uint fault_count;

static void on_abort(int signal_number)
{
    static const char words[] = "ledger: an assertion of the client library failed; its thread "
                                "stays there, and the others go on\n";
    char name[THREAD_NAME_BYTES] = "";
    prctl(PR_GET_NAME, name);
    if (strncmp(name, "rdk:", 4) != 0) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
        return;
    }
    atomic_fetch_add(&fault_count, 1);
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) {
        /* nothing can be done about it */
    }
    for (;;)
        pause();
}

void library_fault_survive(void)
{
    const struct sigaction action = {.sa_handler = on_abort};
    sigaction(SIGABRT, &action, NULL);
}

unsigned library_fault_count(void)
{
    return atomic_load(&fault_count);
}
