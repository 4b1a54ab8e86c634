/* Commits, and the rule that committed offsets don't go back (design, section 6).
 *
 * A commit says "done at least up to here", which stays true when a higher one follows. What goes
 * down is therefore either meant (a member seeks back to read again, an operator resets) or stale
 * (a program that began from an old position, or woke up late). The table tells them apart by who
 * committed what stands there: a member may take back what it has itself committed in this
 * generation, down to what others had stored when it began, and no further. Anything lower is
 * stale: the higher one stays and the commit is a success, or it is refused (`deny`), or done as
 * in Kafka (`allow`). Who is no member is a tool or a program with assign: Kafka lets it commit
 * only while the group has no members, and so do we, to any offset. "No progress", as kafkajs
 * says it of a partition that is to begin anew, is below everything: where it is let, the offset
 * goes.
 *
 * The policy is the group's own, from a POLICY entry, or the one that the commit's proposer wrote
 * into the entry: apply reads no settings. Each offset is judged alone. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/group_record.h"
#include "consumer/table_parts.h"

#define TOPIC_SIZE_MAX     249 /* Kafka's */
#define DETAIL_SIZE        9   /* u8 outcome and IS_NEWS, i64 what was stored before */
#define DETAIL_IS_NEWS     0x80
#define DETAIL_IS_NEWS_NOT 0x7f

/* ---- checks of the whole ---- */

static int check_committer(const struct consumer_table *t, struct kafka_string group_id,
                           const struct group_commit *commit)
{
    const struct table_group *g = table_group_find(t, group_id);
    if (commit->generation < 0)
        return table_group_has_members(g) ? ERR_GROUP_MEMBER : 0;
    if (!table_group_has_members(g) || g->shown.membership.generation != commit->generation)
        return ERR_GROUP_GENERATION;
    return consumer_table_has_member(t, group_id, commit->member_id) ? 0 : ERR_GROUP_MEMBER;
}

/* What an offset would add. One that is there may always go on, also as another member's. */
static size_t more_bytes(const struct table_group *g, const struct group_offset *offset,
                         struct kafka_string member_id)
{
    const struct table_offset *stored = table_offset_find(g, offset->topic, offset->partition);
    if (stored == NULL)
        return table_offset_bytes(g, offset, member_id);
    int32_t before = stored->shown.committed.metadata.size;
    return offset->metadata.size > before ? (size_t)(offset->metadata.size - before) : 0;
}

static bool has_room(const struct consumer_table *t, const struct table_group *g, size_t bytes)
{
    return g->offset_bytes + bytes <= CONSUMER_GROUP_BYTES_MAX &&
           t->bytes + bytes <= CONSUMER_TABLE_BYTES_MAX;
}

/* Nothing is looked up while there is room for all as if they were new. */
static int check_room(const struct consumer_table *t, struct kafka_string group_id,
                      const struct group_commit *commit)
{
    struct table_group unknown = {.shown.group_id = group_id};
    const struct table_group *g = table_group_find(t, group_id);
    struct bytes_reader r = bytes_reader_of(commit->offsets), again = r;
    struct group_offset offset;
    size_t bytes = 0, more = 0;
    if (g == NULL)
        g = &unknown;
    for (uint32_t i = 0; i < commit->offset_count; i++) {
        group_offset_read(&r, &offset);
        if (offset.topic.size > TOPIC_SIZE_MAX)
            return ERR_MALFORMED;
        bytes += table_offset_bytes(g, &offset, commit->member_id);
    }
    if (has_room(t, g, bytes))
        return 0;
    for (uint32_t i = 0; i < commit->offset_count; i++) {
        group_offset_read(&again, &offset);
        more += more_bytes(g, &offset, commit->member_id);
    }
    return more == 0 || has_room(t, g, more) ? 0 : ERR_FULL;
}

/* ---- the rule ---- */

/* One offset of a commit, and what it meets. */
struct meeting {
    struct table_group *group;
    const struct group_commit *commit;
    enum group_policy policy;
    struct group_offset asked;
    struct table_offset *place;        /* in the table, or NULL */
    const struct table_offset *stored; /* the same; NULL when it is of a topic that was deleted */
    int64_t before;                    /* what is stored; -1: nothing */
    bool is_own;                       /* it was committed by this member in this generation */
};

static bool is_of_other_topic(const struct group_offset *a, const struct group_offset *b)
{
    static const uint8_t unknown[16];
    return memcmp(a->topic_id, b->topic_id, sizeof unknown) != 0 &&
           memcmp(a->topic_id, unknown, sizeof unknown) != 0 &&
           memcmp(b->topic_id, unknown, sizeof unknown) != 0;
}

/* A topic that was made again under its name begins anew. But a coordinator that does not know of
 * that yet, where another one has, only takes the topic for the former one. */
static bool is_of_former_topic(const struct consumer_offset *stored, const struct meeting *m)
{
    return is_of_other_topic(&stored->committed, &m->asked) &&
           m->commit->metadata_version >= stored->metadata_version;
}

/* Nor does a line of the former one's history go on. */
static void meet(struct meeting *m)
{
    struct table_offset *o = table_offset_find(m->group, m->asked.topic, m->asked.partition);
    bool is_anew = o != NULL && is_of_former_topic(&o->shown, m);
    if (is_anew)
        table_history_end(o);
    m->place = o;
    m->stored = is_anew ? NULL : o;
    m->before = m->stored == NULL ? -1 : m->stored->shown.committed.offset;
    m->is_own = m->stored != NULL && m->commit->generation >= 0 &&
                m->stored->shown.generation == m->commit->generation &&
                kafka_string_is_equal(m->stored->shown.member_id, m->commit->member_id);
}

static enum commit_outcome judge(const struct meeting *m)
{
    if (m->commit->generation < 0)
        return COMMIT_OUTSIDE;
    if (m->asked.offset >= m->before)
        return COMMIT_STORED;
    if (m->policy == GROUP_POLICY_ALLOW)
        return COMMIT_REWIND;
    if (m->policy == GROUP_POLICY_DENY)
        return COMMIT_DENIED;
#ifdef TRILOG_BREAK_GUARD_LOWERS
    return COMMIT_REWIND; /* on purpose wrong, for the simulation to find: a stale start sets back
                           */
#endif
    return m->is_own && m->asked.offset >= m->stored->shown.floor ? COMMIT_REWIND : COMMIT_KEPT;
}

static bool is_stored(enum commit_outcome outcome)
{
    return outcome != COMMIT_KEPT && outcome != COMMIT_DENIED;
}

/* What others had stored before this member came; where it was let below that, it starts there. */
static int64_t floor_after(const struct meeting *m)
{
    int64_t floor = m->is_own ? m->stored->shown.floor : m->before;
    if (m->commit->generation < 0)
        return -1;
    return floor > m->asked.offset ? m->asked.offset : floor;
}

/* The same offset again, by a client that knows no epochs: what is known stays known. */
static int32_t epoch_after(const struct meeting *m)
{
    bool is_same = m->stored != NULL && m->asked.offset == m->before;
    return m->asked.leader_epoch < 0 && is_same ? m->stored->shown.committed.leader_epoch
                                                : m->asked.leader_epoch;
}

/* What whoever has seen most knows of the topic. */
static void keep_newest_topic(const struct meeting *m, struct consumer_offset *offset)
{
    offset->metadata_version = m->commit->metadata_version;
    if (m->stored == NULL || m->stored->shown.metadata_version <= offset->metadata_version)
        return;
    offset->metadata_version = m->stored->shown.metadata_version;
    if (is_of_other_topic(&offset->committed, &m->stored->shown.committed))
        offset->committed.leader_epoch = -1; /* perhaps the former one's */
    memcpy(offset->committed.topic_id, m->stored->shown.committed.topic_id,
           sizeof offset->committed.topic_id);
}

static int store(struct application *a, struct meeting *m)
{
    struct consumer_offset offset = {
        .committed = m->asked,
        .committed_at_ms = a->wall_ms,
        .expire_at_ms = m->commit->expire_at_ms,
        .generation = m->commit->generation,
        .member_id = m->commit->generation < 0 ? kafka_string_of("") : m->commit->member_id,
        .floor = floor_after(m),
    };
    offset.committed.leader_epoch = epoch_after(m);
    keep_newest_topic(m, &offset);
    group_record_offset(&a->records, m->group->shown.group_id, &offset.committed, a->wall_ms,
                        m->commit->expire_at_ms);
    m->place = table_offset_set(a->table, m->group, m->place, &offset);
    m->stored = m->place;
    return m->place == NULL ? UV_ENOMEM : 0;
}

static void forget(struct application *a, struct meeting *m)
{
    if (m->place == NULL)
        return;
    group_record_offset_gone(&a->records, m->group->shown.group_id, m->asked.topic,
                             m->asked.partition, a->wall_ms);
    table_offset_remove(a->table, m->group, m->place);
    m->stored = m->place = NULL;
}

/* ---- history and answer ---- */

static int tell_history(struct application *a, const struct meeting *m, enum commit_outcome outcome)
{
    static const enum history_kind kinds[COMMIT_OUTCOME_COUNT] = {
        [COMMIT_STORED] = HISTORY_COMMIT,   [COMMIT_REWIND] = HISTORY_REWIND,
        [COMMIT_OUTSIDE] = HISTORY_OUTSIDE, [COMMIT_KEPT] = HISTORY_KEPT,
        [COMMIT_DENIED] = HISTORY_DENIED,
    };
    struct history_line act = {
        .kind = kinds[outcome],
        .first_at_ms = a->wall_ms,
        .last_at_ms = a->wall_ms,
        .count = 1,
        .generation = m->commit->generation,
        .member_id = m->commit->member_id,
        .client_id = m->commit->client_id,
        .client_host = m->commit->client_host,
        .topic = m->asked.topic,
        .partition = m->asked.partition,
        .old_offset = m->before,
        .new_offset = m->asked.offset,
    };
    if (m->asked.offset == m->before)
        return 0; /* nothing has changed */
    return table_history_add(a->table, m->group->shown.group_id, &act, m->place);
}

static void tell_proposer(struct application *a, uint32_t at, enum commit_outcome outcome,
                          bool is_news, int64_t before)
{
    uint8_t *into = a->detail + (size_t)at * DETAIL_SIZE;
    *into = (uint8_t)(outcome | (is_news ? DETAIL_IS_NEWS : 0));
    bytes_put_le64(into + 1, (uint64_t)before);
}

bool commit_detail_read(struct bytes detail, uint32_t at, struct commit_result *result)
{
    if (at >= detail.size / DETAIL_SIZE)
        return false;
    const uint8_t *from = detail.data + (size_t)at * DETAIL_SIZE;
    result->outcome = *from & DETAIL_IS_NEWS_NOT;
    result->is_news = (*from & DETAIL_IS_NEWS) != 0;
    result->before = (int64_t)bytes_get_le64(from + 1);
    return true;
}

/* ---- */

static int apply_offset(struct application *a, struct meeting *m, uint32_t at)
{
    meet(m);
    enum commit_outcome outcome = judge(m);
    bool is_progress = m->asked.offset >= 0;
    if (is_stored(outcome) && is_progress && store(a, m) != 0)
        return UV_ENOMEM;
    int is_news = tell_history(a, m, outcome);
    if (is_stored(outcome) && !is_progress)
        forget(a, m);
    if (is_news < 0)
        return is_news;
    tell_proposer(a, at, outcome, is_news > 0, m->before);
    return 0;
}

static int apply_offsets(struct application *a, struct table_group *g,
                         const struct group_commit *commit)
{
    struct bytes_reader r = bytes_reader_of(commit->offsets);
    struct meeting m = {
        .group = g,
        .commit = commit,
        .policy = g->shown.policy == GROUP_POLICY_DEFAULT ? commit->policy : g->shown.policy,
    };
    a->detail_size = (size_t)commit->offset_count * DETAIL_SIZE;
    a->detail = malloc(a->detail_size);
    if (a->detail == NULL)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < commit->offset_count; i++) {
        group_offset_read(&r, &m.asked);
        if (apply_offset(a, &m, i) != 0)
            return UV_ENOMEM;
    }
    return 0;
}

int table_apply_commit(struct application *a, const struct group_entry *entry)
{
    struct table_group *g;
    int err = check_committer(a->table, entry->group_id, &entry->commit);
    if (err == 0)
        err = check_room(a->table, entry->group_id, &entry->commit);
    if (err == 0)
        err = table_find_or_add(a, entry->group_id, &g);
    if (err != 0)
        return err;
    if (entry->commit.metadata_version > a->table->metadata_version)
        a->table->metadata_version = entry->commit.metadata_version;
    return apply_offsets(a, g, &entry->commit);
}
