/* What of a topic's configs is checked against the cluster and each other, and groups for topics.
 *
 * Whoever changes sites at the same time may come in between: then the topic wants what there is
 * not, and its partitions stay where they are until there is (membership/topic_drive.c). */
#include "topic_replication.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/placement.h"

#define MIN_INSYNC "min.insync.replicas"

/* ---- the configs as they will be ---- */

static bool is_removed(const struct metadata_change *change, const char *name)
{
    for (unsigned i = 0; i < change->removed_count; i++)
        if (strcmp(change->removed[i], name) == 0)
            return true;
    return false;
}

/* NULL: no override. */
static const char *config_after(const struct metadata_topic *t,
                                const struct metadata_change *change, const char *name)
{
    if (is_removed(change, name))
        return NULL;
    for (unsigned i = 0; i < change->config_count; i++)
        if (strcmp(change->configs[i].name, name) == 0)
            return change->configs[i].value;
    return t == NULL ? NULL : metadata_topic_config(t, name);
}

/* ---- checks ---- */

static bool is_site_there(const struct metadata *m, const char *site, char *sites, size_t size)
{
    bool is_there = false;
    sites[0] = '\0';
    for (unsigned i = 0; i < metadata_node_count(m); i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        bool is_new = node->state != METADATA_NODE_GONE;
        for (unsigned k = 0; k < i; k++)
            is_new &= metadata_node_at(m, k)->state == METADATA_NODE_GONE ||
                      strcmp(metadata_node_at(m, k)->site, node->site) != 0;
        if (!is_new)
            continue;
        is_there |= strcmp(node->site, site) == 0;
        size_t used = strlen(sites);
        snprintf(sites + used, size - used, "%s%s", used == 0 ? "" : ", ", node->site);
    }
    return is_there;
}

static int check(const struct metadata *m, const struct metadata_change *change,
                 struct err_note *note)
{
    const struct metadata_topic *t = metadata_topic_by_id(m, change->id);
    const char *mode = config_after(t, change, METADATA_CONFIG_REPLICATION);
    const char *site = config_after(t, change, METADATA_CONFIG_HOME_SITE);
    const char *sites_needed = config_after(t, change, MIN_INSYNC);
    bool is_async = mode != NULL && strcmp(mode, "async") == 0;
    bool has_site = site != NULL && site[0] != '\0';
    char sites[200];
    if ((change->is_internal || (t != NULL && t->is_internal)) && (is_async || has_site))
        return err_set(note, ERR_INVALID,
                       "An internal topic is replicated synchronously, whatever its users are.");
    if (has_site && !is_site_there(m, site, sites, sizeof sites))
        return err_set(note, ERR_INVALID,
                       METADATA_CONFIG_HOME_SITE "=%.31s: there is no such site; there are: %s",
                       site, sites);
    if (is_async && !has_site)
        return err_set(note, ERR_INVALID,
                       METADATA_CONFIG_REPLICATION "=async needs " METADATA_CONFIG_HOME_SITE
                                                   ": the site that acknowledges");
    if (is_async && sites_needed != NULL && strtol(sites_needed, NULL, 10) > 1)
        return err_set(note, ERR_INVALID,
                       MIN_INSYNC "=%s can't be kept: an asynchronous topic is acknowledged by its "
                                  "home site alone",
                       sites_needed);
    return 0;
}

int topic_replication_check(struct metadata *m, const struct metadata_change *change,
                            struct err_note *note)
{
    metadata_read_lock(m);
    int err = check(m, change, note);
    metadata_read_unlock(m);
    return err;
}

/* ---- a group for it ---- */

static bool is_served(const struct metadata *m, const struct metadata_wish *wish)
{
    for (unsigned i = 1; i < metadata_group_count(m); i++)
        if (metadata_group_serves(metadata_group_at(m, i), wish))
            return true;
    return false;
}

static bool plan(const struct metadata *m, const struct metadata_change *change,
                 struct metadata_group *group, uint64_t *version)
{
    static _Thread_local struct placement now;
    struct metadata_wish wish;
    struct metadata_topic topic = {.is_internal = change->is_internal,
                                   .config_count = change->config_count,
                                   .configs = (struct metadata_config *)(uintptr_t)change->configs};
    metadata_topic_wish(&topic, &wish);
    *version = metadata_placement_version(m);
    if (metadata_group_count(m) == 0 || is_served(m, &wish))
        return false;
    placement_of(m, &now);
    return placement_new_group(&now, &wish, NULL, group, NULL) == 0;
}

bool topic_replication_new_group(struct metadata *m, const struct metadata_change *change,
                                 struct controller_change *group)
{
    struct metadata_group planned;
    struct metadata_change add = {.kind = METADATA_GROUP_ADD, .groups = &planned, .group_count = 1};
    metadata_read_lock(m);
    bool is_planned = plan(m, change, &planned, &add.placement_version);
    metadata_read_unlock(m);
    return is_planned && metadata_change_encode(&add, &group->body, &group->body_size) == 0;
}
