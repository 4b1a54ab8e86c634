/* Runs seeds and cases, each in a process of its own, two at a time.
 *
 *   sim --seed N             one seed, with every event of the nodes
 *   sim --seeds A-B          these seeds
 *   sim --minutes M          from seed 1 (or A) until the time is over, --at-least so many seeds
 *   sim --also N             this one, too, before the others; may be repeated
 *   sim --case NAME          one case, with every event; --cases: all of them
 *   sim --history FOLDER     with each of the above: seeds leave what their clients saw there
 *   sim --judge PROGRAM      … and PROGRAM judges it, a test of its own; what is sound is removed
 *   sim --blind              … alone: the model sees nothing
 *
 * A child writes into a file of its own, which is shown when it fails; its counters lie in shared
 * memory. The last line counts seeds and cases as tests. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/sim.h"
#include "sim/sim_case.h"

#define CHILDREN_MAX   2
#define CHILD_SECONDS  120 /* of CPU: a run beyond this hangs, however busy the machine */
#define REPORT_TAIL    4000
#define FAILURES_SHOWN 20
#define ALSO_MAX       1024
#define PATH_BYTES     4096
#define HARMS_FULL     1000 /* seeds: by then every damage at rest has met every kind of file */

struct child {
    pid_t pid;                    /* 0: free */
    const struct sim_case *named; /* NULL: a seed */
    uint64_t seed;
    int output;
    struct sim_counters *counters; /* shared */
};

/* What each seed must come to: a smaller one would show too little. */
static const struct floor {
    enum sim_counter counter;
    uint64_t at_least;
} floors[] = {{SIM_virtual_seconds, 60}, {SIM_operations, 1000}, {SIM_faults, 5}};
#define FLOOR_COUNT (sizeof floors / sizeof floors[0])

/* Where histories go, and who judges them; NULL: nowhere, nobody. */
struct histories {
    const char *folder, *judge;
    bool is_blind;
};

struct runner {
    struct histories histories;
    uint64_t judged; /* histories */
    struct child children[CHILDREN_MAX];
    struct sim_counters sum;
    uint64_t least[FLOOR_COUNT]; /* of any seed */
    uint64_t seeds, passed, failed;
};

static const struct counter {
    const char *name;
    bool is_required;
} counters[] = {
#define SIM_COUNTER_NAME(name, must) {#name, must},
    SIM_COUNTERS(SIM_COUNTER_NAME)
#undef SIM_COUNTER_NAME
};

static const char *history_path(const struct histories *histories, uint64_t seed)
{
    static char path[PATH_BYTES];
    uint64_t kind = seed / SIM_SEEDS_OF_A_KIND;
    /* what is lost is known to the model alone */
    bool is_judged = kind != SIM_RECOVERY_SEEDS && kind != SIM_HOME_SEEDS &&
                     !(kind == SIM_SITE_SEEDS && seed % 3 == 0);
    if (histories->folder == NULL || !is_judged)
        return NULL;
    snprintf(path, sizeof path, "%s/seed-%" PRIu64 ".jsonl", histories->folder, seed);
    return path;
}

static void run_seed(const struct histories *histories, uint64_t seed,
                     struct sim_counters *counters_of_seed, bool is_verbose)
{
    const struct sim_seed_options options = {.is_verbose = is_verbose,
                                             .is_blind = histories->is_blind,
                                             .history_path = history_path(histories, seed)};
    sim_seed_run(seed, counters_of_seed, &options);
}

/* The process becomes the judge, whose status 0 to 2 is then its own. */
static void judge(const struct histories *histories, const char *path)
{
    fflush(stdout);
    execl(histories->judge, histories->judge, path, (char *)NULL);
    perror(histories->judge);
    _exit(4);
}

/* Without the model a broken node ends a run anyhow, by an assertion or by standing still; what the
 * clients saw up to there is judged all the same. */
static void run_seed_or_its_child(const struct histories *histories, const struct child *c)
{
    pid_t pid = histories->is_blind ? fork() : 0;
    if (pid < 0) {
        perror("sim: fork");
        _exit(4);
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
        return;
    }
    run_seed(histories, c->seed, c->counters, false);
    fflush(stdout);
    if (histories->is_blind)
        _exit(0);
}

static void run_child(const struct histories *histories, struct child *c)
{
    struct rlimit limit = {.rlim_cur = CHILD_SECONDS, .rlim_max = CHILD_SECONDS + 1};
    if (dup2(c->output, STDOUT_FILENO) < 0 || dup2(c->output, STDERR_FILENO) < 0 ||
        setrlimit(RLIMIT_CPU, &limit) != 0)
        _exit(4);
    if (c->named != NULL)
        c->named->run(c->seed, c->counters, false);
    else
        run_seed_or_its_child(histories, c);
    if (c->named == NULL && histories->judge != NULL && history_path(histories, c->seed) != NULL)
        judge(histories, history_path(histories, c->seed));
    fflush(stdout);
    _exit(0);
}

static void start(const struct runner *r, struct child *c, const struct sim_case *named,
                  uint64_t seed)
{
    char path[] = "/tmp/trilog-sim-XXXXXX";
    c->output = mkstemp(path);
    if (c->output < 0) {
        perror("sim: a temporary file");
        exit(2);
    }
    unlink(path);
    memset(c->counters, 0, sizeof *c->counters);
    c->named = named;
    c->seed = seed;
    c->pid = fork();
    if (c->pid == 0)
        run_child(&r->histories, c);
    if (c->pid < 0) {
        perror("sim: fork");
        exit(2);
    }
}

static void show_output(int output)
{
    static char text[REPORT_TAIL + 1];
    off_t size = lseek(output, 0, SEEK_END);
    off_t from = size > REPORT_TAIL ? size - REPORT_TAIL : 0;
    ssize_t got = pread(output, text, REPORT_TAIL, from);
    text[got > 0 ? got : 0] = '\0';
    fputs(text, stdout);
}

/* Did the seed itself pass, and only what its clients saw is wrong? */
static bool is_judged_bad(const struct runner *r, const struct child *c, int status)
{
    return r->histories.judge != NULL && c->named == NULL && WIFEXITED(status) &&
           (WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 2);
}

static void report_failure(const struct runner *r, const struct child *c, int status)
{
    if (r->failed > FAILURES_SHOWN)
        return;
    if (c->named != NULL)
        printf("FAILED case %s", c->named->name);
    else
        printf("FAILED seed %" PRIu64, c->seed);
    if (is_judged_bad(r, c, status))
        printf(": its history (%s)", history_path(&r->histories, c->seed));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        printf(": it ran for too short or did too little");
    if (WIFSIGNALED(status))
        printf(" (signal %d%s)", WTERMSIG(status), WTERMSIG(status) == SIGXCPU ? ": it hangs" : "");
    printf("\n");
    show_output(c->output);
    if (c->named != NULL)
        printf("  again with: make sim CASE=%s\n", c->named->name);
    else
        printf("  again with: make sim SEED=%" PRIu64 "\n", c->seed);
}

/* Was the seed that has passed as large as it must be? */
static bool note_size(struct runner *r, const struct child *c)
{
    bool is_enough = true;
    for (size_t i = 0; i < FLOOR_COUNT; i++) {
        uint64_t value = c->counters->values[floors[i].counter];
        if (r->seeds == 0 || value < r->least[i])
            r->least[i] = value;
        is_enough &= value >= floors[i].at_least;
    }
    r->seeds++;
    return is_enough;
}

static void print_least(const struct runner *r)
{
    printf("the least of any of %" PRIu64 " seeds:", r->seeds);
    for (size_t i = 0; i < FLOOR_COUNT; i++)
        printf(" %" PRIu64 " %s (>= %" PRIu64 ")", r->least[i], counters[floors[i].counter].name,
               floors[i].at_least);
    printf("\n");
}

/* The history is a test of its own. */
static void end_history(struct runner *r, const struct child *c, int status)
{
    bool is_bad = is_judged_bad(r, c, status);
    bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (r->histories.judge == NULL || c->named != NULL || (!is_bad && !is_good) ||
        history_path(&r->histories, c->seed) == NULL)
        return;
    r->judged++;
    r->passed++; /* of the two, one is counted by end() */
    if (is_good)
        unlink(history_path(&r->histories, c->seed));
}

static void end(struct runner *r, struct child *c, int status)
{
    bool has_passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    end_history(r, c, status);
    if (has_passed && c->named == NULL)
        has_passed = note_size(r, c);
    r->passed += has_passed;
    r->failed += !has_passed;
    for (int i = 0; i < SIM_COUNTER_COUNT; i++)
        r->sum.values[i] += c->counters->values[i];
    sim_harms_add(&r->sum.harms, &c->counters->harms);
    if (!has_passed)
        report_failure(r, c, status);
    fflush(stdout);
    close(c->output);
    c->pid = 0;
}

/* Waits for one child to end. */
static void wait_one(struct runner *r)
{
    int status;
    pid_t pid;
    do
        pid = wait(&status);
    while (pid < 0 && errno == EINTR);
    for (int i = 0; i < CHILDREN_MAX; i++)
        if (r->children[i].pid == pid && pid > 0)
            end(r, &r->children[i], status);
}

static struct child *free_child(struct runner *r)
{
    for (;;) {
        for (int i = 0; i < CHILDREN_MAX; i++)
            if (r->children[i].pid == 0)
                return &r->children[i];
        wait_one(r);
    }
}

static void wait_all(struct runner *r)
{
    for (int i = 0; i < CHILDREN_MAX; i++)
        while (r->children[i].pid != 0)
            wait_one(r);
}

static void init(struct runner *r)
{
    memset(r, 0, sizeof *r);
    for (int i = 0; i < CHILDREN_MAX; i++) {
        r->children[i].counters = mmap(NULL, sizeof(struct sim_counters), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (r->children[i].counters == MAP_FAILED) {
            perror("sim: shared memory");
            exit(2);
        }
    }
}

/* The same seed twice: the same story to the last event? Counts as one test. */
static void check_determinism(struct runner *r, uint64_t seed)
{
    uint64_t hashes[2];
    struct runner before = *r;
    for (int i = 0; i < 2; i++) {
        struct child *c = free_child(r);
        start(r, c, NULL, seed);
        wait_all(r);
        hashes[i] = c->counters->hash;
    }
    r->passed = before.passed;
    r->failed = before.failed;
    r->seeds = before.seeds;
    r->judged = before.judged;
    r->sum = before.sum;
    bool is_same = hashes[0] == hashes[1];
    if (!is_same)
        printf("FAILED determinism: seed %" PRIu64 " ran as %016" PRIx64 " and as %016" PRIx64 "\n",
               seed, hashes[0], hashes[1]);
    r->passed += is_same;
    r->failed += !is_same;
}

static void run_cases(struct runner *r)
{
    for (const struct sim_case *c = sim_cases; c->name != NULL; c++)
        start(r, free_child(r), c, 1);
    wait_all(r);
}

struct plan {
    uint64_t first, last; /* seeds */
    double minutes;       /* 0: as long as it takes */
    uint64_t at_least;    /* seeds, however long they take */
    uint64_t also[ALSO_MAX];
    unsigned also_count;
    bool does_cases, has_seeds;
    const char *case_name; /* one case, or with is_single the first seed: with every event */
    bool is_single;
    struct histories histories;
};

static bool is_over(const struct plan *plan, uint64_t seed, time_t until)
{
    if (seed > plan->last)
        return true;
    return plan->minutes > 0 && seed - plan->first >= plan->at_least && time(NULL) >= until;
}

static void run_seeds(struct runner *r, const struct plan *plan)
{
    time_t until = time(NULL) + (time_t)(plan->minutes * 60);
    for (unsigned i = 0; i < plan->also_count; i++)
        start(r, free_child(r), NULL, plan->also[i]);
    for (uint64_t seed = plan->first; !is_over(plan, seed, until); seed++)
        start(r, free_child(r), NULL, seed);
    wait_all(r);
}

/* Over a run of some size each thing that is meant to happen has happened. */
static void print_counters(struct runner *r, bool must_be_full)
{
    for (int i = 0; i < SIM_COUNTER_COUNT; i++) {
        bool is_missing = must_be_full && counters[i].is_required && r->sum.values[i] == 0;
        printf("%-24s %12" PRIu64 "%s\n", counters[i].name, r->sum.values[i],
               is_missing ? "  FAILED: it must be above 0" : "");
        r->failed += is_missing;
    }
    r->failed += sim_harms_print(&r->sum.harms, must_be_full && r->seeds >= HARMS_FULL);
}

/* The judge's status is the run's, where there is one. */
static int run_one(const struct histories *histories, const char *case_name, uint64_t seed)
{
    static struct sim_counters own;
    if (case_name == NULL) {
        run_seed(histories, seed, &own, true);
    } else {
        const struct sim_case *c = sim_cases;
        while (c->name != NULL && strcmp(c->name, case_name) != 0)
            c++;
        if (c->name == NULL) {
            fprintf(stderr, "sim: no case is named %s\n", case_name);
            return 2;
        }
        c->run(seed, &own, true);
    }
    struct runner r = {.sum = own, .passed = 1};
    print_counters(&r, false);
    printf("1 passed, 0 failed\n");
    if (case_name == NULL && histories->judge != NULL && history_path(histories, seed) != NULL)
        judge(histories, history_path(histories, seed));
    return 0;
}

static int usage(void)
{
    fprintf(stderr,
            "sim: --seed N | --case NAME | [--cases] [--seeds A-B] [--also N]…"
            " [--minutes M] [--at-least N] [--history FOLDER [--judge PROGRAM [--blind]]]\n");
    return 2;
}

/* False when the option is not known. */
static bool take_option(struct plan *plan, const char *option, const char *value)
{
    if (strcmp(option, "--minutes") == 0)
        plan->minutes = strtod(value, NULL);
    else if (strcmp(option, "--at-least") == 0)
        plan->at_least = strtoull(value, NULL, 10);
    else if (strcmp(option, "--also") == 0 && plan->also_count < ALSO_MAX)
        plan->also[plan->also_count++] = strtoull(value, NULL, 10);
    else if (strcmp(option, "--seeds") == 0)
        plan->has_seeds = sscanf(value, "%" SCNu64 "-%" SCNu64, &plan->first, &plan->last) >= 1;
    else if (strcmp(option, "--seed") == 0)
        plan->is_single = sscanf(value, "%" SCNu64, &plan->first) == 1;
    else if (strcmp(option, "--case") == 0)
        plan->case_name = value;
    else if (strcmp(option, "--history") == 0)
        plan->histories.folder = value;
    else if (strcmp(option, "--judge") == 0)
        plan->histories.judge = value;
    else
        return false;
    return true;
}

static int run_all(const struct plan *plan)
{
    static struct runner r;
    init(&r);
    r.histories = plan->histories;
    if (plan->does_cases)
        run_cases(&r);
    if (plan->has_seeds || plan->minutes > 0) {
        check_determinism(&r, plan->first);
        run_seeds(&r, plan);
    }
    print_counters(&r, plan->does_cases && r.passed + r.failed >= 100);
    if (r.seeds > 0)
        print_least(&r);
    if (r.histories.judge != NULL)
        printf("%" PRIu64 " histories of clients judged\n", r.judged);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", r.passed, r.failed);
    return r.failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct plan plan = {.first = 1, .last = UINT64_MAX};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--cases") == 0)
            plan.does_cases = true;
        else if (strcmp(argv[i], "--blind") == 0)
            plan.histories.is_blind = true;
        else if (i + 1 == argc || !take_option(&plan, argv[i++], value))
            return usage();
    }
    if (plan.histories.judge != NULL && plan.histories.folder == NULL)
        return usage();
    if (plan.case_name != NULL || plan.is_single)
        return run_one(&plan.histories, plan.case_name, plan.is_single ? plan.first : 1);
    return run_all(&plan);
}
