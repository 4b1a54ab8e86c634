/* faultfs: a folder, mounted a second time, as a disk that can be broken.
 *
 * Runs in the foreground until SIGTERM or SIGINT, and unmounts then. README.md names the commands
 * that its control socket takes. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "operations.h"
#include "volume.h"

/* A slow call keeps its thread: so many may sleep before others have to wait. */
#define THREADS_MAX    256
#define UNDO_BYTES_MAX (UINT64_C(256) << 20)

static const char usage[] =
    "usage: faultfs BACKING_FOLDER MOUNT_POINT --control SOCKET [--seed N] [--undo-bytes N]\n"
    "  shows BACKING_FOLDER at MOUNT_POINT, as a disk that breaks when told to at SOCKET\n"
    "  --seed N        what chance is drawn from (default 1)\n"
    "  --undo-bytes N  memory for what is not synced (default 256 MiB)\n";

struct arguments {
    const char *backing;
    const char *mount_point;
    const char *control;
    uint64_t seed;
    uint64_t undo_bytes_max;
};

static int parse_number(const char *name, const char *text, uint64_t *into)
{
    char *end = NULL;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
        fprintf(stderr, "faultfs: --%s needs a whole number, not %s\n", name, text);
        return -1;
    }
    *into = parsed;
    return 0;
}

static int parse_arguments(int count, char **words, struct arguments *arguments)
{
    static const struct option options[] = {{"control", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"undo-bytes", required_argument, NULL, 'u'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    *arguments = (struct arguments){.seed = 1, .undo_bytes_max = UNDO_BYTES_MAX};
    int option, err = 0;
    while (err == 0 && (option = getopt_long(count, words, "", options, NULL)) != -1) {
        if (option == 'c')
            arguments->control = optarg;
        else if (option == 's')
            err = parse_number("seed", optarg, &arguments->seed);
        else if (option == 'u')
            err = parse_number("undo-bytes", optarg, &arguments->undo_bytes_max);
        else
            err = -1;
    }
    if (err != 0 || count - optind != 2 || arguments->control == NULL) {
        fputs(usage, stderr);
        return -1;
    }
    arguments->backing = words[optind];
    arguments->mount_point = words[optind + 1];
    return 0;
}

/* Two descriptors for each file that the kernel remembers. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int check_machine(void)
{
    if (access("/dev/fuse", R_OK | W_OK) == 0)
        return 0;
    fprintf(stderr,
            "faultfs: needs /dev/fuse (%s): load the module fuse, or run where a "
            "container may use it\n",
            strerror(errno));
    return -1;
}

static struct fuse_session *new_session(struct volume *volume)
{
    static struct fuse_lowlevel_ops operations;
    struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
    /* Other users' processes than ours may be let in by root only. */
    const char *options = geteuid() == 0
                              ? "-ofsname=faultfs,subtype=faultfs,default_permissions,allow_other"
                              : "-ofsname=faultfs,subtype=faultfs,default_permissions";
    struct fuse_session *session = NULL;
    operations_fill(&operations);
    if (fuse_opt_add_arg(&arguments, "faultfs") == 0 && fuse_opt_add_arg(&arguments, options) == 0)
        session = fuse_session_new(&arguments, &operations, sizeof operations, volume);
    fuse_opt_free_args(&arguments);
    return session;
}

static int run_loop(struct fuse_session *session)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (config == NULL)
        return -1;
    fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
    fuse_loop_cfg_set_idle_threads(config, 16);
    int result = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    return result < 0 ? -1 : 0; /* a positive one is the signal that ended it */
}

static int serve(struct fuse_session *session, struct volume *volume,
                 const struct arguments *arguments)
{
    struct control *control = control_start(volume, arguments->control);
    if (control == NULL)
        return -1;
    printf("faultfs: %s is mounted on %s, control socket %s, seed %llu\n", arguments->backing,
           arguments->mount_point, arguments->control, (unsigned long long)arguments->seed);
    fflush(stdout);
    int err = run_loop(session);
    rules_clear(&volume->rules);
    control_stop(control);
    return err;
}

static int mount_and_serve(struct volume *volume, const struct arguments *arguments)
{
    struct fuse_session *session = new_session(volume);
    if (session == NULL)
        return -1;
    int err = -1;
    if (fuse_set_signal_handlers(session) == 0) {
        if (fuse_session_mount(session, arguments->mount_point) == 0) {
            err = serve(session, volume, arguments);
            fuse_session_unmount(session);
        }
        fuse_remove_signal_handlers(session);
    }
    fuse_session_destroy(session);
    return err;
}

int main(int count, char **words)
{
    static struct volume volume;
    struct arguments arguments;
    if (parse_arguments(count, words, &arguments) != 0)
        return 2;
    if (check_machine() != 0)
        return 1;
    allow_many_descriptors();
    umask(0); /* the kernel has applied the caller's */
    if (volume_open(&volume, arguments.backing, arguments.seed, arguments.undo_bytes_max) != 0)
        return 1;
    int err = mount_and_serve(&volume, &arguments);
    volume_close(&volume);
    return err == 0 ? 0 : 1;
}
