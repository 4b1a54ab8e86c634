/* Files and folders that somebody knows: a table by inode. */
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "volume.h"

static struct node **chain_of(struct volume *volume, ino_t inode)
{
    return &volume->chains[chance_mix(0, inode) % VOLUME_NODE_CHAINS];
}

static struct node *find(struct volume *volume, const struct stat *status)
{
    struct node *node = *chain_of(volume, status->st_ino);
    while (node != NULL && (node->inode != status->st_ino || node->device != status->st_dev))
        node = node->next;
    return node;
}

static struct node *add(struct volume *volume, const struct stat *status, int path_descriptor)
{
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    struct node **chain = chain_of(volume, status->st_ino);
    node->next = *chain;
    node->device = status->st_dev;
    node->inode = status->st_ino;
    node->type = status->st_mode & S_IFMT;
    node->path_descriptor = path_descriptor;
    node->data_descriptor = -1;
    pthread_mutex_init(&node->lock, NULL);
    *chain = node;
    volume->node_count++;
    return node;
}

struct node *node_of(struct volume *volume, int path_descriptor)
{
    struct stat status;
    if (fstat(path_descriptor, &status) != 0) {
        close(path_descriptor);
        return NULL;
    }
    pthread_mutex_lock(&volume->nodes_lock);
    struct node *node = find(volume, &status);
    bool is_known = node != NULL;
    if (!is_known)
        node = add(volume, &status, path_descriptor);
    if (node != NULL)
        node->references++;
    pthread_mutex_unlock(&volume->nodes_lock);
    if (is_known || node == NULL)
        close(path_descriptor);
    if (node == NULL)
        errno = ENOMEM;
    return node;
}

struct node *node_find(struct volume *volume, const struct stat *status)
{
    pthread_mutex_lock(&volume->nodes_lock);
    struct node *node = find(volume, status);
    pthread_mutex_unlock(&volume->nodes_lock);
    return node;
}

void node_hold(struct volume *volume, struct node *node)
{
    pthread_mutex_lock(&volume->nodes_lock);
    node->references++;
    pthread_mutex_unlock(&volume->nodes_lock);
}

static void unlink_node(struct volume *volume, struct node *node)
{
    struct node **at = chain_of(volume, node->inode);
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    volume->node_count--;
}

static void free_node(struct node *node)
{
    undo_clear(&node->undo);
    free(node->undo.slots);
    if (node->data_descriptor >= 0)
        close(node->data_descriptor);
    close(node->path_descriptor);
    pthread_mutex_destroy(&node->lock);
    free(node);
}

void node_release(struct volume *volume, struct node *node, uint64_t references)
{
    pthread_mutex_lock(&volume->nodes_lock);
    node->references -= references;
    bool is_last = node->references == 0;
    if (is_last)
        unlink_node(volume, node);
    pthread_mutex_unlock(&volume->nodes_lock);
    if (is_last)
        free_node(node);
}

int node_open_data(struct node *node)
{
    if (node->data_descriptor >= 0)
        return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", node->path_descriptor);
    node->data_descriptor = open(link, O_RDWR | O_CLOEXEC);
    if (node->data_descriptor < 0 && (errno == EACCES || errno == EROFS))
        node->data_descriptor = open(link, O_RDONLY | O_CLOEXEC);
    return node->data_descriptor < 0 ? errno : 0;
}

int node_status(struct node *node, struct stat *status)
{
    if (fstat(node->path_descriptor, status) != 0)
        return errno;
    unsigned kept = atomic_load(&node->kept_names);
    status->st_nlink -= kept < status->st_nlink ? kept : status->st_nlink;
    return 0;
}

static bool read_link_of(int descriptor, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

void node_path(struct volume *volume, const struct node *node, char path[PATH_MAX])
{
    char root[PATH_MAX], whole[PATH_MAX];
    snprintf(path, PATH_MAX, "%s", ".");
    if (node == volume->root || !read_link_of(volume->root->path_descriptor, root) ||
        !read_link_of(node->path_descriptor, whole))
        return;
    size_t root_length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    bool is_below = strncmp(whole, root, root_length) == 0 && whole[root_length] == '/';
    snprintf(path, PATH_MAX, "%s", is_below ? whole + root_length + 1 : whole);
}
