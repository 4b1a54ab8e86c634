/* Three nodes as three sites.
 *
 * Site a is 127.0.0.1, b is 127.0.0.2, c is 127.0.0.3, each on two ports that are free now. A
 * node is a child process in a process group of its own, so that Ctrl-C at the terminal
 * reaches this program only and it decides what ends; and the kernel ends the node should this
 * program die without a chance to clean up. Nodes are ended by process id, never by name.
 *
 * The same demo can watch other brokers of Kafka's protocol that are already running, which is
 * how its own checks were tried before they judged ours. */
#include "cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "demo: %s: %s\n", what, strerror(errno));
    return -1;
}

/* A port nobody listens on. Another program could take it before the node does; the node then
 * says so in its log, and the demo fails with a sentence rather than with wrong results. */
static int find_free_port(const char *host)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int port = -1;
    if (fd >= 0 && inet_pton(AF_INET, host, &address.sin_addr) == 1 &&
        bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static int choose_addresses(struct cluster *cluster)
{
    for (int i = 0; i < CLUSTER_SITES; i++) {
        struct site *site = &cluster->sites[i];
        char host[INET_ADDRSTRLEN];
        snprintf(host, sizeof host, "127.0.0.%d", i + 1);
        int client_port = find_free_port(host);
        int peer_port = find_free_port(host);
        if (client_port < 0 || peer_port < 0)
            return fail(host);
        snprintf(site->name, sizeof site->name, "%c", 'a' + i);
        snprintf(site->address, sizeof site->address, "%s:%d", host, client_port);
        snprintf(site->peer, sizeof site->peer, "%s:%d", host, peer_port);
    }
    return 0;
}

static int make_folder(struct cluster *cluster)
{
    const char *parent = getenv("TMPDIR");
    int length = snprintf(cluster->folder, CLUSTER_FOLDER_BYTES, "%s/trilog-demo-XXXXXX",
                          parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    if (length >= CLUSTER_FOLDER_BYTES || mkdtemp(cluster->folder) == NULL) {
        cluster->folder[0] = '\0';
        return fail("no temporary folder");
    }
    return 0;
}

static void path_of(const struct cluster *cluster, int i, const char *suffix, char *path)
{
    snprintf(path, CLUSTER_PATH_BYTES, "%s/%s%s", cluster->folder, cluster->sites[i].name, suffix);
}

static int write_settings(const struct cluster *cluster, int i)
{
    const struct site *site = &cluster->sites[i];
    char path[CLUSTER_PATH_BYTES];
    path_of(cluster, i, ".yaml", path);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return fail(path);
    fprintf(file, "cluster_name: demo\nnode_id: %d\nsite: %s\ndata_directory: %s/%s\n", i + 1,
            site->name, cluster->folder, site->name);
    fprintf(file, "listen: %s\nadvertised: %s\npeer_listen: %s\nnodes:\n", site->address,
            site->address, site->peer);
    for (int k = 0; k < CLUSTER_SITES; k++)
        fprintf(file, "  - {id: %d, site: %s, peer: \"%s\"}\n", k + 1, cluster->sites[k].name,
                cluster->sites[k].peer);
    return fclose(file) == 0 ? 0 : fail(path);
}

/* "a=HOST:PORT b=HOST:PORT c=HOST:PORT" */
static int take_foreign_nodes(struct cluster *cluster, const char *nodes)
{
    cluster->kill_command = getenv("DEMO_KILL");
    cluster->start_command = getenv("DEMO_START");
    struct site *s = cluster->sites;
    int count = sscanf(nodes, "%15[^=]=%63s %15[^=]=%63s %15[^=]=%63s", s[0].name, s[0].address,
                       s[1].name, s[1].address, s[2].name, s[2].address);
    if (count == 2 * CLUSTER_SITES && cluster->kill_command != NULL &&
        cluster->start_command != NULL)
        return 0;
    fprintf(stderr, "demo: DEMO_NODES wants \"a=HOST:PORT b=HOST:PORT c=HOST:PORT\", and "
                    "DEMO_KILL and DEMO_START beside it\n");
    return -1;
}

int cluster_init(struct cluster *cluster, const char *binary)
{
    memset(cluster, 0, sizeof *cluster);
    const char *nodes = getenv("DEMO_NODES");
    if (nodes != NULL && nodes[0] != '\0')
        return take_foreign_nodes(cluster, nodes);
    cluster->binary = binary;
    if (choose_addresses(cluster) < 0 || make_folder(cluster) < 0)
        return -1;
    for (int i = 0; i < CLUSTER_SITES; i++) {
        if (write_settings(cluster, i) < 0) {
            cluster_close(cluster, false);
            return -1;
        }
    }
    return 0;
}

static int run_command(const char *command, int i)
{
    char line[1024];
    snprintf(line, sizeof line, "%s %d", command, i + 1);
    if (system(line) == 0)
        return 0;
    fprintf(stderr, "demo: failed: %s\n", line);
    return -1;
}

/* What the child does between fork and exec; it never comes back. */
static void become_node(const char *binary, const char *settings, int log, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126); /* the parent died before the line above could matter */
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execl(binary, binary, "--config", settings, (char *)NULL);
    dprintf(STDERR_FILENO, "%s: %s\n", binary, strerror(errno));
    _exit(127);
}

int cluster_start(struct cluster *cluster, int i)
{
    if (cluster->binary == NULL)
        return run_command(cluster->start_command, i);
    char settings[CLUSTER_PATH_BYTES], log_path[CLUSTER_PATH_BYTES];
    path_of(cluster, i, ".yaml", settings);
    path_of(cluster, i, ".log", log_path);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0)
        return fail(log_path);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become_node(cluster->binary, settings, log, parent);
    close(log);
    if (pid < 0)
        return fail("fork");
    cluster->sites[i].pid = pid;
    return 0;
}

int cluster_kill(struct cluster *cluster, int i)
{
    if (cluster->binary == NULL)
        return run_command(cluster->kill_command, i);
    pid_t pid = cluster->sites[i].pid;
    if (pid == 0)
        return 0;
    cluster->sites[i].pid = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

int cluster_find_ended(struct cluster *cluster)
{
    for (int i = 0; i < CLUSTER_SITES; i++) {
        pid_t pid = cluster->sites[i].pid;
        int status;
        if (pid != 0 && waitpid(pid, &status, WNOHANG) == pid) {
            cluster->sites[i].pid = 0;
            cluster->sites[i].end_status = WIFSIGNALED(status) ? WTERMSIG(status)
                                                               : WEXITSTATUS(status);
            return i;
        }
    }
    return -1;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

void cluster_close(struct cluster *cluster, bool is_folder_kept)
{
    for (int i = 0; i < CLUSTER_SITES && cluster->binary != NULL; i++)
        cluster_kill(cluster, i);
    if (cluster->folder[0] == '\0')
        return;
    if (is_folder_kept)
        printf("Settings, data and logs of the three nodes are kept in %s\n", cluster->folder);
    else
        nftw(cluster->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cluster->folder[0] = '\0';
}

void cluster_addresses(const struct cluster *cluster, char *list, size_t size)
{
    snprintf(list, size, "%s,%s,%s", cluster->sites[0].address, cluster->sites[1].address,
             cluster->sites[2].address);
}
