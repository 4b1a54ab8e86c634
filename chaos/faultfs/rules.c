/* The faults in force that strike calls.
 *
 * A call meets every rule that matches, in the order they were given: each counts it. A slow call
 * sleeps here, before anything of it has happened and without any lock but its own condition,
 * so that other calls pass and a power cut finds it undone. Healing wakes the sleepers. */
#include "rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int rules_init(struct rules *rules, uint64_t seed)
{
    *rules = (struct rules){.chance = {.seed = seed}};
    pthread_condattr_t attributes;
    pthread_mutex_init(&rules->lock, NULL);
    if (pthread_condattr_init(&attributes) != 0 ||
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0)
        return -1;
    return pthread_cond_init(&rules->woken, &attributes) == 0 ? 0 : -1;
}

int rules_add(struct rules *rules, const struct command *rule)
{
    pthread_mutex_lock(&rules->lock);
    int err = rules->count < RULES_COUNT_MAX ? 0 : -1;
    if (err == 0)
        rules->rules[rules->count++] = *rule;
    atomic_store(&rules->count_seen, rules->count);
    pthread_mutex_unlock(&rules->lock);
    return err;
}

void rules_clear(struct rules *rules)
{
    pthread_mutex_lock(&rules->lock);
    rules->count = 0;
    atomic_store(&rules->count_seen, 0);
    pthread_mutex_unlock(&rules->lock);
    rules_wake(rules);
}

void rules_wake(struct rules *rules)
{
    pthread_mutex_lock(&rules->lock);
    rules->wakes++;
    pthread_cond_broadcast(&rules->woken);
    pthread_mutex_unlock(&rules->lock);
}

bool rules_are_there(struct rules *rules)
{
    return atomic_load(&rules->count_seen) > 0;
}

bool rules_path_matches(const char *glob, const char *path)
{
    if (fnmatch(glob, path, 0) == 0)
        return true;
    const char *last = strrchr(path, '/');
    return strchr(glob, '/') == NULL && last != NULL && fnmatch(glob, last + 1, 0) == 0;
}

/* Does the rule strike this call? Counts it. */
static bool strikes(struct command *rule, enum command_call call, const char *path)
{
    if (rule->call != call || !rules_path_matches(rule->path, path))
        return false;
    if (rule->after > 0) {
        rule->after--;
        return false;
    }
    if (rule->count != COMMAND_COUNT_ALL)
        rule->count--;
    return true;
}

static void forget_spent(struct rules *rules)
{
    size_t kept = 0;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->rules[i].count > 0)
            rules->rules[kept++] = rules->rules[i];
    rules->count = kept;
    atomic_store(&rules->count_seen, kept);
}

static uint64_t delay_ms(struct rules *rules, const struct command *rule)
{
    uint64_t jitter = chance_below(&rules->chance, (uint64_t)rule->jitter_ms + 1);
    return (uint64_t)rule->ms + jitter;
}

static void apply(struct rules *rules, const struct command *rule, struct verdict *verdict,
                  uint64_t *ms)
{
    bool is_decided = verdict->err != 0 || verdict->is_lost || verdict->is_misdirected;
    if (is_decided && rule->verb != COMMAND_SLOW)
        return;
    atomic_fetch_add(&rules->struck[rule->verb], 1);
    if (rule->verb == COMMAND_SLOW)
        *ms += delay_ms(rules, rule);
    else if (rule->verb == COMMAND_FAIL)
        verdict->err = rule->err;
    else
        *(rule->verb == COMMAND_LOSE ? &verdict->is_lost : &verdict->is_misdirected) = true;
}

/* With the lock held. Woken or not, it goes on. */
static void sleep_ms(struct rules *rules, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    uint64_t wakes = rules->wakes;
    while (rules->wakes == wakes &&
           pthread_cond_timedwait(&rules->woken, &rules->lock, &until) != ETIMEDOUT)
        ;
}

struct verdict rules_meet(struct rules *rules, enum command_call call, const char *path)
{
    struct verdict verdict = {0};
    uint64_t ms = 0;
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->count; i++)
        if (strikes(&rules->rules[i], call, path))
            apply(rules, &rules->rules[i], &verdict, &ms);
    forget_spent(rules);
    if (ms > 0)
        sleep_ms(rules, ms);
    pthread_mutex_unlock(&rules->lock);
    return verdict;
}

static int describe_rule(const struct command *rule, char *into, size_t size)
{
    char what[64] = "", left[32] = "";
    if (rule->verb == COMMAND_SLOW)
        snprintf(what, sizeof what, " ms=%lld jitter_ms=%lld", (long long)rule->ms,
                 (long long)rule->jitter_ms);
    else if (rule->verb == COMMAND_FAIL)
        snprintf(what, sizeof what, " errno=%s", strerrorname_np(rule->err));
    if (rule->count != COMMAND_COUNT_ALL)
        snprintf(left, sizeof left, " count=%lld", (long long)rule->count);
    return snprintf(into, size, " fault=\"%s %s%s path=%s%s after=%lld\"",
                    command_verb_name(rule->verb), command_call_name(rule->call), what, rule->path,
                    left, (long long)rule->after);
}

void rules_describe(struct rules *rules, char *into, size_t size)
{
    size_t used = 0;
    into[0] = '\0';
    pthread_mutex_lock(&rules->lock);
    for (size_t i = 0; i < rules->count && used < size; i++)
        used += (size_t)describe_rule(&rules->rules[i], into + used, size - used);
    pthread_mutex_unlock(&rules->lock);
}
