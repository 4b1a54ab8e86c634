/* From the applied tables of consumer groups, which every replica keeps: so whoever is asked knows
 * them, also when their coordinator is elsewhere. */
#include "admin/lost_members.h"

#include <string.h>

#include "cluster/consumer_table.h"
#include "consumer/subscription.h"

static bool has_site(const struct lost_sites *sites, const char *name, size_t size)
{
    for (unsigned i = 0; i < sites->count; i++)
        if (strlen(sites->names[i]) == size && memcmp(sites->names[i], name, size) == 0)
            return true;
    return false;
}

static void add_host(struct lost_sites *sites, const char *host, bool is_lost)
{
    if (host[0] == '\0' || sites->host_count == sizeof sites->hosts / sizeof sites->hosts[0])
        return;
    snprintf(sites->hosts[sites->host_count].host, sizeof sites->hosts[0].host, "%s", host);
    sites->hosts[sites->host_count++].is_lost = is_lost;
}

void lost_sites_find_hosts(struct broker *b, struct lost_sites *sites)
{
    sites->host_count = 0;
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const struct metadata_node *node = metadata_node_at(b->metadata, i);
        bool is_lost = has_site(sites, node->site, strlen(node->site));
        add_host(sites, node->host, is_lost);
        add_host(sites, node->peer_host, is_lost);
    }
    metadata_read_unlock(b->metadata);
}

enum place { PLACE_ELSEWHERE, PLACE_LOST, PLACE_NOT_KNOWN };

static enum place place_of_host(const struct lost_sites *sites, struct kafka_string host)
{
    enum place place = PLACE_NOT_KNOWN;
    const char *text = host.data;
    size_t size = host.size > 0 ? (size_t)host.size : 0;
    if (size > 0 && text[0] == '/') { /* as Kafka writes it */
        text++;
        size--;
    }
    for (unsigned i = 0; i < sites->host_count; i++) {
        const char *node_host = sites->hosts[i].host;
        if (strlen(node_host) != size || memcmp(node_host, text, size) != 0)
            continue;
        if (!sites->hosts[i].is_lost)
            return PLACE_ELSEWHERE;
        place = PLACE_LOST;
    }
    return place;
}

static enum place place_of(const struct lost_sites *sites, const struct group_member *member)
{
    struct bytes_reader protocols = bytes_reader_of(member->protocols);
    for (uint16_t i = 0; i < member->protocol_count; i++) {
        struct group_protocol protocol;
        struct kafka_string rack;
        group_protocol_read(&protocols, &protocol);
        if (subscription_rack(protocol.metadata, &rack))
            return has_site(sites, rack.data, (size_t)rack.size) ? PLACE_LOST : PLACE_ELSEWHERE;
    }
    return place_of_host(sites, member->client_host);
}

struct counting {
    const struct lost_sites *sites;
    struct lost_members *into;
};

static void add_name(struct lost_members *into, struct kafka_string name)
{
    size_t size = name.size > 0 ? (size_t)name.size : 0;
    if (into->name_count == LOST_NAMES_MAX || size >= LOST_NAME_SIZE)
        return;
    memcpy(into->names[into->name_count], name.data, size);
    into->names[into->name_count++][size] = '\0';
}

static void count_group(void *data, const struct consumer_group *group)
{
    struct counting *c = data;
    unsigned lost = 0;
    if (!group->has_membership || group->membership.member_count == 0)
        return;
    struct bytes_reader members = bytes_reader_of(group->membership.members);
    for (uint32_t i = 0; i < group->membership.member_count; i++) {
        struct group_member member;
        group_member_read(&members, &member);
        enum place place = place_of(c->sites, &member);
        lost += place == PLACE_LOST;
        c->into->members_not_known += place == PLACE_NOT_KNOWN;
    }
    c->into->groups++;
    c->into->members += group->membership.member_count;
    c->into->members_lost += lost;
    if (lost < group->membership.member_count)
        return;
    c->into->groups_left_empty++;
    add_name(c->into, group->group_id);
}

static void count_partition(void *data, struct partition *p)
{
    if (p->consumers != NULL)
        consumer_table_each_group(p->consumers, count_group, data);
}

void lost_members_count(struct broker_group *g, const struct lost_sites *sites,
                        struct lost_members *into)
{
    struct counting counting = {.sites = sites, .into = into};
    *into = (struct lost_members){0};
    machine_each_partition(g->machine, count_partition, &counting);
}
