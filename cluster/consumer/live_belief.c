/* What a member believes: offsets that it committed and that were not stored, for higher ones stay.
 *
 * To most clients the answer "success" is all they need: they know themselves where they read.
 * kafkajs does not: it seeks by committing the offset as a member, and then asks the coordinator
 * where it is. Told what is stored, it would go on there, and not have moved at all:
 *
 *   member   commit 5 ──▶ success (20 stays)     offset? ──▶ 5     reads from 5 on
 *   others                                       offset? ──▶ 20
 *
 * So the member is told its own offset, and nobody else: whoever comes after it goes on from what
 * is stored. A member is known by the connection on which it commits, for OffsetFetch names none.
 * It is the coordinator's memory and no more: gone with the generation, with the member, and with
 * the coordinator. Beyond BELIEFS_MAX, or without memory, a member is told what is stored. */
#include <stdlib.h>
#include <string.h>

#include "consumer/live_parts.h"

#define BELIEFS_MAX 1000 /* of one member: more partitions than one seeks in */

static struct live_member *find_member(const struct group_set *s, struct kafka_string group_id,
                                       struct kafka_string member_id)
{
    const struct live_group *g = live_group_find(s, group_id);
    return g == NULL ? NULL : live_member_find(g, member_id);
}

/* Where the partition's is linked, or the end. */
static struct live_belief **find(struct live_member *m, struct kafka_string topic,
                                 int32_t partition)
{
    struct live_belief **at = &m->beliefs;
    while (*at != NULL &&
           ((*at)->partition != partition || !kafka_string_is_equal((*at)->topic, topic)))
        at = &(*at)->next;
    return at;
}

static void remove_at(struct live_member *m, struct live_belief **at)
{
    struct live_belief *belief = *at;
    *at = belief->next;
    m->belief_count--;
    m->group->belief_count--;
    live_member_count(m, 0, sizeof *belief + (size_t)belief->topic.size);
    free(belief);
}

void live_forget_beliefs(struct live_member *m)
{
    while (m->beliefs != NULL)
        remove_at(m, &m->beliefs);
}

static void add(struct live_member *m, const struct group_offset *asked)
{
    size_t size = (size_t)asked->topic.size;
    struct live_belief *belief = malloc(sizeof *belief + size);
    if (belief == NULL)
        return;
    char *name = (char *)(belief + 1);
    memcpy(name, asked->topic.data, size);
    *belief = (struct live_belief){
        .topic = {.data = name, .size = asked->topic.size},
        .partition = asked->partition,
        .offset = asked->offset,
        .leader_epoch = asked->leader_epoch,
        .next = m->beliefs,
    };
    m->beliefs = belief;
    m->belief_count++;
    m->group->belief_count++;
    live_member_count(m, sizeof *belief + size, 0);
}

void group_believe(struct group_set *s, struct kafka_string group_id, struct kafka_string member_id,
                   const struct group_offset *asked)
{
    struct live_member *m = find_member(s, group_id, member_id);
    if (m == NULL || asked->topic.size <= 0)
        return;
    struct live_belief **former = find(m, asked->topic, asked->partition);
    if (*former != NULL)
        remove_at(m, former);
    if (m->belief_count < BELIEFS_MAX)
        add(m, asked);
}

void group_believe_stored(struct group_set *s, struct kafka_string group_id,
                          struct kafka_string member_id, struct kafka_string topic,
                          int32_t partition)
{
    struct live_member *m = find_member(s, group_id, member_id);
    struct live_belief **former = m == NULL ? NULL : find(m, topic, partition);
    if (former != NULL && *former != NULL)
        remove_at(m, former);
}

static bool is_speaking(const struct live_member *m, const struct group_way *way)
{
    return m->way.router == way->router && m->way.number == way->number;
}

bool group_belief(const struct group_set *s, struct kafka_string group_id,
                  const struct group_way *way, struct kafka_string topic, int32_t partition,
                  int64_t *offset, int32_t *leader_epoch)
{
    const struct live_group *g = live_group_find(s, group_id);
    if (g == NULL || g->belief_count == 0)
        return false;
    for (struct live_member *m = g->members; m != NULL; m = m->hh.next) {
        struct live_belief *belief = m->belief_count > 0 && is_speaking(m, way)
                                         ? *find(m, topic, partition)
                                         : NULL;
        if (belief == NULL)
            continue;
        *offset = belief->offset;
        *leader_epoch = belief->leader_epoch;
        return true;
    }
    return false;
}
