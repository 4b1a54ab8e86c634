/* When committed offsets are over (docs/groups.md): by clocks of entries, alike on every replica.
 * Here that is only what a client has said itself of how long it wants an offset kept:
 *
 *   the group has no members              so long since it was committed
 *   its members read other topics         the same
 *   a member reads the topic, or nobody   never
 *   knows what members read
 *
 * A forced recovery ends memberships, and counts as the moment when members left: who lives has as
 * long to come back as if it had committed then. */
#include <inttypes.h>

#include "sim/sim_check_consumer.h"

#define TIDY_MS            7000  /* between two looks of a coordinator, and a moment */
#define RETENTION_MS_LEAST 60000 /* of what no client named a time for */

static bool is_read(const struct sim_check *c, const struct sim_consumer_group *group,
                    unsigned place)
{
    if (seen_of(c, group)->member_count == 0)
        return false;
    return group->kind != SIM_GROUP_FLEETING || (SIM_FLEETING_MASK >> place & 1) != 0;
}

/* No sooner than this. */
static int64_t over_at_ms(const struct sim_check *c, const struct sim_consumer_group *group,
                          const struct seen_value *value)
{
    const struct seen_group *seen = seen_of(c, group);
    int64_t since_ms = value->committed_at_ms;
    if (value->expire_at_ms < 0)
        return INT64_MAX;
    if (seen->member_count == 0 && since_ms < seen->ended_at_ms)
        since_ms = seen->ended_at_ms;
    return since_ms + value->expire_at_ms - value->committed_at_ms;
}

/* What the coordinator saw may have been committed anew at the same clock: apply looks once more.
 */
static bool is_kept_by_apply(const struct seen_value *value, int64_t wall_ms)
{
    return value->expire_at_ms >= 0 ? wall_ms < value->expire_at_ms
                                    : wall_ms - value->committed_at_ms < RETENTION_MS_LEAST;
}

bool seen_may_expire(struct sim_check *c, const struct sim_consumer_group *group, unsigned place,
                     int64_t wall_ms)
{
    const struct seen_value *value = seen_value_at(&seen_of(c, group)->offsets[place], UINT64_MAX);
    if (value->offset < 0 || is_read(c, group, place))
        return false;
    if (is_kept_by_apply(value, wall_ms))
        return false;
    if (c->consumers->is_telling_again)
        return true;
    if (wall_ms < over_at_ms(c, group, value))
        world_violation(c->sim->world, "6 no rollback",
                        "group %s, partition %u: %" PRId64 " expires %" PRId64
                        " ms before it is over",
                        group->name, place, value->offset, over_at_ms(c, group, value) - wall_ms);
    sim_count(c->sim, SIM_offsets_expired, 1);
    sim_count(c->sim, SIM_offsets_expired_unread, seen_of(c, group)->member_count > 0);
    return true;
}

/* Who coordinates looks every few seconds, and all clocks are right. */
static void check_place(struct sim_check *c, const struct sim_consumer_group *group, unsigned place,
                        int64_t now_ms)
{
    const struct seen_group *seen = seen_of(c, group);
    const struct seen_value *value = seen_value_at(&seen->offsets[place], UINT64_MAX);
    int64_t over_ms = over_at_ms(c, group, value);
    if (over_ms < seen->changed_at_ms)
        over_ms = seen->changed_at_ms;
    if (value->offset >= 0 && !is_read(c, group, place) && over_ms < now_ms - TIDY_MS)
        world_violation(c->sim->world, "18 progress",
                        "group %s, partition %u: %" PRId64 " is still there %" PRId64
                        " ms after it was over",
                        group->name, place, value->offset, now_ms - over_ms);
}

void sim_check_expired(struct sim_check *c)
{
    const struct clock *clock = &c->sim->nodes[0]->life->clock;
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS && !c->sim->is_blind; i++)
        for (unsigned place = 0; place < SIM_CONSUMED; place++)
            check_place(c, &sim_consumer_groups[i], place, clock_wall_ms(clock));
}
