#include "router/face.h"

#include <string.h>

#include "router/client.h"
#include "router/router.h"

static void put_self(const struct router_settings *settings, struct face *face)
{
    face->brokers[face->count++] = (struct face_broker){
        .id = (int32_t)settings->router_id,
        .host = kafka_string_of(settings->advertised.host),
        .port = settings->advertised.port,
        .site = kafka_string_of(settings->site),
    };
}

static void put_peer(const struct conf_router *peer, struct face *face)
{
    face->brokers[face->count++] = (struct face_broker){
        .id = (int32_t)peer->router_id,
        .host = kafka_string_of(peer->address.host),
        .port = peer->address.port,
        .site = kafka_string_of(peer->site),
    };
}

static void put_live(const struct router_shard *s, const char *site, struct face *face)
{
    const struct router_settings *settings = s->settings;
    for (unsigned i = 0; i < settings->routers.count; i++) {
        const struct conf_router *peer = &settings->routers.entries[i];
        if (strcmp(peer->site, site) == 0 && view_has_live(&s->view, peer->router_id))
            put_peer(peer, face);
    }
}

/* Which site's it is, as settings say of its address; NULL: they don't. */
static const char *home_of(const struct router_settings *settings, const struct client *client)
{
    uint8_t address[16];
    if (client == NULL || settings->site_networks.count == 0)
        return NULL;
    client_address(client, address);
    for (unsigned i = 0; i < settings->site_networks.count; i++)
        if (conf_networks_have(&settings->site_networks.entries[i].addresses, address))
            return settings->site_networks.entries[i].site;
    return NULL;
}

static void put_own(const struct router_shard *s, struct face *face)
{
    if (!s->is_draining)
        put_self(s->settings, face);
    put_live(s, s->settings->site, face);
}

static bool has_broker(const struct face *face, uint32_t id)
{
    for (unsigned i = 0; i < face->count; i++)
        if (face->brokers[i].id == (int32_t)id)
            return true;
    return false;
}

/* All that are not there yet. */
static void put_others(const struct router_shard *s, struct face *face)
{
    const struct router_settings *settings = s->settings;
    if (!s->is_draining && !has_broker(face, (uint32_t)settings->router_id))
        put_self(settings, face);
    for (unsigned i = 0; i < settings->routers.count; i++) {
        const struct conf_router *peer = &settings->routers.entries[i];
        if (view_has_live(&s->view, peer->router_id) && !has_broker(face, peer->router_id))
            put_peer(peer, face);
    }
}

/* Those of the client's site lead; where it has none, all others. */
static void put_for(const struct router_shard *s, const char *home, struct face *face)
{
    if (strcmp(home, s->settings->site) == 0)
        put_own(s, face);
    else
        put_live(s, home, face);
    unsigned home_count = face->count;
    if (home_count == 0) {
        face->homeless = home;
        put_own(s, face); /* first, where there is no verdict */
    }
    put_others(s, face);
    if (home_count > 0) {
        face->beyond_count = face->count - home_count;
        face->count = home_count;
    }
}

void face_look(const struct router_shard *s, const struct client *client, struct face *face)
{
    const char *home = home_of(s->settings, client);
    *face = (struct face){.verdict = &s->view.verdict};
    if (home != NULL)
        put_for(s, home, face);
    else
        put_own(s, face);
    if (face->count == 0)
        put_self(s->settings, face); /* better than nobody */
    face->controller_id = face->brokers[0].id;
    for (unsigned i = 0; i < face->count + face->beyond_count; i++)
        if (face->brokers[i].id == (int32_t)s->settings->router_id)
            face->controller_id = face->brokers[i].id;
}

/* ---- who leads what ---- */

static bool has_site(const struct face *face, struct kafka_string site)
{
    for (unsigned i = 0; i < face->count; i++)
        if (kafka_string_is_equal(face->brokers[i].site, site))
            return true;
    return false;
}

/* The first in the name's order that has any. */
struct kafka_string face_site(const struct face *face, struct kafka_string name)
{
    const struct router_verdict *verdict = face->verdict;
    struct router_order order = {0}; /* stays so where nothing is agreed yet */
    if (face->homeless == NULL)
        return KAFKA_STRING_NULL;
    router_order(verdict, kafka_string_bytes(name), ROUTER_NO_SITE,
                 router_verdict_find(verdict, face->homeless), &order);
    for (unsigned i = 0; i < order.site_count; i++) {
        struct kafka_string site = kafka_string_of(verdict->sites[order.sites[i]].site.name);
        if (has_site(face, site))
            return site;
    }
    return face->brokers[0].site;
}

/* Stafford's mix 13, the end of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* FNV-1a (Fowler, Noll, Vo), mixed. Routers of two releases must draw the same. */
static uint64_t hash_of(struct kafka_string name, int32_t partition)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (int32_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.data[i]) * 0x100000001b3U;
    return mix(hash + (uint64_t)(uint32_t)partition * 0x9e3779b97f4a7c15U);
}

const struct face_broker *face_choose(const struct face *face, struct kafka_string site,
                                      struct kafka_string name, int32_t partition)
{
    uint64_t hash = hash_of(name, partition), best = 0;
    const struct face_broker *chosen = NULL;
    for (unsigned i = 0; i < face->count; i++) {
        const struct face_broker *b = &face->brokers[i];
        if (!kafka_string_is_null(site) && !kafka_string_is_equal(b->site, site))
            continue;
        uint64_t draw = mix(hash ^ mix((uint64_t)(uint32_t)b->id));
        if (chosen == NULL || draw > best || (draw == best && b->id < chosen->id)) {
            chosen = b;
            best = draw;
        }
    }
    return chosen;
}
