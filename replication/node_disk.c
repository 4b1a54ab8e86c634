/* Reports of disks: our own, and what peers have told of theirs. */
#include "node_state.h"

void repl_node_set_disk(struct repl_node *n, const struct repl_disk_report *report)
{
    pthread_mutex_lock(&n->lock);
    n->disk = *report;
    pthread_mutex_unlock(&n->lock);
    bool is_news = atomic_exchange(&n->disk_state, report->state) != (unsigned)report->state;
    is_news |= atomic_exchange(&n->disk_is_full, report->is_full) != report->is_full;
    is_news |= atomic_exchange(&n->disk_is_low, report->is_low) != report->is_low;
    is_news |= atomic_exchange(&n->disk_is_out_of_files, report->is_out_of_files) !=
               report->is_out_of_files;
    if (is_news)
        atomic_store(&n->is_disk_news, true);
}

bool node_hear_disk(struct repl_node *n, struct node_peer *p, const struct repl_disk_report *disk)
{
    pthread_mutex_lock(&n->lock);
    p->disk = *disk;
    pthread_mutex_unlock(&n->lock);
    atomic_store(&p->disk_is_full, disk->is_full);
    atomic_store(&p->disk_is_low, disk->is_low);
    atomic_store(&p->disk_is_out_of_files, disk->is_out_of_files);
    return atomic_exchange(&p->disk_state, disk->state) != (unsigned)disk->state;
}

bool repl_node_disk(struct repl_node *n, uint32_t node_id, struct repl_disk_report *report)
{
    const struct node_peer *p = node_find_peer(n, node_id);
    bool is_own = node_id == n->options.node_id;
    if (!is_own && p == NULL)
        return false;
    pthread_mutex_lock(&n->lock);
    *report = is_own ? n->disk : p->disk;
    pthread_mutex_unlock(&n->lock);
    return report->total_bytes != 0;
}

unsigned repl_node_peer_disks(struct repl_node *n, struct repl_disk_report *reports)
{
    unsigned count = 0;
    for (unsigned i = 0; i < REPL_NODES_MAX; i++) {
        uint32_t node_id = atomic_load(&n->peers[i].node_id);
        if (node_id != 0 && node_is_alive(n, node_id) &&
            repl_node_disk(n, node_id, &reports[count]))
            count++;
    }
    return count;
}

enum repl_disk_state node_disk_state(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (node_id == n->options.node_id)
        return (enum repl_disk_state)atomic_load(&n->disk_state);
    return p == NULL ? REPL_DISK_OK : (enum repl_disk_state)atomic_load(&p->disk_state);
}

bool node_disk_is_full(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return node_id == n->options.node_id ? atomic_load(&n->disk_is_full)
                                         : p != NULL && atomic_load(&p->disk_is_full);
}

bool node_disk_is_low(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return node_id == n->options.node_id ? atomic_load(&n->disk_is_low)
                                         : p != NULL && atomic_load(&p->disk_is_low);
}

bool node_disk_is_out_of_files(struct repl_node *n, uint32_t node_id)
{
    struct node_peer *p = node_find_peer(n, node_id);
    return node_id == n->options.node_id ? atomic_load(&n->disk_is_out_of_files)
                                         : p != NULL && atomic_load(&p->disk_is_out_of_files);
}

uint64_t node_disk_for_ms(struct repl_node *n)
{
    pthread_mutex_lock(&n->lock);
    uint64_t for_ms = n->disk.for_ms;
    pthread_mutex_unlock(&n->lock);
    return for_ms;
}
