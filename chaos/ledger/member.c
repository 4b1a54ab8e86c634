/* The thread of a member of a consumer group: one member after the other, all of one group.
 *
 * Which library they are of is the command line's word. A member that is asked to leave is followed
 * by another one, with a name of its own. */
#include "member.h"

#include <stdio.h>

bool member_is_wanted(struct load_worker *worker)
{
    return !atomic_load(&worker->load->is_over) && !atomic_load(&worker->is_leaving_wanted);
}

void *member_run(void *data)
{
    struct load_worker *worker = data;
    const struct options *o = worker->load->options;
    member_life *live = o->trilog[0] != '\0' ? member_trilog_live : member_kafka_live;
    char group[MEMBER_GROUP_BYTES];
    snprintf(group, sizeof group, "%s%d", o->group_prefix, worker->index % (int)o->groups);
    while (!atomic_load(&worker->load->is_over) && live(worker, group))
        atomic_store(&worker->is_leaving_wanted, false);
    atomic_store(&worker->is_done, true);
    return NULL;
}
