#include "router/permit.h"

#include <ctype.h>
#include <string.h>

#include "base/event.h"
#include "router/router.h"

#define TELL_EVERY_MS 10000 /* of one connection */
#define SHOWN_SIZE    64    /* of a client's text in events, with its NUL */

static size_t size_of(struct kafka_string s)
{
    return s.size > 0 ? (size_t)s.size : 0;
}

/* Client ids may hold anything. */
static void show(struct kafka_string text, char into[SHOWN_SIZE])
{
    size_t size = size_of(text) < SHOWN_SIZE ? size_of(text) : SHOWN_SIZE - 1;
    for (size_t i = 0; i < size; i++)
        into[i] = isgraph((unsigned char)text.data[i]) && text.data[i] != '"' ? text.data[i] : '?';
    into[size] = '\0';
}

/* ---- the environment ---- */

static const char *environment_of(const struct client_request *r)
{
    const struct router_settings *settings = r->shard->settings;
    struct kafka_string id = r->header.client_id;
    uint8_t address[16];
    client_address(r->client, address);
    for (unsigned i = 0; i < settings->environments.count; i++) {
        const struct conf_environment *e = &settings->environments.entries[i];
        if (conf_patterns_have(&e->client_ids, id.data, size_of(id)) ||
            conf_networks_have(&e->addresses, address))
            return e->environment;
    }
    return settings->environment;
}

void permit_look(struct client_request *r)
{
    const struct router_settings *settings = r->shard->settings;
    r->is_foreign = settings->environments.count > 0 &&
                    strcmp(environment_of(r), settings->environment) != 0;
}

/* ---- rules ---- */

enum subject { TOPIC, GROUP, ADMIN, ANY };

static bool fits(const struct conf_permit *rule, enum subject subject, struct kafka_string name)
{
    if (subject == TOPIC)
        return conf_patterns_have(&rule->topics, name.data, size_of(name));
    if (subject == GROUP)
        return conf_patterns_have(&rule->groups, name.data, size_of(name));
    return subject == ANY || rule->admin;
}

static bool is_allowed(const struct client_request *r, enum subject subject,
                       struct kafka_string name)
{
    const struct conf_permits *allow = &r->shard->settings->allow;
    struct kafka_string id = r->header.client_id;
    uint8_t address[16];
    if (allow->count == 0)
        return true;
    client_address(r->client, address);
    for (unsigned i = 0; i < allow->count; i++) {
        const struct conf_permit *rule = &allow->entries[i];
        if (conf_patterns_have(&rule->client_ids, id.data, size_of(id)) &&
            conf_networks_have(&rule->addresses, address) && fits(rule, subject, name))
            return true;
    }
    return false;
}

static void tell(struct client_request *r, enum subject subject, struct kafka_string name)
{
    static const char *const words[] = {"topic", "group", "change", "any"};
    char client[SHOWN_SIZE], shown[SHOWN_SIZE];
    uint64_t now_ms = router_now_ms(r->shard);
    struct client *c = r->client;
    r->shard->counts.troubles[TROUBLE_NOT_ALLOWED]++;
    if (c->told_ms != 0 && now_ms - c->told_ms < TELL_EVERY_MS)
        return;
    c->told_ms = now_ms;
    show(r->header.client_id, client);
    show(name, shown);
    event_warn("client_not_allowed", "address=%s client=%s api=%s what=%s name=%s reason=\"%s%s\"",
               c->address, client, r->header.api->name, words[subject], shown,
               r->is_foreign ? "it is of the environment " : "no rule allows it",
               r->is_foreign ? environment_of(r) : "");
}

static bool permit(struct client_request *r, enum subject subject, struct kafka_string name)
{
    bool may = !r->is_foreign && is_allowed(r, subject, name);
    if (!may)
        tell(r, subject, name);
    return may;
}

bool permit_topic(struct client_request *r, struct kafka_string topic)
{
    return permit(r, TOPIC, topic);
}

bool permit_group(struct client_request *r, struct kafka_string group)
{
    return permit(r, GROUP, group);
}

bool permit_admin(struct client_request *r)
{
    return permit(r, ADMIN, KAFKA_STRING_NULL);
}

bool permit_any(struct client_request *r)
{
    return permit(r, ANY, KAFKA_STRING_NULL);
}

bool permit_shows_topic(const struct client_request *r, struct kafka_string topic)
{
    return !r->is_foreign && is_allowed(r, TOPIC, topic);
}

bool permit_shows_group(const struct client_request *r, struct kafka_string group)
{
    return !r->is_foreign && is_allowed(r, GROUP, group);
}
