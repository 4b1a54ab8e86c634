/* What the thread sanitizer is to see of librdkafka: its locks, its waiting, its threads.
 *
 * librdkafka uses <threads.h>, whose functions the sanitizer does not know: it would call all that
 * goes through that library's queues a race. A program's own functions go before those of shared
 * libraries, so librdkafka calls these, and they call POSIX's, which are known. In glibc both kinds
 * are the same objects and may be mixed. The reader-writer locks are POSIX's already, but what
 * librdkafka calls itself is passed over (tsan.supp), so they take the same way round.
 *
 * Objects begin and end unseen: librdkafka hands new ones over, and lets old ones go, by atomic
 * instructions that the sanitizer does not see either. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "one is the other");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "one is the other");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "one is the other");

/* A result of POSIX's in C11's words. */
static int result_of(int status)
{
    switch (status) {
    case 0:
        return thrd_success;
    case EBUSY:
        return thrd_busy;
    case ETIMEDOUT:
        return thrd_timedout;
    case ENOMEM:
        return thrd_nomem;
    default:
        return thrd_error;
    }
}

int mtx_lock(mtx_t *mutex)
{
    return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
    return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result_of(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    return result_of(
        pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

void call_once(once_flag *flag, void (*run)(void))
{
    pthread_once((pthread_once_t *)flag, run);
}

/* Where an int is returned in the same register as a pointer, as glibc itself takes it. Allocates
 * nothing, since tests fail each allocation of the library, not of its threads. */
int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    void *(*start)(void *) = (void *(*)(void *))(void (*)(void))run;
    return result_of(pthread_create(thread, NULL, start, argument));
}

int thrd_join(thrd_t thread, int *result)
{
    void *returned = NULL;
    int status = pthread_join(thread, &returned);
    if (result != NULL)
        *result = (int)(intptr_t)returned;
    return result_of(status);
}

typedef int rwlock_call(pthread_rwlock_t *);

/* The sanitizer's own. */
static int call_next(const char *name, pthread_rwlock_t *lock)
{
    rwlock_call *call = (rwlock_call *)(intptr_t)dlsym(RTLD_NEXT, name);
    return call(lock);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    return call_next("pthread_rwlock_rdlock", lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    return call_next("pthread_rwlock_wrlock", lock);
}

int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    return call_next("pthread_rwlock_unlock", lock);
}
