/* Whose assertion ends whom. */
#include "library_fault.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static void *abort_as(void *name)
{
    pthread_setname_np(pthread_self(), name);
    abort();
}

Test(library_fault, stops_the_librarys_thread_alone)
{
    pthread_t thread;
    library_fault_survive();
    cr_assert_eq(pthread_create(&thread, NULL, abort_as, "rdk:main"), 0);
    for (int i = 0; i < 5000 && library_fault_count() == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    cr_assert_eq(library_fault_count(), 1);
}

Test(library_fault, ends_the_ledger_for_an_assertion_of_its_own, .signal = SIGABRT)
{
    pthread_t thread;
    library_fault_survive();
    cr_assert_eq(pthread_create(&thread, NULL, abort_as, "ledger"), 0);
    pthread_join(thread, NULL);
}
