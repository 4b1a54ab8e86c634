/* The codec of GROUP_STATE bodies. Every body begins with
 *   0 u16 version   2 u8 kind   3 u8 0   4 u16 flags (0)   6 text group id, then by kind
 *
 *   COMMIT          i32 generation, text member id, text? instance id, text client id,
 *                   text client host, u64 metadata version, i64 expire at, u8 policy,
 *                   u32 n, n x offset
 *   GENERATION      i32 generation
 *   MEMBERSHIP      i32 generation, text? protocol type, text? protocol name, text? leader,
 *                   u32 n, n x member
 *   OFFSETS_DELETE  u8 reason, actor, u32 n, n x (16 topic id, text topic, i32 partition,
 *                   i64 committed at most at)
 *   DELETE          u8 only when bare, actor
 *   POLICY          u8 policy (0: the default again), actor
 *   FORGET          i64 before; the group id is empty
 *
 * Version 1 had no policy, no actors, and neither of the last two; its commits were applied as
 * Kafka does, which is what they still mean: ALLOW.
 *
 * actor: text client id, text client host
 * offset: 16 topic id, text topic, i32 partition, i64 offset, i32 leader epoch, text metadata
 * member: text id, text? instance id, text client id, text client host, i32 session timeout,
 *   i32 rebalance timeout, u16 n, n x (text protocol, bytes metadata), bytes assignment
 * text: u16 size and bytes; text? may be null, size 0xffff; bytes: u32 size and bytes */
#include "cluster/group_entry.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "state/byte_list.h"

#define BODY_VERSION           2
#define BODY_VERSION_WITH_RULE 2
#define TEXT_NULL              0xffff

/* ---- texts ---- */

bool group_text_is_allowed(struct kafka_string text)
{
    return text.size >= 0 && text.size <= GROUP_TEXT_SIZE_MAX;
}

void group_text_put(struct byte_list *list, struct kafka_string text)
{
    assert(text.size <= GROUP_TEXT_SIZE_MAX);
    byte_list_put_u16(list, text.size < 0 ? TEXT_NULL : (uint16_t)text.size);
    if (text.size > 0)
        byte_list_put(list, text.data, (size_t)text.size);
}

struct kafka_string group_text_read(struct bytes_reader *r, bool is_nullable)
{
    uint16_t size = bytes_read_le16(r);
    if (size == TEXT_NULL && is_nullable)
        return KAFKA_STRING_NULL;
    if (size > GROUP_TEXT_SIZE_MAX)
        r->is_bad = true;
    struct bytes text = bytes_read(r, size);
    return (struct kafka_string){.data = (const char *)text.data, .size = (int32_t)text.size};
}

/* ---- putting ---- */

static void put_head(struct byte_list *list, enum group_entry_kind kind,
                     struct kafka_string group_id)
{
    byte_list_put_u16(list, BODY_VERSION);
    byte_list_put_u8(list, (uint8_t)kind);
    byte_list_put_u8(list, 0);
    byte_list_put_u16(list, 0);
    group_text_put(list, group_id);
}

void group_commit_put(struct byte_list *list, struct kafka_string group_id,
                      const struct group_commit *commit)
{
    put_head(list, GROUP_ENTRY_COMMIT, group_id);
    byte_list_put_u32(list, (uint32_t)commit->generation);
    group_text_put(list, commit->member_id);
    group_text_put(list, commit->instance_id);
    group_text_put(list, commit->client_id);
    group_text_put(list, commit->client_host);
    byte_list_put_u64(list, commit->metadata_version);
    byte_list_put_u64(list, (uint64_t)commit->expire_at_ms);
    byte_list_put_u8(list, (uint8_t)commit->policy);
    byte_list_put_u32(list, commit->offset_count);
}

static void put_actor(struct byte_list *list, const struct group_actor *actor)
{
    group_text_put(list, actor->client_id);
    group_text_put(list, actor->client_host);
}

void group_offset_put(struct byte_list *list, const struct group_offset *offset)
{
    byte_list_put(list, offset->topic_id, sizeof offset->topic_id);
    group_text_put(list, offset->topic);
    byte_list_put_u32(list, (uint32_t)offset->partition);
    byte_list_put_u64(list, (uint64_t)offset->offset);
    byte_list_put_u32(list, (uint32_t)offset->leader_epoch);
    group_text_put(list, offset->metadata);
}

void group_membership_put(struct byte_list *list, struct kafka_string group_id,
                          const struct group_membership *membership)
{
    put_head(list, GROUP_ENTRY_MEMBERSHIP, group_id);
    byte_list_put_u32(list, (uint32_t)membership->generation);
    group_text_put(list, membership->protocol_type);
    group_text_put(list, membership->protocol_name);
    group_text_put(list, membership->leader);
    byte_list_put_u32(list, membership->member_count);
}

void group_member_put(struct byte_list *list, const struct group_member *member)
{
    group_text_put(list, member->member_id);
    group_text_put(list, member->instance_id);
    group_text_put(list, member->client_id);
    group_text_put(list, member->client_host);
    byte_list_put_u32(list, (uint32_t)member->session_timeout_ms);
    byte_list_put_u32(list, (uint32_t)member->rebalance_timeout_ms);
    byte_list_put_u16(list, member->protocol_count);
}

void group_protocol_put(struct byte_list *list, const struct group_protocol *protocol)
{
    group_text_put(list, protocol->name);
    byte_list_put_bytes(list, protocol->metadata);
}

void group_offsets_delete_put(struct byte_list *list, struct kafka_string group_id,
                              enum group_offset_delete_reason reason,
                              const struct group_actor *actor, uint32_t offset_count)
{
    put_head(list, GROUP_ENTRY_OFFSETS_DELETE, group_id);
    byte_list_put_u8(list, (uint8_t)reason);
    put_actor(list, actor);
    byte_list_put_u32(list, offset_count);
}

void group_removal_put(struct byte_list *list, const struct group_removal *removal)
{
    byte_list_put(list, removal->topic_id, sizeof removal->topic_id);
    group_text_put(list, removal->topic);
    byte_list_put_u32(list, (uint32_t)removal->partition);
    byte_list_put_u64(list, (uint64_t)removal->committed_at_ms_max);
}

void group_generation_put(struct byte_list *list, struct kafka_string group_id, int32_t generation)
{
    put_head(list, GROUP_ENTRY_GENERATION, group_id);
    byte_list_put_u32(list, (uint32_t)generation);
}

void group_delete_put(struct byte_list *list, struct kafka_string group_id,
                      const struct group_deletion *deletion)
{
    put_head(list, GROUP_ENTRY_DELETE, group_id);
    byte_list_put_u8(list, deletion->is_only_when_bare);
    put_actor(list, &deletion->actor);
}

void group_policy_put(struct byte_list *list, struct kafka_string group_id,
                      const struct group_policy_change *change)
{
    put_head(list, GROUP_ENTRY_POLICY, group_id);
    byte_list_put_u8(list, (uint8_t)change->policy);
    put_actor(list, &change->actor);
}

void group_forget_put(struct byte_list *list, int64_t before_ms)
{
    put_head(list, GROUP_ENTRY_FORGET, kafka_string_of(""));
    byte_list_put_u64(list, (uint64_t)before_ms);
}

/* ---- reading elements ---- */

static void read_topic_id(struct bytes_reader *r, uint8_t id[16])
{
    struct bytes bytes = bytes_read(r, 16);
    if (bytes.size == 16)
        memcpy(id, bytes.data, 16);
    else
        memset(id, 0, 16);
}

void group_offset_read(struct bytes_reader *r, struct group_offset *offset)
{
    read_topic_id(r, offset->topic_id);
    offset->topic = group_text_read(r, false);
    offset->partition = (int32_t)bytes_read_le32(r);
    offset->offset = (int64_t)bytes_read_le64(r);
    offset->leader_epoch = (int32_t)bytes_read_le32(r);
    offset->metadata = group_text_read(r, false);
    if (offset->topic.size == 0 || offset->partition < 0 || offset->offset < -1 ||
        offset->leader_epoch < -1)
        r->is_bad = true;
}

void group_protocol_read(struct bytes_reader *r, struct group_protocol *protocol)
{
    protocol->name = group_text_read(r, false);
    protocol->metadata = byte_list_read_bytes(r);
}

/* Takes the bytes of `count` protocols as one piece. */
static struct bytes read_protocols(struct bytes_reader *r, unsigned count)
{
    struct group_protocol protocol;
    const uint8_t *start = r->at;
    for (unsigned i = 0; i < count && !r->is_bad; i++)
        group_protocol_read(r, &protocol);
    return bytes_of(start, (size_t)(r->at - start));
}

void group_member_read(struct bytes_reader *r, struct group_member *member)
{
    member->member_id = group_text_read(r, false);
    member->instance_id = group_text_read(r, true);
    member->client_id = group_text_read(r, false);
    member->client_host = group_text_read(r, false);
    member->session_timeout_ms = (int32_t)bytes_read_le32(r);
    member->rebalance_timeout_ms = (int32_t)bytes_read_le32(r);
    member->protocol_count = bytes_read_le16(r);
    member->protocols = read_protocols(r, member->protocol_count);
    member->assignment = byte_list_read_bytes(r);
    if (member->member_id.size == 0 || member->session_timeout_ms < 0 ||
        member->rebalance_timeout_ms < 0)
        r->is_bad = true;
}

void group_removal_read(struct bytes_reader *r, struct group_removal *removal)
{
    read_topic_id(r, removal->topic_id);
    removal->topic = group_text_read(r, false);
    removal->partition = (int32_t)bytes_read_le32(r);
    removal->committed_at_ms_max = (int64_t)bytes_read_le64(r);
    if (removal->topic.size == 0 || removal->partition < 0)
        r->is_bad = true;
}

/* ---- decoding ---- */

static void read_actor(struct bytes_reader *r, uint16_t version, struct group_actor *actor)
{
    actor->client_id = actor->client_host = kafka_string_of("");
    if (version < BODY_VERSION_WITH_RULE)
        return;
    actor->client_id = group_text_read(r, false);
    actor->client_host = group_text_read(r, false);
}

static enum group_policy read_policy(struct bytes_reader *r, unsigned least)
{
    uint8_t policy = bytes_read_u8(r);
    if (policy < least || policy >= GROUP_POLICY_COUNT)
        r->is_bad = true;
    return policy;
}

static void decode_commit(struct bytes_reader *r, uint16_t version, struct group_commit *commit)
{
    commit->generation = (int32_t)bytes_read_le32(r);
    commit->member_id = group_text_read(r, false);
    commit->instance_id = group_text_read(r, true);
    commit->client_id = group_text_read(r, false);
    commit->client_host = group_text_read(r, false);
    commit->metadata_version = bytes_read_le64(r);
    commit->expire_at_ms = (int64_t)bytes_read_le64(r);
    commit->policy = version < BODY_VERSION_WITH_RULE ? GROUP_POLICY_ALLOW
                                                      : read_policy(r, GROUP_POLICY_GUARD);
    commit->offset_count = bytes_read_le32(r);
    commit->offsets = bytes_of(r->at, bytes_reader_left(r));
    struct group_offset offset;
    for (uint32_t i = 0; i < commit->offset_count && !r->is_bad; i++)
        group_offset_read(r, &offset);
    if (commit->generation < -1 || commit->expire_at_ms < -1 || commit->offset_count == 0)
        r->is_bad = true;
}

static bool has_protocol(const struct group_member *member, struct kafka_string name)
{
    struct bytes_reader r = bytes_reader_of(member->protocols);
    struct group_protocol protocol;
    for (unsigned i = 0; i < member->protocol_count; i++) {
        group_protocol_read(&r, &protocol);
        if (kafka_string_is_equal(protocol.name, name))
            return true;
    }
    return false;
}

/* Members, and what they need: the chosen protocol with each, the leader among them. */
static void decode_members(struct bytes_reader *r, struct group_membership *membership)
{
    struct group_member member;
    bool has_leader = membership->member_count == 0 && kafka_string_is_null(membership->leader) &&
                      kafka_string_is_null(membership->protocol_name);
    membership->members = bytes_of(r->at, bytes_reader_left(r));
    for (uint32_t i = 0; i < membership->member_count && !r->is_bad; i++) {
        group_member_read(r, &member);
        if (!r->is_bad && !has_protocol(&member, membership->protocol_name))
            r->is_bad = true;
        if (kafka_string_is_equal(member.member_id, membership->leader))
            has_leader = true;
    }
    if (!has_leader)
        r->is_bad = true;
}

static void decode_membership(struct bytes_reader *r, struct group_membership *membership)
{
    membership->generation = (int32_t)bytes_read_le32(r);
    membership->protocol_type = group_text_read(r, true);
    membership->protocol_name = group_text_read(r, true);
    membership->leader = group_text_read(r, true);
    membership->member_count = bytes_read_le32(r);
    decode_members(r, membership);
    if (membership->generation < 0)
        r->is_bad = true;
}

static void decode_offsets_delete(struct bytes_reader *r, uint16_t version,
                                  struct group_offsets_delete *deletion)
{
    struct group_removal removal;
    deletion->reason = bytes_read_u8(r);
    read_actor(r, version, &deletion->actor);
    deletion->offset_count = bytes_read_le32(r);
    deletion->offsets = bytes_of(r->at, bytes_reader_left(r));
    for (uint32_t i = 0; i < deletion->offset_count && !r->is_bad; i++)
        group_removal_read(r, &removal);
    if (deletion->reason < GROUP_OFFSET_ASKED || deletion->reason > GROUP_OFFSET_TOPIC_GONE ||
        deletion->offset_count == 0)
        r->is_bad = true;
}

static void decode_delete(struct bytes_reader *r, uint16_t version, struct group_deletion *deletion)
{
    uint8_t mode = bytes_read_u8(r);
    deletion->is_only_when_bare = mode != 0;
    if (mode > 1)
        r->is_bad = true;
    read_actor(r, version, &deletion->actor);
}

static void decode_kind(struct bytes_reader *r, uint16_t version, struct group_entry *entry)
{
    switch (entry->kind) {
    case GROUP_ENTRY_COMMIT:
        decode_commit(r, version, &entry->commit);
        break;
    case GROUP_ENTRY_GENERATION:
        entry->generation = (int32_t)bytes_read_le32(r);
        if (entry->generation < 0)
            r->is_bad = true;
        break;
    case GROUP_ENTRY_MEMBERSHIP:
        decode_membership(r, &entry->membership);
        break;
    case GROUP_ENTRY_OFFSETS_DELETE:
        decode_offsets_delete(r, version, &entry->offsets_delete);
        break;
    case GROUP_ENTRY_DELETE:
        decode_delete(r, version, &entry->deletion);
        break;
    case GROUP_ENTRY_POLICY:
        entry->policy_change.policy = read_policy(r, GROUP_POLICY_DEFAULT);
        read_actor(r, version, &entry->policy_change.actor);
        break;
    case GROUP_ENTRY_FORGET:
        entry->forget_before_ms = (int64_t)bytes_read_le64(r);
        if (entry->group_id.size != 0)
            r->is_bad = true;
        break;
    default:
        r->is_bad = true;
    }
}

int group_entry_decode(struct bytes body, struct group_entry *entry)
{
    struct bytes_reader r = bytes_reader_of(body);
    memset(entry, 0, sizeof *entry);
    uint16_t version = bytes_read_le16(&r);
    if (!r.is_bad && (version == 0 || version > BODY_VERSION))
        return ERR_VERSION;
    entry->kind = bytes_read_u8(&r);
    uint8_t unused = bytes_read_u8(&r);
    uint16_t flags = bytes_read_le16(&r);
    entry->group_id = group_text_read(&r, false);
    if (r.is_bad || unused != 0 || flags != 0 ||
        (version < BODY_VERSION_WITH_RULE && entry->kind >= GROUP_ENTRY_POLICY))
        return ERR_MALFORMED;
    decode_kind(&r, version, entry);
    return r.is_bad || bytes_reader_left(&r) != 0 ? ERR_MALFORMED : 0;
}
