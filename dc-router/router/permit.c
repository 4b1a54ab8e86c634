#include "router/permit.h"

#include <ctype.h>
#include <string.h>

#include "base/event.h"
#include "dc-router/environment.h"
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

struct identity {
    struct kafka_string name;        /* the client id without what it says of the environment */
    struct kafka_string environment; /* null: it says nothing */
};

static struct identity identity_of(const struct client_request *r)
{
    const size_t mark_size = sizeof ROUTER_ENVIRONMENT_MARK - 1;
    struct kafka_string id = r->header.client_id;
    size_t size = size_of(id);
    for (size_t at = 0; at + mark_size <= size; at++)
        if (memcmp(id.data + at, ROUTER_ENVIRONMENT_MARK, mark_size) == 0)
            return (struct identity){.name = {.data = id.data, .size = (int32_t)at},
                                     .environment = {.data = id.data + at + mark_size,
                                                     .size = (int32_t)(size - at - mark_size)}};
    return (struct identity){.name = id, .environment = KAFKA_STRING_NULL};
}

static struct kafka_string environment_of(const struct client_request *r)
{
    const struct router_settings *settings = r->shard->settings;
    struct identity who = identity_of(r);
    uint8_t address[16];
    if (!kafka_string_is_null(who.environment))
        return who.environment;
    client_address(r->client, address);
    for (unsigned i = 0; i < settings->environments.count; i++) {
        const struct conf_environment *e = &settings->environments.entries[i];
        if (conf_patterns_have(&e->client_ids, who.name.data, size_of(who.name)) ||
            conf_networks_have(&e->addresses, address))
            return kafka_string_of(e->environment);
    }
    return kafka_string_of(settings->environment);
}

void permit_look(struct client_request *r)
{
    r->is_foreign = !kafka_string_is_text(environment_of(r), r->shard->settings->environment);
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
    struct kafka_string client = identity_of(r).name;
    uint8_t address[16];
    if (allow->count == 0)
        return true;
    client_address(r->client, address);
    for (unsigned i = 0; i < allow->count; i++) {
        const struct conf_permit *rule = &allow->entries[i];
        if (conf_patterns_have(&rule->client_ids, client.data, size_of(client)) &&
            conf_networks_have(&rule->addresses, address) && fits(rule, subject, name))
            return true;
    }
    return false;
}

static void tell(struct client_request *r, enum subject subject, struct kafka_string name)
{
    static const char *const words[] = {"topic", "group", "change", "any"};
    char client[SHOWN_SIZE], shown[SHOWN_SIZE], environment[SHOWN_SIZE] = "";
    uint64_t now_ms = router_now_ms(r->shard);
    struct client *c = r->client;
    r->shard->counts.troubles[TROUBLE_NOT_ALLOWED]++;
    if (c->told_ms != 0 && now_ms - c->told_ms < TELL_EVERY_MS)
        return;
    c->told_ms = now_ms;
    show(r->header.client_id, client);
    show(name, shown);
    if (r->is_foreign)
        show(environment_of(r), environment);
    event_warn("client_not_allowed", "address=%s client=%s api=%s what=%s name=%s reason=\"%s%s\"",
               c->address, client, r->header.api->name, words[subject], shown,
               r->is_foreign ? "it is of the environment " : "no rule allows it", environment);
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
