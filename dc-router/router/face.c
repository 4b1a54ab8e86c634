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

/* True: those of another site, which has some. */
static bool put_home(const struct router_shard *s, const char *home, struct face *face)
{
    const struct router_settings *settings = s->settings;
    face->count = 0;
    if (home != NULL && strcmp(home, settings->site) != 0)
        put_live(s, home, face);
    if (face->count > 0)
        return true;
    if (!s->is_draining)
        put_self(settings, face);
    put_live(s, settings->site, face);
    if (face->count == 0)
        put_self(settings, face); /* better than nobody */
    return false;
}

static bool has_broker(const struct face *face, uint32_t id)
{
    for (unsigned i = 0; i < face->count + face->beyond_count; i++)
        if (face->brokers[i].id == (int32_t)id)
            return true;
    return false;
}

/* All others that live. */
static void put_beyond(const struct router_shard *s, bool is_guest, struct face *face)
{
    const struct router_settings *settings = s->settings;
    unsigned home_count = face->count;
    if (is_guest && !s->is_draining)
        put_self(settings, face);
    for (unsigned i = 0; i < settings->routers.count; i++) {
        const struct conf_router *peer = &settings->routers.entries[i];
        if (view_has_live(&s->view, peer->router_id) && !has_broker(face, peer->router_id))
            put_peer(peer, face);
    }
    face->beyond_count = face->count - home_count;
    face->count = home_count;
}

void face_look(const struct router_shard *s, const struct client *client, struct face *face)
{
    const char *home = home_of(s->settings, client);
    bool is_guest = put_home(s, home, face);
    face->beyond_count = 0;
    if (home != NULL)
        put_beyond(s, is_guest, face);
    uint32_t self = (uint32_t)s->settings->router_id;
    face->controller_id = has_broker(face, self) ? (int32_t)self : face->brokers[0].id;
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

const struct face_broker *face_choose(const struct face *face, struct kafka_string name,
                                      int32_t partition)
{
    uint64_t hash = hash_of(name, partition), best = 0;
    const struct face_broker *chosen = NULL;
    for (unsigned i = 0; i < face->count; i++) {
        const struct face_broker *b = &face->brokers[i];
        uint64_t draw = mix(hash ^ mix((uint64_t)(uint32_t)b->id));
        if (chosen == NULL || draw > best || (draw == best && b->id < chosen->id)) {
            chosen = b;
            best = draw;
        }
    }
    return chosen;
}
